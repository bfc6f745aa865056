// Which vocabulary a request means.
#pragma once

#include "messages/error.hpp"

#include <caf/expected.hpp>

#include <string>

namespace troupe {

struct vocabulary_choice {
  std::string name;
  bool estimated = false; // the model is not known, or has a vocabulary of its own
};

/// By the vocabulary's name or, if that is empty, by the model's. `invalid_argument` if both are
/// empty or no vocabulary has the name.
caf::expected<vocabulary_choice> choose_vocabulary(const std::string& vocabulary,
                                                   const std::string& model);

} // namespace troupe
