// Any bytes as a tokenizer.json: refused with a reason, or a vocabulary that gives texts back.
#include "actors/tokenizer/tokenizer_json.hpp"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

using namespace troupe::tokens;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

void try_out(const encoding& vocabulary, std::string_view text) {
  for (auto mode : {specials::as_text, specials::allowed}) {
    auto ids = vocabulary.encode(text, mode);
    auto decoded = vocabulary.decode(ids);
    expect(decoded && vocabulary.encode(*decoded, mode).size() <= ids.size() + text.size());
    auto places = vocabulary.encode_with_places(text, mode);
    expect(places.size() == ids.size() && (places.empty() || places.back().end == text.size()));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  try {
    encoding vocabulary{parse_tokenizer_json("fuzz", text)};
    try_out(vocabulary, text.substr(0, 2'000));
    try_out(vocabulary, "a\xcc\x81 aaaa\xff 12345 \xe4\xb8\xad\xe6\x96\x87 <x>");
  } catch (const std::runtime_error& e) {
    expect(*e.what() != '\0');
  }
  return 0;
}
