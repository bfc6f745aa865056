// Any pattern and any text: a pattern that is read matches within its steps, with captures that lie
// in order, and finds its literal in what it matches. Any template with them stays within its
// bound.
#include "actors/keywords/pattern.hpp"
#include "actors/keywords/template.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace troupe::keywords;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

/// The input's part up to the next line, taken off.
std::string_view next_line(std::string_view& input) {
  auto end = std::min(input.find('\n'), input.size());
  auto line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

void try_template(std::string_view text, std::string_view message,
                  const std::vector<std::string_view>& captures,
                  const std::vector<std::string>& names) {
  template_values values;
  values.message = message;
  values.user = "{user}";
  values.captures = captures;
  values.capture_names = names;
  auto whole = render_template(text, values, 1 << 20);
  auto cut = render_template(text, values, 100);
  expect(cut.size() <= 100 && whole.starts_with(cut));
  auto checked = check_template(text, captures.size(), names);
  if (checked.empty() && text.find_first_of("{}") == text.npos)
    expect(whole == text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const folder fold{{}};
  std::string_view input{reinterpret_cast<const char*>(data), size};
  auto wanted = next_line(input);
  auto wording = next_line(input);
  folded_text text;
  fold_text(input, fold, text);
  expect(text.offsets.size() == text.points.size() + 1 && text.offsets.back() <= input.size());
  std::string problem;
  auto made = pattern::parse(wanted, fold, problem);
  if (!problem.empty()) {
    try_template(wording, input, {}, {});
    return 0;
  }
  pattern::scratch memory;
  std::vector<pattern::span> captures;
  std::vector<std::string_view> texts;
  if (made.match(text.points, memory, captures)) {
    expect(captures.size() == made.capture_names().size());
    std::uint32_t last = 0;
    for (auto [begin, end] : captures) {
      expect(last <= begin && begin <= end && end <= text.points.size());
      last = end;
      texts.push_back(input.substr(text.offsets[begin], text.offsets[end] - text.offsets[begin]));
    }
    auto [literal, at_start] = made.required_literal();
    auto at = std::u32string_view{text.points}.find(literal);
    expect(at_start ? at == 0 : at != std::u32string_view::npos);
  }
  try_template(wording, input, texts, made.capture_names());
  return 0;
}
