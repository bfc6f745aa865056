// Cutting a long answer into messages a platform takes. No CAF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::channels {

/// Cuts `text` into pieces of at most `chars_max` code points each (at least 1; less counts as 1).
/// It cuts where it hurts least: between paragraphs, before a code block, between lines, after a
/// sentence, between words; never within a character as people see it, nor within a link, unless
/// that alone is longer than a piece. A code block that must be cut is closed at the end of the
/// piece and opened again at the start of the next. White space at the cuts is dropped. Malformed
/// UTF-8 becomes U+FFFD. An answer without anything but white space gives no piece.
std::vector<std::string> split_answer(std::string_view text, std::size_t chars_max);

} // namespace troupe::channels
