// Any file of rules (JSON, CSV) or of statistics: problems or rules, never both; and what was read
// is written and read again as the same.
#include "actors/keywords/rule_files.hpp"
#include "actors/keywords/statistics.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace troupe::keywords;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

void check(const imported_rules& read) {
  expect(read.problems.empty() || read.rules.empty());
  for (const auto& p : read.problems)
    expect(!p.what.empty());
}

void read_again(const imported_rules& read) {
  auto json = import_json(export_json(read.rules));
  expect(json.problems.empty() && json.rules == read.rules);
  std::string problem;
  auto text = export_csv(read.rules, problem);
  if (!problem.empty())
    return;
  auto csv = import_csv(text);
  expect(csv.problems.empty() && csv.rules == read.rules);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  for (const auto& read : {import_json(text), import_csv(text)}) {
    check(read);
    read_again(read);
  }
  statistics_options small;
  small.counters_max = 8;
  small.hours_max = 3;
  small.channels_max = 2;
  if (auto counted = statistics::parse(text, small)) {
    auto written = counted->serialise();
    auto again = statistics::parse(written, small);
    expect(again && again->serialise() == written);
    counted->merge(*again);
    counted->record("k", "c", 0);
    for (const auto& f : counted->top(statistics::unit::hour, INT64_MIN, INT64_MAX, {}, 10))
      expect(f.at_least <= f.at_most);
  }
  return 0;
}
