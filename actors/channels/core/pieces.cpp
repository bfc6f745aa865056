#include "actors/channels/core/pieces.hpp"

#include "actors/channels/core/markdown_spans.hpp"
#include "actors/channels/core/text.hpp"

#include <unicode/ubrk.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

namespace troupe::channels {

namespace {

// ICU's iterator over one window of UTF-8 text. Offsets are bytes of the window.
class boundaries {
public:
  explicit boundaries(UBreakIteratorType type) : it_(ubrk_open(type, "", nullptr, 0, &status_)) {}
  ~boundaries() {
    ubrk_close(it_);
    utext_close(text_);
  }
  boundaries(const boundaries&) = delete;
  boundaries& operator=(const boundaries&) = delete;

  void look_at(std::string_view window) {
    status_ = U_ZERO_ERROR;
    text_ =
        utext_openUTF8(text_, window.data(), static_cast<std::int64_t>(window.size()), &status_);
    ubrk_setUText(it_, text_, &status_);
  }

  /// The last boundary at or before `end`; 0 if there is none but the start.
  std::size_t last_until(std::size_t end) {
    if (U_FAILURE(status_) != 0)
      return end;
    auto at = static_cast<std::int32_t>(end);
    if (ubrk_isBoundary(it_, at) != 0)
      return end;
    return static_cast<std::size_t>(std::max(0, ubrk_preceding(it_, at)));
  }

private:
  UErrorCode status_ = U_ZERO_ERROR;
  UText* text_ = nullptr;
  UBreakIterator* it_;
};

class splitter {
public:
  splitter(std::string_view text, std::size_t chars_max) :
      text_(text),
      chars_max_(std::max<std::size_t>(1, chars_max)),
      blocks_(find_code_blocks(text)),
      links_(find_links(text)) {}

  std::vector<std::string> run() {
    skip_blank_lines();
    while (position_ < text_.size())
      take_piece();
    return std::move(pieces_);
  }

private:
  // How far apart the fences of a block cut in two would be, in code points.
  std::size_t fence_cost(const code_block& block) const {
    return code_points(block.opening) + block.marker.size() + 2;
  }

  // The block whose body `at` cuts, so that fences must be put there. Blocks with more fence than
  // room are cut as they come.
  const code_block* cut_by(std::size_t at) const {
    auto it = std::upper_bound(blocks_.begin(), blocks_.end(), at,
                               [](std::size_t x, const code_block& b) { return x < b.body; });
    if (it == blocks_.begin())
      return nullptr;
    const auto& block = *--it;
    return at < block.body_end && fence_cost(block) * 2 <= chars_max_ ? &block : nullptr;
  }

  std::size_t advance(std::size_t from, std::size_t chars) const {
    auto at = from;
    for (; chars > 0 && at < text_.size(); --chars)
      U8_FWD_1(text_.data(), at, text_.size());
    return at;
  }

  void take_piece() {
    const auto* reopened = cut_by(position_);
    std::string piece = reopened != nullptr ? reopened->opening + "\n" : "";
    auto room = chars_max_ - code_points(piece);
    auto end = advance(position_, room);
    if (end < text_.size())
      end = leave_room_for_fence(end, room);
    auto cut = end < text_.size() ? choose_cut(end) : end;
    const auto* closed = cut < text_.size() ? cut_by(cut) : nullptr;
    auto body = text_.substr(position_, cut - position_);
    if (closed != nullptr) {
      if (body.ends_with('\n'))
        body.remove_suffix(1);
      piece += body;
      piece += "\n" + closed->marker;
    } else {
      piece += body.substr(0, body.find_last_not_of(" \t\r\n") + 1);
    }
    if (!trimmed(body).empty())
      pieces_.push_back(std::move(piece));
    position_ = cut;
    go_on_after(closed);
  }

  // The window's end when some of its room must be kept for a closing fence.
  std::size_t leave_room_for_fence(std::size_t end, std::size_t room) const {
    std::size_t needed = 0;
    for (const auto& block : blocks_)
      if (block.body < end && block.body_end > position_ && fence_cost(block) * 2 <= chars_max_)
        needed = std::max(needed, block.marker.size() + 1);
    return needed == 0 ? end : advance(position_, room - needed);
  }

  void go_on_after(const code_block* closed) {
    if (closed == nullptr) {
      skip_blank_lines();
      return;
    }
    auto left = text_.substr(position_, closed->body_end - position_);
    if (left.find_first_not_of("\r\n") == std::string_view::npos) {
      position_ = closed->end; // the closing line was put there already
      skip_blank_lines();
    }
  }

  // White space between pieces is dropped, but not the indent of a line.
  void skip_blank_lines() {
    auto next = std::min(text_.find_first_not_of(" \t\r\n", position_), text_.size());
    auto line = text_.rfind('\n', next);
    bool mid_line = line == std::string_view::npos || line < position_;
    bool at_line_start = position_ == 0 || text_[position_ - 1] == '\n';
    if (!mid_line)
      position_ = next == text_.size() ? next : line + 1;
    else if (!at_line_start || next == text_.size())
      position_ = next;
  }

  const text_span* link_over(std::size_t at) const {
    auto it = std::lower_bound(links_.begin(), links_.end(), at,
                               [](const text_span& s, std::size_t x) { return s.end <= x; });
    return it != links_.end() && it->begin < at ? &*it : nullptr;
  }

  // The opening or closing line of a block is no place for a cut.
  const code_block* fence_over(std::size_t at) const {
    for (const auto& block : blocks_)
      if ((block.begin < at && at <= block.body) || (block.body_end < at && at < block.end))
        return &block;
    return nullptr;
  }

  bool good(std::size_t cut, std::size_t least) const {
    return cut > position_ && cut >= least && link_over(cut) == nullptr
           && fence_over(cut) == nullptr;
  }

  std::size_t choose_cut(std::size_t end) {
    auto size = end - position_;
    auto half = position_ + size / 2;
    auto third = position_ + size / 3;
    if (const auto* block = cut_by(end)) {
      if (good(block->begin, position_ + size / 4))
        return block->begin;
      auto line = after_last(text_.substr(position_, size), "\n");
      return good(line, position_ + 1) ? line : last_resort(end);
    }
    // White space at a cut is dropped, so that what ends right at the limit still fits.
    auto seen = std::min(text_.find_first_not_of(" \t\r\n", end), text_.size());
    for (const auto& block : blocks_)
      if (block.body > end && block.body <= seen)
        seen = end; // white space of code stays
    auto window = text_.substr(position_, seen - position_);
    if (auto paragraph = after_last(window, "\n\n"); good(paragraph, half))
      return paragraph;
    auto line = after_last(window, "\n");
    if (good(line, half))
      return line;
    if (auto sentence = boundary(sentences_, seen); good(sentence, third))
      return sentence;
    if (good(line, third))
      return line;
    if (auto word = boundary(words_, seen); good(word, position_ + 1))
      return word;
    return last_resort(end);
  }

  std::size_t after_last(std::string_view window, std::string_view mark) const {
    auto at = window.rfind(mark);
    return at == std::string_view::npos ? 0 : position_ + at + mark.size();
  }

  // ICU sees a little beyond the end, so that it can tell whether the end is a boundary.
  std::size_t boundary(boundaries& it, std::size_t end) {
    it.look_at(text_.substr(position_, advance(end, 32) - position_));
    return position_ + it.last_until(end - position_);
  }

  std::size_t last_resort(std::size_t end) {
    if (const auto* link = link_over(end); link != nullptr && link->begin > position_)
      return link->begin;
    auto cut = boundary(characters_, end);
    return cut > position_ ? cut : end;
  }

  std::string_view text_;
  std::size_t chars_max_;
  std::vector<code_block> blocks_;
  std::vector<text_span> links_;
  boundaries characters_{UBRK_CHARACTER};
  boundaries words_{UBRK_LINE};
  boundaries sentences_{UBRK_SENTENCE};
  std::size_t position_ = 0;
  std::vector<std::string> pieces_;
};

} // namespace

std::vector<std::string> split_answer(std::string_view text, std::size_t chars_max) {
  auto valid = valid_utf8(text);
  return splitter{valid, chars_max}.run();
}

} // namespace troupe::channels
