// Text of chat platforms: UTF-8 that may be broken, clipping, and an answer's parts as plain text.
#pragma once

#include "messages/types.hpp"

#include <google/protobuf/repeated_ptr_field.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::channels {

using part_list = google::protobuf::RepeatedPtrField<v1::Part>;

/// The text with every malformed byte sequence replaced by U+FFFD: protobuf and JSON need it valid.
std::string valid_utf8(std::string_view text);

/// How many code points a valid UTF-8 text has. Platforms' limits count them, or bytes.
std::size_t code_points(std::string_view text) noexcept;

/// Without white space (ASCII's, and U+3000 of Chinese keyboards) at both ends.
std::string_view trimmed(std::string_view text) noexcept;

/// At most `code_points_max`, with an ellipsis for what was left out; never within a character.
std::string clipped(std::string_view text, std::size_t code_points_max);

/// What an answer's parts say to a platform that shows plain text: texts, and links to images,
/// audio and files. Reasoning and tool calls are left out.
std::string plain_text(const part_list& parts);

/// Adds a text part; empty texts add nothing.
void add_text(part_list& parts, std::string text);

} // namespace troupe::channels
