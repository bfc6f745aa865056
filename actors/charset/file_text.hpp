// Files that come in any character set, as UTF-8.
#pragma once

#include "actors/charset/charset.hpp"

#include <string>
#include <string_view>

namespace troupe::charset {

struct file_text {
  std::string text;     // UTF-8, without a byte order mark
  std::string encoding; // that it turned out to have
  std::string fault;    // a sentence about the file that says what to do; then there is no text
};

/// Reads a file's bytes in the encoding named; without one it is found out (detect.hpp). Nothing is
/// lost: bytes that make no sense in the encoding are a fault, for a word that is read wrong is
/// worse than none.
file_text decode_file(std::string_view bytes, std::string_view encoding = {});

} // namespace troupe::charset
