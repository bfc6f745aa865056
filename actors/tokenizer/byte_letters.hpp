// Bytes as the letters that GPT-2's kind of vocabulary writes them with.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe::tokens {

/// The bytes that the letters (UTF-8) stand for; nothing if one of them stands for none. A visible
/// Latin-1 character stands for itself, and the letters from U+0100 on for the others in order.
std::optional<std::string> bytes_of_letters(std::string_view letters);

} // namespace troupe::tokens
