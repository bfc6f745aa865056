#include "actors/moderation/stream_filter.hpp"

#include <algorithm>

namespace troupe::moderation {

namespace {

constexpr std::size_t at_once_bytes_max = 4'096; // longer ones are taken in parts
constexpr std::size_t hits_at_once = 1'000;
// So much text that has gone on stays before the text held back: to drop it with each small piece
// takes longer than to look at the piece.
constexpr std::size_t passed_bytes_max = 256;

// By itself: where the compiler knows how long a piece may be, it copies it the slow way.
[[gnu::noinline]] void append(std::string& to, std::string_view piece) { to += piece; }

} // namespace

stream_filter::stream_filter(std::shared_ptr<const matcher> words, audience to,
                             filter_options options) :
    words_(std::move(words)), to_(to), options_(options), at_(words_->beginning()) {}

void stream_filter::push(std::string_view piece, std::string& out, std::vector<hit>& hits) {
  while (!piece.empty() && !blocked_) {
    auto part = piece.substr(0, at_once_bytes_max);
    piece.remove_prefix(part.size());
    append(held_, part);
    advance(false, out, hits);
  }
}

void stream_filter::finish(std::string& out, std::vector<hit>& hits) {
  if (!blocked_)
    advance(true, out, hits);
  *this = stream_filter{std::move(words_), to_, options_};
}

void stream_filter::advance(bool final, std::string& out, std::vector<hit>& hits) {
  // Not the beginning of a character alone.
  auto known = final ? held_.size() : held_.size() - unfinished_bytes(held_);
  auto text = std::string_view{held_}.substr(0, known);
  words_->scan(text, at_, final, to_, hits_at_once, memory_, open_);
  if (!open_.empty() && !settle_all(text, final, out, hits))
    return;
  auto certain = at_.least();
  writer_.pass(base_ + certain, text, base_, out);
  if (certain > passed_bytes_max)
    drop(certain);
}

// Makes hits of what was found, and finds the rest. False if there was one to stop at.
bool stream_filter::settle_all(std::string_view text, bool final, std::string& out,
                               std::vector<hit>& hits) {
  for (;;) {
    auto many = open_.size() >= hits_at_once;
    settle(at_.least(), text, out, hits);
    if (blocked_) {
      held_.clear();
      open_.clear();
      at_ = words_->beginning();
      return false;
    }
    if (!many)
      return true;
    words_->scan(text, at_, final, to_, hits_at_once, memory_, open_);
  }
}

// Forgets the first bytes of the text, which have gone on.
void stream_filter::drop(std::size_t bytes) {
  held_.erase(0, bytes);
  base_ += bytes;
  for (auto* at : {&at_.words_at, &at_.exact_at, &at_.sound_at, &at_.detectors_at})
    if (*at != matcher::progress::unused)
      *at -= bytes;
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
