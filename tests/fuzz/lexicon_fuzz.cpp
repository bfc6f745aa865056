// Any file as a lexicon: no crash, nothing over its bounds, and what was read comes back from what
// is written.
#include "actors/moderation/lexicon_file.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

using namespace troupe::moderation;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  constexpr std::string_view encodings[] = {"", "GBK", "UTF-8", "UTF-16LE", "Big5", "no such one"};
  std::optional<file_format> format;
  if (data[0] % 4 != 3)
    format = static_cast<file_format>(data[0] % 4);
  auto read = import_lexicon(bytes, format, encodings[data[0] / 4 % 6]);
  expect(read.entries.size() <= entries_max && read.problems.size() <= 1'001);
  for (const auto& one : read.entries)
    expect(fault_of(one).empty());
  lexicon words{"fuzz", 1, read.entries};
  for (auto to : {file_format::csv, file_format::json}) {
    auto again = import_lexicon(export_lexicon(words, to), to, "UTF-8");
    expect(again.fault.empty() && again.problems.empty() && again.entries == words.entries);
  }
  return 0;
}
