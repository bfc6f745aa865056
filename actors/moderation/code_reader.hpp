// Reads a text code by code: the plain form of what automaton_scan.cpp does in bulk.
#pragma once

#include "actors/moderation/automaton.hpp"

namespace troupe::moderation {

/// Steps through the characters of a text that count. Repeats are not dropped.
class code_reader {
public:
  struct step {
    codes::code code;
    char32_t code_point;
    std::size_t begin, end; // of the character
  };

  /// `previous` is the code before the text.
  code_reader(const automaton& machine, std::string_view text,
              codes::code previous = codes::other) :
      machine_(machine), text_(text), previous_(previous) {}

  /// False at the text's end. A gap or a space that counts is a step of its own.
  bool next(step& made) noexcept {
    if (has_held_) {
      made = held_;
      has_held_ = false;
      return true;
    }
    std::size_t gap = 0;
    bool space = false;
    for (; at_ < text_.size(); ++gap) {
      auto [code_point, bytes] = character_at(text_, at_);
      auto code = code_point == no_character ? codes::other : machine_.code_of(code_point);
      auto begin = at_;
      at_ += bytes;
      if (code >= codes::skipped_space) {
        space |= code == codes::skipped_space;
        continue;
      }
      made = {code, code_point, begin, at_};
      auto between = codes::other;
      if (gap > symbols_max)
        between = codes::gap;
      else if (space && codes::is_latin(previous_) && codes::is_latin(code))
        between = codes::space;
      previous_ = code;
      if (between != codes::other) {
        held_ = made;
        has_held_ = true;
        made = {between, U' ', begin, begin};
      }
      skipped_ |= gap > 0 && any_;
      any_ = true;
      return true;
    }
    return false;
  }

  bool skipped() const noexcept { return skipped_; }

private:
  const automaton& machine_;
  std::string_view text_;
  std::size_t at_ = 0;
  codes::code previous_;
  step held_{};
  bool has_held_ = false, skipped_ = false, any_ = false;
};

} // namespace troupe::moderation
