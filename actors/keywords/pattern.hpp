// Patterns with wildcards and captures, matched in linear time. No CAF.
#pragma once

#include "actors/keywords/fold.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::keywords {

/// A pattern describes the whole text (white space at its ends left out):
///
///   *             any run of characters, also none; captured
///   {name}        any run of one or more characters; captured under the name
///   {name:[0-9]}  a run of one or more characters of a class; captured under the name
///   ?             any one character
///   [a-z0-9_]     one character of a class; [!...] or [^...]: one that is not in it
///   \             takes the next character as it is
///
/// Everything else stands for itself. Captures are numbered from 1 in the order of the pattern;
/// each is as short as the whole allows, the first one first. That is the whole language: what a
/// regular expression has beyond it (choice, repetition of groups) is written as several rules.
class pattern {
public:
  static constexpr std::size_t elements_max = 48; // runs of ordinary characters count as one
  static constexpr std::size_t captures_max = 9;
  static constexpr std::size_t name_bytes_max = 32;
  static constexpr std::size_t ranges_max = 32; // of one class

  /// Reads a pattern. On failure the result is not usable, and `problem` says what is wrong and at
  /// which character (from 1).
  static pattern parse(std::string_view text, const folder& fold, std::string& problem);

  /// Where a capture lies, as indexes of points.
  using span = std::pair<std::uint32_t, std::uint32_t>;

  struct scratch {
    std::vector<std::uint64_t> reach;
  };

  /// What `match` costs at most, about: steps of a nanosecond or two.
  std::size_t steps(std::size_t points) const noexcept;

  /// Whether folded points match; `captures` are then those of the pattern, in its order. Takes
  /// time proportional to `steps`, whatever the points are.
  bool match(std::u32string_view points, scratch& memory, std::vector<span>& captures) const;

  /// Every text that matches contains it; empty if there is none. If `at_start`, begins with it.
  struct required {
    std::u32string_view literal;
    bool at_start = false;
  };
  required required_literal() const noexcept;

  /// Names of the captures by number; empty for those of `*`.
  const std::vector<std::string>& capture_names() const noexcept { return names_; }
  /// Characters that stand for themselves.
  std::size_t literal_points() const noexcept { return literals_.size(); }
  std::size_t bytes() const noexcept;

private:
  enum class kind : std::uint8_t { literal, any_one, class_one, any_run, some_run, class_run };

  struct element {
    kind what = kind::literal;
    bool negated = false;    // of a class
    std::uint16_t first = 0; // into literals_ or ranges_
    std::uint16_t count = 0;
  };

  struct range {
    char32_t low = 0;
    char32_t high = 0;
  };

  friend class pattern_reader;

  bool literal_at(const element& e, std::u32string_view points, std::size_t at) const noexcept;
  bool accepts(const element& e, char32_t c) const noexcept;
  bool in_ranges(const element& e, char32_t c) const noexcept;
  bool fill_reach(std::u32string_view points, std::size_t first, std::size_t last,
                  scratch& memory) const;

  std::vector<element> elements_;
  std::u32string literals_;
  std::vector<range> ranges_;
  std::vector<std::string> names_;
  bool letter_case_ = false; // classes hold for both cases
  std::uint32_t shortest_ = 0;
};

} // namespace troupe::keywords
