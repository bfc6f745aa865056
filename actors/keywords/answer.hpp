// What is said to a message that a rule matched. No CAF.
#pragma once

#include "actors/keywords/matcher.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::keywords {

/// Names as people see them.
struct message_names {
  std::string user;
  std::string group; // empty in a private chat
};

struct chosen_answer {
  std::string text; // valid UTF-8
  std::vector<std::string> images;
  bool prompt = false; // `text` is for the model
};

/// Chooses one of the rule's answers by `random`, any number evenly drawn, and fills in its
/// template; date and time as `clock` shows them. `match` was found in this message.
chosen_answer answer_to(const message_facts& message, const rule_match& match,
                        const message_names& names, const time_zone& clock, std::uint64_t random,
                        std::size_t bytes_max = 16'384);

} // namespace troupe::keywords
