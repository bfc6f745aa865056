#include "actors/tokenizer/vocabulary_choice.hpp"

#include "actors/tokenizer/vocabulary_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

namespace troupe {

caf::expected<vocabulary_choice> choose_vocabulary(const std::string& vocabulary,
                                                   const std::string& model) {
  if (vocabulary.empty() && model.empty())
    return make_error(ec::invalid_argument, "name the vocabulary or the model to count for");
  if (vocabulary.empty()) {
    auto guess = tokens::vocabulary_of_model(model);
    return vocabulary_choice{std::string{guess.name}, guess.estimated};
  }
  if (tokens::find_vocabulary(vocabulary) != nullptr)
    return vocabulary_choice{vocabulary, false};
  std::vector<std::string_view> names;
  for (const auto& known : tokens::vocabularies())
    names.push_back(known.name);
  return make_error(ec::invalid_argument, fmt::format("no vocabulary is named {}; there are {}",
                                                      vocabulary, fmt::join(names, ", ")));
}

} // namespace troupe
