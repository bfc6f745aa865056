#include "actors/channels/core/answer.hpp"

#include "actors/channels/core/pieces.hpp"
#include "actors/channels/core/text.hpp"

namespace troupe::channels {

std::vector<std::vector<v1::Part>> answer_pieces(const v1::Message& answer, std::size_t chars_max) {
  std::vector<std::vector<v1::Part>> result;
  for (auto& piece : split_answer(plain_text(answer.parts()), chars_max)) {
    auto& part = result.emplace_back().emplace_back();
    part.mutable_text()->set_text(std::move(piece));
  }
  return result;
}

} // namespace troupe::channels
