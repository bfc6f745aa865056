#include "actors/keywords/pattern.hpp"

#include <fmt/format.h>
#include <unicode/uchar.h>

#include <algorithm>

namespace troupe::keywords {

/// Reads the language above, left to right.
class pattern_reader {
public:
  pattern_reader(std::u32string points, const folder& fold) :
      points_(std::move(points)), fold_(fold) {}

  pattern read(std::string& problem) {
    while (problem_.empty() && at_ < points_.size())
      read_element();
    if (problem_.empty() && made_.elements_.empty())
      problem_ = "the pattern is empty";
    problem = problem_;
    made_.letter_case_ = fold_(U'A') == U'a';
    for (const auto& e : made_.elements_) {
      if (e.what == pattern::kind::literal)
        made_.shortest_ += e.count;
      else if (e.what != pattern::kind::any_run)
        ++made_.shortest_;
    }
    made_.elements_.shrink_to_fit();
    made_.literals_.shrink_to_fit();
    return std::move(made_);
  }

private:
  using kind = pattern::kind;

  void fail(std::string_view what) {
    if (problem_.empty())
      problem_ =
          fmt::format("{} at character {} of the pattern", what, std::min(at_, points_.size()) + 1);
  }

  bool more() const { return at_ < points_.size(); }

  void add(kind what, std::size_t first = 0, std::size_t count = 0, bool negated = false) {
    if (made_.elements_.size() == pattern::elements_max)
      return fail(fmt::format("more than {} parts", pattern::elements_max));
    made_.elements_.push_back(
        {what, negated, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(count)});
  }

  void add_capture(std::string name) {
    if (made_.names_.size() == pattern::captures_max)
      return fail(fmt::format("more than {} captures", pattern::captures_max));
    if (!name.empty()
        && std::find(made_.names_.begin(), made_.names_.end(), name) != made_.names_.end())
      return fail(fmt::format("a second capture named {}", name));
    made_.names_.push_back(std::move(name));
  }

  void add_literal(char32_t c) {
    if (made_.elements_.empty() || made_.elements_.back().what != kind::literal)
      add(kind::literal, made_.literals_.size());
    if (!problem_.empty())
      return;
    made_.literals_.push_back(fold_(c));
    ++made_.elements_.back().count;
  }

  void read_element() {
    auto c = points_[at_];
    switch (c) {
      case U'*':
        if (!made_.elements_.empty() && made_.elements_.back().what == kind::any_run)
          return fail("a second * in a row");
        add_capture({});
        add(kind::any_run);
        ++at_;
        return;
      case U'?':
        add(kind::any_one);
        ++at_;
        return;
      case U'[':
        return read_class(kind::class_one);
      case U'{':
        return read_named();
      case U']':
      case U'}':
        return fail("a bracket that closes nothing (write \\ before it to mean itself)");
      default:
        if (auto literal = read_character())
          add_literal(literal);
    }
  }

  /// A character that stands for itself, which may have a backslash before it; 0 is a failure.
  char32_t read_character() {
    if (points_[at_] == U'\\' && ++at_ == points_.size()) {
      fail("nothing after a backslash");
      return 0;
    }
    if (points_[at_] == 0 || points_[at_] == malformed) {
      fail("a byte that is no UTF-8 text");
      return 0;
    }
    return points_[at_++];
  }

  void read_class(kind what) {
    ++at_; // [
    auto negated = more() && (points_[at_] == U'!' || points_[at_] == U'^');
    if (negated)
      ++at_;
    auto first = made_.ranges_.size();
    std::size_t written = 0;
    while (problem_.empty() && more() && points_[at_] != U']') {
      auto low = read_character();
      auto high = low;
      if (problem_.empty() && at_ + 1 < points_.size() && points_[at_] == U'-'
          && points_[at_ + 1] != U']') {
        ++at_;
        high = read_character();
      }
      if (problem_.empty() && high < low)
        fail("a range that ends before it begins");
      if (++written > pattern::ranges_max)
        fail(fmt::format("more than {} ranges in a class", pattern::ranges_max));
      add_range(low, high);
    }
    if (problem_.empty() && !more())
      fail("a class without its ]");
    else if (problem_.empty() && written == 0)
      fail("an empty class");
    ++at_; // ]
    add(what, first, made_.ranges_.size() - first, negated);
  }

  // Texts are folded, so the range is wanted as its folded characters too.
  void add_range(char32_t low, char32_t high) {
    made_.ranges_.push_back({low, high});
    auto folded_low = fold_(low);
    auto folded_high = fold_(high);
    if (folded_low != low && folded_high - folded_low == high - low)
      made_.ranges_.push_back({folded_low, folded_high});
  }

  void read_named() {
    ++at_; // {
    std::string name;
    while (more() && points_[at_] != U'}' && points_[at_] != U':') {
      auto c = points_[at_];
      auto letter = (c >= U'a' && c <= U'z') || c == U'_';
      if (!letter && (name.empty() || c < U'0' || c > U'9'))
        return fail("a capture's name that is not of the letters a-z, _ and, after the first, 0-9");
      if (name.size() == pattern::name_bytes_max)
        return fail(
            fmt::format("a capture's name of more than {} letters", pattern::name_bytes_max));
      name += static_cast<char>(c);
      ++at_;
    }
    if (!more())
      return fail("a capture without its }");
    if (name.empty())
      return fail("a capture without a name");
    add_capture(std::move(name));
    if (points_[at_] == U':') {
      ++at_;
      if (!more() || points_[at_] != U'[')
        return fail("no class after a capture's colon");
      read_class(kind::class_run);
    } else
      add(kind::some_run);
    if (problem_.empty() && (!more() || points_[at_] != U'}'))
      return fail("a capture without its }");
    ++at_;
  }

  std::u32string points_;
  const folder& fold_;
  std::size_t at_ = 0;
  pattern made_;
  std::string problem_;
};

pattern pattern::parse(std::string_view text, const folder& fold, std::string& problem) {
  // Unfolded: a capture's name is written in small letters, and a full-width star is no wildcard.
  static const folder as_written{{false, false}};
  folded_text written;
  fold_text(text, as_written, written);
  if (written.points.ends_with(U'\\') && written.offsets.back() < text.size())
    written.points += U' '; // a space with a backslash before it is meant
  return pattern_reader{std::move(written.points), fold}.read(problem);
}

std::size_t pattern::bytes() const noexcept {
  auto names = names_.capacity() * sizeof(std::string);
  return sizeof(pattern) + elements_.capacity() * sizeof(element)
         + literals_.capacity() * sizeof(char32_t) + ranges_.capacity() * sizeof(range) + names;
}

std::size_t pattern::steps(std::size_t points) const noexcept {
  return points < shortest_ ? 1 : 1 + points * (elements_.size() + literals_.size() / 4);
}

bool pattern::literal_at(const element& e, std::u32string_view points,
                         std::size_t at) const noexcept {
  return points.size() - at >= e.count
         && points.substr(at, e.count) == std::u32string_view{literals_}.substr(e.first, e.count);
}

bool pattern::in_ranges(const element& e, char32_t c) const noexcept {
  return std::any_of(ranges_.begin() + e.first, ranges_.begin() + e.first + e.count,
                     [c](const range& r) { return r.low <= c && c <= r.high; });
}

bool pattern::accepts(const element& e, char32_t c) const noexcept {
  auto in = in_ranges(e, c);
  if (!in && letter_case_ && c < malformed)
    in = in_ranges(e, static_cast<char32_t>(u_toupper(static_cast<UChar32>(c))));
  return in != e.negated;
}

// From the text's end to its beginning: bit j of reach[i] says that the elements from `first + j`
// on match the points from i on. The captures are then found without ever going back.
bool pattern::fill_reach(std::u32string_view points, std::size_t first, std::size_t last,
                         scratch& memory) const {
  auto size = points.size();
  auto count = last - first;
  auto& reach = memory.reach;
  reach.assign(size + 1, 0);
  for (auto i = size + 1; i-- > 0;) {
    std::uint64_t here = i == size ? std::uint64_t{1} << count : 0;
    auto next = i == size ? 0 : reach[i + 1];
    for (auto j = count; j-- > 0;) {
      const auto& e = elements_[first + j];
      auto after = j + 1;
      bool yes = false;
      switch (e.what) {
        case kind::literal:
          yes = i + e.count <= size && (reach[i + e.count] >> after & 1) != 0
                && literal_at(e, points, i);
          break;
        case kind::any_one:
          yes = (next >> after & 1) != 0;
          break;
        case kind::class_one:
          yes = (next >> after & 1) != 0 && accepts(e, points[i]);
          break;
        case kind::any_run:
          yes = (here >> after & 1) != 0 || (next >> j & 1) != 0;
          break;
        case kind::some_run:
          yes = (next >> after & 1) != 0 || (next >> j & 1) != 0;
          break;
        case kind::class_run:
          yes = ((next >> after & 1) != 0 || (next >> j & 1) != 0) && accepts(e, points[i]);
          break;
      }
      here |= static_cast<std::uint64_t>(yes) << j;
    }
    reach[i] = here;
  }
  return (reach[0] & 1) != 0;
}

bool pattern::match(std::u32string_view points, scratch& memory,
                    std::vector<span>& captures) const {
  captures.clear();
  if (points.size() < shortest_ || elements_.empty())
    return false;
  // Ordinary characters at both ends need no table.
  std::size_t first = 0;
  auto last = elements_.size();
  std::uint32_t shift = 0;
  if (elements_[0].what == kind::literal) {
    if (!literal_at(elements_[0], points, 0))
      return false;
    shift = elements_[0].count;
    points.remove_prefix(shift);
    first = 1;
  }
  if (last > first && elements_[last - 1].what == kind::literal) {
    const auto& e = elements_[--last];
    if (points.size() < e.count || !literal_at(e, points, points.size() - e.count))
      return false;
    points.remove_suffix(e.count);
  }
  if (!fill_reach(points, first, last, memory))
    return false;
  std::uint32_t at = 0;
  for (std::size_t j = 0; j + first < last; ++j) {
    const auto& e = elements_[first + j];
    auto goes_on = [&] { return (memory.reach[at] >> (j + 1) & 1) != 0; };
    auto begin = at;
    switch (e.what) {
      case kind::literal:
        at += e.count;
        continue;
      case kind::any_one:
      case kind::class_one:
        ++at;
        continue;
      case kind::some_run:
      case kind::class_run:
        ++at;
        break;
      case kind::any_run:
        break;
    }
    while (!goes_on())
      ++at;
    captures.emplace_back(shift + begin, shift + at);
  }
  return true;
}

pattern::required pattern::required_literal() const noexcept {
  required found;
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    const auto& e = elements_[i];
    if (e.what != kind::literal || e.count <= found.literal.size())
      continue;
    found = {std::u32string_view{literals_}.substr(e.first, e.count), i == 0};
  }
  return found;
}

} // namespace troupe::keywords
