// Which character set a text is in.
#pragma once

#include "actors/charset/charset.hpp"

#include <string_view>
#include <vector>

namespace troupe::charset {

/// Of a text, what is looked at: its beginning.
inline constexpr std::size_t sample_bytes_max = 64 * 1'024;

struct guess {
  const charset* set;
  int confidence; // from 1 to 100; 100 is sure: a byte order mark, ASCII, or valid UTF-8
};

/// The charsets that the bytes may be in, the likeliest first; none if they look like no text.
/// Short texts are guessed badly: a dozen of Chinese characters is enough, two are not.
std::vector<guess> detect(std::string_view bytes);

} // namespace troupe::charset
