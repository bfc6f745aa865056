// Any bytes: encoding comes back byte by byte, counts agree, places and cuts keep their promise.
#include "actors/tokenizer/encoding.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace troupe::tokens;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

void try_out(const encoding& vocabulary, std::string_view text, std::int64_t limit) {
  for (auto mode : {specials::as_text, specials::allowed}) {
    auto ids = vocabulary.encode(text, mode);
    auto size = static_cast<std::int64_t>(ids.size());
    expect(vocabulary.decode(ids) == text);
    expect(vocabulary.count(text, 0, mode).tokens == size);
    expect(vocabulary.count(text, limit, mode).limit_reached == (limit > 0 && size > limit));
  }
  for (auto mode : {specials::as_text, specials::allowed}) {
    std::size_t at = 0;
    for (const auto& place : vocabulary.encode_with_places(text, mode)) {
      expect(place.begin == at && vocabulary.text_of(place.id) == text.substr(at, place.end - at));
      at = place.end;
    }
    expect(at == text.size());
  }
  std::size_t start = 0;
  auto most = std::max<std::int64_t>(limit, 1);
  for (auto end : vocabulary.split(text, limit)) {
    expect(end > start && end <= text.size());
    expect(end - start <= 4 || vocabulary.count(text.substr(start, end - start)).tokens <= most);
    start = end;
  }
  expect(start == text.size());
  auto cut = vocabulary.truncate(text, limit);
  expect(cut <= text.size() && vocabulary.count(text.substr(0, cut)).tokens <= limit);
}

/// o200k_harmony has two names for one special token: as in tiktoken, both are read and one comes
/// back. Every other text comes back as it was.
std::string with_first_names(std::string text) {
  constexpr std::string_view second = "<|reserved_200018|>";
  for (std::size_t at = 0; (at = text.find(second, at)) != std::string::npos;)
    text.replace(at, second.size(), "<|endofprompt|>");
  return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static library vocabularies_here;
  if (size == 0)
    return 0;
  auto limit = static_cast<std::int64_t>(data[0] % 32);
  auto text = with_first_names({reinterpret_cast<const char*>(data) + 1, size - 1});
  for (auto name : {"cl100k_base", "o200k_harmony", "p50k_edit"})
    try_out(*vocabularies_here.find(name), text, limit);
  return 0;
}
