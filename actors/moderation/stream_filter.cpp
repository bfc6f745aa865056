#include "actors/moderation/stream_filter.hpp"

#include <algorithm>

namespace troupe::moderation {

namespace {

constexpr std::size_t at_once_bytes_max = 4'096; // longer ones are taken in parts
constexpr std::size_t hits_at_once = 1'000;
// So much text that has gone on stays before the text held back: to drop it with each small piece
// takes longer than to look at the piece.
constexpr std::size_t passed_bytes_max = 256;

static_assert(text_window::readable_beyond >= automaton::readable_beyond);

} // namespace

stream_filter::stream_filter(std::shared_ptr<const matcher> words, audience to,
                             filter_options options) :
    words_(std::move(words)), to_(to), options_(options), at_(words_->beginning()) {}

void stream_filter::push(std::string_view piece, std::string& out, std::vector<hit>& hits) {
  if (blocked_ || piece.empty())
    return;
  while (piece.size() > at_once_bytes_max) {
    push(piece.substr(0, at_once_bytes_max), out, hits);
    piece.remove_prefix(at_once_bytes_max);
    if (blocked_)
      return;
  }
  held_.append(piece);
  auto text = held_.view();
  auto is_piece = words_->scan_piece(text, at_, to_, memory_);
  if (is_piece && words_->nothing_else(memory_) && open_.empty()) [[likely]]
    return pass(at_.words_at, out);
  text.remove_suffix(unfinished_bytes(text));
  if (is_piece)
    words_->scan_rest(text, at_, false, to_, hits_at_once, memory_, open_);
  else
    words_->scan(text, at_, false, to_, hits_at_once, memory_, open_);
  settle_all(text, false, out, hits);
}

void stream_filter::finish(std::string& out, std::vector<hit>& hits) {
  if (!blocked_) {
    words_->scan(held_.view(), at_, true, to_, hits_at_once, memory_, open_);
    settle_all(held_.view(), true, out, hits);
  }
  *this = stream_filter{std::move(words_), to_, options_};
}

// The text goes on up to there.
inline void stream_filter::pass(std::size_t certain, std::string& out) {
  if (base_ + certain > writer_.written()) {
    auto written = static_cast<std::size_t>(writer_.written() - base_);
    held_.append_to(out, written, certain - written);
    writer_.skip(base_ + certain);
  }
  if (certain > passed_bytes_max) [[unlikely]]
    drop(certain);
}

// Makes hits of what was found, and finds the rest.
void stream_filter::settle_all(std::string_view text, bool final, std::string& out,
                               std::vector<hit>& hits) {
  while (!open_.empty()) {
    auto many = open_.size() >= hits_at_once;
    settle(at_.least(), text, out, hits);
    if (blocked_) {
      held_.clear();
      open_.clear();
      at_ = words_->beginning();
      return;
    }
    if (!many)
      break;
    words_->scan(text, at_, final, to_, hits_at_once, memory_, open_);
  }
  pass(at_.least(), out);
}

// Forgets the first bytes of the text, which have gone on.
void stream_filter::drop(std::size_t bytes) {
  held_.drop(bytes);
  base_ += bytes;
  for (auto* at : {&at_.words_at, &at_.exact_at, &at_.sound_at, &at_.detectors_at})
    if (*at != matcher::progress::unused)
      *at -= bytes;
  at_.words.drop(bytes);
  for (auto& one : open_) {
    one.what.begin -= bytes;
    one.what.end -= bytes;
  }
}

// Makes hits of what begins before `known`.
void stream_filter::settle(std::size_t known, std::string_view text, std::string& out,
                           std::vector<hit>& hits) {
  std::sort(open_.begin(), open_.end(), matcher::before);
  auto group = open_.begin();
  while (group != open_.end() && group->what.begin < known) {
    auto next = std::find_if(group, open_.end(), [&](const matcher::raw_hit& one) {
      return one.what.begin != group->what.begin;
    });
    for (auto one = group; one != next; ++one)
      if (words_->is_allowed(*one))
        allowed_to_ = std::max(allowed_to_, base_ + one->what.end);
    const matcher::raw_hit* last = nullptr;
    for (auto one = group; one != next; ++one) {
      auto again =
          last != nullptr && last->what.end == one->what.end && last->what.entry == one->what.entry;
      if (base_ + one->what.end <= allowed_to_ || again)
        continue;
      last = &*one;
      auto bytes = text.substr(one->what.begin, one->what.end - one->what.begin);
      hits.push_back(words_->made(*one, bytes, base_));
      if (options_.texts != nullptr)
        options_.texts->emplace_back(bytes);
      if (options_.stop_at_block && hits.back().act == action::block) {
        writer_.pass(hits.back().begin, text, base_, out);
        blocked_ = true;
        return;
      }
      writer_.write(hits.back(), words_->replacement(one->what.entry), text, base_, out);
    }
    group = next;
  }
  open_.erase(open_.begin(), group);
}

} // namespace troupe::moderation
