#include "actors/charset/detect.hpp"

#include "actors/charset/utf8.hpp"

#include <unicode/ucsdet.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace troupe::charset {

namespace {

struct closed {
  void operator()(UCharsetDetector* detector) const noexcept { ucsdet_close(detector); }
};

// The longer ones first: the mark of UTF-16 begins that of UTF-32.
constexpr std::pair<std::string_view, std::string_view> order_marks[] = {
    {{"\xff\xfe\0\0", 4}, "utf-32le"}, {{"\0\0\xfe\xff", 4}, "utf-32be"}, {"\xef\xbb\xbf", "utf-8"},
    {"\x84\x31\x95\x33", "gb18030"},   {"\xff\xfe", "utf-16le"},          {"\xfe\xff", "utf-16be"},
};

/// Whether the sample is UTF-8, but for a character that its end may have cut.
bool is_utf8(std::string_view sample, bool cut) {
  auto end = end_of_valid_utf8(sample, 0);
  return end == sample.size() || (cut && sample.size() - end < 4);
}

/// ASCII and the like as UTF-16 or UTF-32 without a mark: zeros at every other place.
const charset* by_zeros(std::string_view sample) {
  std::size_t zeros[4] = {};
  for (std::size_t i = 0; i < sample.size(); ++i)
    zeros[i % 4] += sample[i] == '\0' ? 1 : 0;
  auto quarter = sample.size() / 4;
  auto many = [&](int place) { return zeros[place] * 10 > quarter * 7; };
  auto few = [&](int place) { return zeros[place] * 10 < quarter; };
  if (quarter == 0)
    return nullptr;
  if (few(0) && many(2) && many(3))
    return find_charset("utf-32le");
  if (few(3) && many(0) && many(1))
    return find_charset("utf-32be");
  if (few(0) && few(2) && many(1) && many(3))
    return find_charset("utf-16le");
  if (few(1) && few(3) && many(0) && many(2))
    return find_charset("utf-16be");
  // Of other scripts only the line ends and spaces have zeros; texts of other charsets have none.
  auto even = zeros[0] + zeros[2];
  auto odd = zeros[1] + zeros[3];
  if (even == odd || sample.size() % 2 != 0)
    return nullptr;
  const auto* set = find_charset(even > odd ? "utf-16be" : "utf-16le");
  return to_utf8(sample, *set).lost <= 1 ? set : nullptr; // the sample's end may cut a pair
}

// Characters of daily use: a wrong charset of the same kind gives rare ones.
bool is_common(char32_t c) {
  static constexpr std::u32string_view common =
      U"的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
      U"过"
      U"這個們來為國說時會對過後發開學點見問沒還樣將現從當實經與體裡麼種應該話關係車長電頭東無現業"
      U"のにはをたがでとしれさもいなるあっかりくすまけこ年日本人大会国上長出時間見社者"
      U"이다의에는을가고하지로한은도를나사기리자";
  return common.find(c) != common.npos;
}

/// How well the charset explains the sample: nothing if it does not.
int fitness(std::string_view sample, const charset& set, bool cut) {
  auto read = to_utf8(sample, set);
  if (read.lost > (cut ? 1u : 0u) + sample.size() / 2'000)
    return 0;
  std::size_t wide = 0, common = 0, odd = 0;
  for (std::size_t i = 0; i < read.text.size();) {
    auto [value, bytes] = decode_utf8(read.text, i);
    wide += value >= 0x80 ? 1 : 0;
    common += value >= 0x80 && is_common(value) ? 1 : 0;
    // Private use, controls, and half-width kana, which every other byte pair looks like.
    odd += (value >= 0xe000 && value < 0xf900) || (value >= 0x80 && value < 0xa0)
                   || (value >= 0xff61 && value < 0xffa0)
               ? 1
               : 0;
    i += bytes;
  }
  if (wide == 0)
    return 0;
  auto share = static_cast<int>(100 * common / wide);
  return std::clamp(40 + 2 * share - static_cast<int>(200 * odd / wide), 1, 95);
}

/// What ICU thinks, from 0 to 100.
int icu_confidence(std::span<const UCharsetMatch* const> matches, const charset& set) {
  auto name = set.name == "gbk" ? std::string_view{"gb18030"} : set.name;
  for (const auto* match : matches) {
    auto status = U_ZERO_ERROR;
    const char* found = ucsdet_getName(match, &status);
    const auto* same = U_SUCCESS(status) ? find_charset(found) : nullptr;
    if (same != nullptr && same->name == name)
      return ucsdet_getConfidence(match, &status);
  }
  return 0;
}

} // namespace

std::vector<guess> detect(std::string_view bytes) {
  if (bytes.empty())
    return {{find_charset("utf-8"), 100}};
  for (auto [mark, name] : order_marks)
    if (bytes.starts_with(mark))
      return {{find_charset(name), 100}};
  auto cut = bytes.size() > sample_bytes_max;
  auto sample = bytes.substr(0, sample_bytes_max);
  if (const auto* found = by_zeros(sample))
    return {{found, 90}};
  if (is_utf8(sample, cut))
    return {{find_charset("utf-8"), 100}};

  auto status = U_ZERO_ERROR;
  std::unique_ptr<UCharsetDetector, closed> detector{ucsdet_open(&status)};
  std::int32_t count = 0;
  const UCharsetMatch** matches = nullptr;
  ucsdet_setText(detector.get(), sample.data(), static_cast<std::int32_t>(sample.size()), &status);
  matches = ucsdet_detectAll(detector.get(), &count, &status);
  if (U_FAILURE(status))
    count = 0;
  std::vector<guess> guesses;
  for (auto name : {"gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"}) {
    const auto* set = find_charset(name);
    if (auto fits = fitness(sample, *set, cut); fits > 0)
      guesses.push_back(
          {set,
           std::max(1, (2 * fits + icu_confidence({matches, static_cast<std::size_t>(count)}, *set))
                           / 3)});
  }
  // Every text is Latin-1: the guess when nothing else is likely.
  if (auto odd = std::count_if(sample.begin(), sample.end(),
                               [](char c) {
                                 auto byte = static_cast<unsigned char>(c);
                                 return byte == 0 || (byte >= 0x80 && byte < 0xa0);
                               });
      odd == 0)
    guesses.push_back({find_charset("iso-8859-1"), 30});
  std::stable_sort(guesses.begin(), guesses.end(),
                   [](const guess& x, const guess& y) { return x.confidence > y.confidence; });
  return guesses;
}

} // namespace troupe::charset
