#include "actors/charset/file_text.hpp"

#include "actors/charset/detect.hpp"

namespace troupe::charset {

file_text decode_file(std::string_view bytes, std::string_view encoding) {
  file_text made;
  if (bytes.size() > text_bytes_max) {
    made.fault = "it is longer than " + std::to_string(text_bytes_max) + " bytes: divide it";
    return made;
  }
  const auto* set = find_charset(encoding.empty() ? "utf-8" : encoding);
  if (encoding.empty() && !bytes.empty()) {
    auto guesses = detect(bytes);
    set = guesses.empty() ? nullptr : guesses.front().set;
  }
  if (set == nullptr) {
    made.fault = encoding.empty() ? "it looks like no text: name its encoding"
                                  : "there is no encoding named " + std::string{encoding};
    return made;
  }
  made.encoding = set->name;
  auto content = to_utf8(bytes, *set);
  if (content.lost > 0)
    made.fault = "it is not the encoding " + made.encoding + ": byte "
                 + std::to_string(content.losses.front().offset)
                 + " makes no sense in it; name another encoding";
  else
    made.text = std::move(content.text);
  return made;
}

} // namespace troupe::charset
