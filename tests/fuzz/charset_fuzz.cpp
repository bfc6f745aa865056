// Any bytes in any charset: what is told to be lost lies where it is said to, and all else comes
// back.
#include "actors/charset/charset.hpp"
#include "actors/charset/detect.hpp"
#include "actors/charset/forms.hpp"
#include "actors/charset/utf8.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace troupe::charset;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

void check_losses(const converted& result, std::string_view source) {
  expect(result.losses.size() <= losses_max && result.losses.size() <= result.lost);
  std::size_t at = 0;
  for (const auto& loss : result.losses) {
    expect(loss.offset >= at && !loss.bytes.empty());
    expect(source.substr(loss.offset, loss.bytes.size()) == loss.bytes);
    at = loss.offset + loss.bytes.size();
  }
}

bool is_utf8(std::string_view text) { return end_of_valid_utf8(text, 0) == text.size(); }

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto& set = charsets()[data[0] % charsets().size()];
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto read = to_utf8(text, set);
  check_losses(read, text);
  expect(is_utf8(read.text));
  auto written = from_utf8(text, set);
  check_losses(written, text);
  if (set.unicode && written.lost == 0 && !written.marked_order)
    expect(to_utf8(written.text, set).text == text);
  for (const auto& guess : detect(text))
    expect(guess.set != nullptr && guess.confidence >= 1 && guess.confidence <= 100);
  auto valid = is_utf8(text);
  for (auto form : {normal_form::nfc, normal_form::nfd, normal_form::nfkc, normal_form::nfkd})
    expect(is_utf8(normalise(text, form)) == valid || !valid);
  expect(is_utf8(fold_width(text)) == valid || !valid);
  expect(is_utf8(convert_han(text, static_cast<han_way>(data[0] % 8))) == valid || !valid);
  return 0;
}
