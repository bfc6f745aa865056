#include "actors/moderation/pattern.hpp"

#include "actors/moderation/folding.hpp"

namespace troupe::moderation {

namespace {

class parser {
public:
  explicit parser(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      auto [code_point, bytes] = character_at(text, at);
      text_ += code_point;
      at += bytes;
    }
  }

  pattern parse() {
    while (at_ < text_.size() && made_.fault.empty())
      element();
    if (made_.fault.empty() && made_.places.empty())
      fail("is empty");
    if (made_.fault.empty() && (made_.places[0].any || made_.places[0].optional))
      fail("must begin with a character that is not repeated, or with a bracket");
    if (!made_.fault.empty())
      made_.places.clear();
    return std::move(made_);
  }

private:
  void fail(const char* what) {
    if (made_.fault.empty())
      made_.fault = std::string{"the pattern "} + what;
  }

  char32_t take() { return at_ < text_.size() ? text_[at_++] : no_character; }

  char32_t escaped() {
    if (at_ == text_.size())
      fail("ends with a lone \\");
    return take();
  }

  void element() {
    place one;
    std::size_t least = 1, most = 1;
    switch (auto c = take(); c) {
      case U'?':
        one.any = true;
        break;
      case U'*':
        one.any = true;
        least = 0;
        most = star_characters;
        break;
      case U'[':
        one.characters = bracket();
        break;
      case U']':
      case U'{':
      case U'}':
        fail("has a bracket that stands for nothing: write \\ before it");
        break;
      case U'\\':
        one.characters = escaped();
        break;
      default:
        one.characters = c;
    }
    if (at_ < text_.size() && text_[at_] == U'{' && most == 1) {
      ++at_;
      counts(least, most);
    }
    if (made_.places.size() + most > text_characters_max) {
      fail("is longer than 64 characters");
      return;
    }
    for (std::size_t i = 0; i < most; ++i) {
      one.optional = i >= least;
      made_.places.push_back(one);
    }
  }

  std::u32string bracket() {
    std::u32string all;
    for (;;) {
      if (at_ == text_.size()) {
        fail("has a [ without its ]");
        return all;
      }
      auto c = take();
      if (c == U']')
        break;
      if (c == U'\\')
        c = escaped();
      auto last = c;
      if (at_ + 1 < text_.size() && text_[at_] == U'-' && text_[at_ + 1] != U']') {
        ++at_;
        last = take();
        if (last == U'\\')
          last = escaped();
      }
      if (last < c || last - c >= class_characters_max
          || all.size() + (last - c) >= class_characters_max) {
        fail("has more than 128 characters in a bracket, or a range that runs backwards");
        return all;
      }
      for (; c <= last; ++c)
        all += c;
    }
    if (all.empty())
      fail("has an empty bracket");
    return all;
  }

  void counts(std::size_t& least, std::size_t& most) {
    least = number();
    most = least;
    if (at_ < text_.size() && text_[at_] == U',') {
      ++at_;
      most = number();
    }
    if (take() != U'}' || most == 0 || least > most || most > text_characters_max)
      fail("has a wrong repeat: write {2} or {1,3}, up to 64");
  }

  std::size_t number() {
    std::size_t value = 0, digits = 0;
    while (at_ < text_.size() && text_[at_] >= U'0' && text_[at_] <= U'9' && digits < 3) {
      value = value * 10 + (text_[at_++] - U'0');
      ++digits;
    }
    if (digits == 0)
      fail("has a wrong repeat: write {2} or {1,3}, up to 64");
    return value;
  }

  std::u32string text_;
  std::size_t at_ = 0;
  pattern made_;
};

} // namespace

pattern parse_pattern(std::string_view text) { return parser{text}.parse(); }

} // namespace troupe::moderation
