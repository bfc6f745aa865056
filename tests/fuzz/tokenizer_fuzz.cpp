// Any bytes: encoding comes back byte by byte, counts agree, cuts keep their promise.
#include "actors/tokenizer/encoding.hpp"

#include <cstdint>
#include <cstdlib>
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
  auto cut = vocabulary.truncate(text, limit);
  expect(cut <= text.size() && vocabulary.count(text.substr(0, cut)).tokens <= limit);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static library vocabularies_here;
  if (size == 0)
    return 0;
  auto limit = static_cast<std::int64_t>(data[0] % 32);
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  for (auto name : {"cl100k_base", "o200k_harmony", "p50k_edit"})
    try_out(*vocabularies_here.find(name), text, limit);
  return 0;
}
