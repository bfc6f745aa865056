// Any lexicon, any text, any pieces: no crash, hits at borders of characters, none within an
// allowed word, and pieces give the result of the whole.
#include "actors/moderation/render.hpp"
#include "actors/moderation/stream_filter.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace troupe::moderation;

namespace {

void expect(bool holds) {
  if (!holds)
    std::abort();
}

/// Lines up to an empty one: a byte that says what the entry is, and its text.
lexicon read_lexicon(std::string_view& rest) {
  lexicon words;
  while (!rest.empty() && words.entries.size() < 64) {
    auto end = std::min(rest.find('\n'), rest.size());
    auto line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty())
      break;
    entry one;
    auto what = static_cast<unsigned char>(line[0]);
    one.kind = static_cast<entry_kind>(what % 3);
    one.act = static_cast<action>(what / 3 % 5);
    one.pinyin = what >= 128;
    one.replacement = "#";
    one.text = line.substr(1);
    words.entries.push_back(one);
  }
  return words;
}

matcher_options read_options(std::uint8_t folds, std::uint8_t others) {
  matcher_options options;
  for (auto one : {fold::width, fold::look_alikes, fold::letter_case, fold::script, fold::symbols,
                   fold::repeats, fold::pinyin})
    if ((folds & static_cast<std::uint8_t>(one)) == 0)
      options.folds = options.folds.without({one});
  options.word_borders = (others & 1) != 0;
  for (std::size_t i = 0; i < detectors_count; ++i)
    options.detectors[i].on = (others >> (i + 1) & 1) != 0;
  return options;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3)
    return 0;
  auto options = read_options(data[0], data[1]);
  auto piece = data[2] % 32u + 1;
  std::string_view text{reinterpret_cast<const char*>(data) + 3, size - 3};
  auto words = read_lexicon(text);
  std::vector<problem> problems;
  auto machine = matcher::make(words, options, problems);
  auto whole = machine->find(text);
  expect(!whole.truncated || whole.hits.size() == hits_max_by_default);
  if (whole.truncated)
    return 0;
  std::string streamed;
  std::vector<hit> hits;
  stream_filter filter{machine};
  for (std::size_t at = 0; at < text.size(); at += piece)
    filter.push(text.substr(at, piece), streamed, hits);
  filter.finish(streamed, hits);
  expect(hits == whole.hits);
  expect(streamed == rendered(*machine, text, whole.hits));
  for (const auto& one : hits) {
    expect(one.begin < one.end && one.end <= text.size());
    expect(one.entry >= first_detector || words.entries[one.entry].kind != entry_kind::allowed);
  }
  return 0;
}
