// What a channel sends of an answer, row by row. No CAF.
#pragma once

#include "messages/types.hpp"

#include <cstddef>
#include <vector>

namespace troupe::channels {

/// The pieces of an answer for a platform that shows plain text of at most `chars_max` code points
/// a message, and pictures: one text part each, in order, then one picture each. For
/// `session_options::split`.
std::vector<std::vector<v1::Part>> answer_pieces(const v1::Message& answer, std::size_t chars_max);

} // namespace troupe::channels
