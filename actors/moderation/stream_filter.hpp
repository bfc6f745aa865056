// Filters a text that comes in pieces, holding back only what could still become a hit.
#pragma once

#include "actors/moderation/matcher.hpp"
#include "actors/moderation/render.hpp"
#include "actors/moderation/text_window.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

struct filter_options {
  /// From the first hit to block on nothing goes on: what stands before it is the last text.
  bool stop_at_block = false;
  /// Takes what stood at each hit, beside it; outlives the filter. Null: nobody wants to know.
  std::vector<std::string>* texts = nullptr;
};

/// One message on its way. However it is cut into pieces, hits and text are those of the whole:
/// `matcher::find` and `rendered`. Not thread-safe. Takes less than 1 kB beside what it holds back,
/// which is at most a word with all its symbols and repeats, or `detected_bytes_max`.
class stream_filter {
public:
  explicit stream_filter(std::shared_ptr<const matcher> words, audience to = {},
                         filter_options options = {});

  /// Takes the next piece, of any bytes. Adds to `out` the text that may go on, rendered, and to
  /// `hits` what is certain by now, with offsets from the message's beginning.
  void push(std::string_view piece, std::string& out, std::vector<hit>& hits);

  /// Ends the message: nothing is held back any more. Afterwards the next message may begin.
  void finish(std::string& out, std::vector<hit>& hits);

  std::size_t held_bytes() const noexcept { return held_.size() - at_.least(); }
  /// There was a hit to block, and the filter was told to stop at one.
  bool blocked() const noexcept { return blocked_; }

private:
  void pass(std::size_t certain, std::string& out);
  void settle_all(std::string_view text, bool final, std::string& out, std::vector<hit>& hits);
  void drop(std::size_t bytes);
  void settle(std::size_t known, std::string_view text, std::string& out, std::vector<hit>& hits);

  std::shared_ptr<const matcher> words_;
  audience to_;
  filter_options options_;
  bool blocked_ = false;
  text_window held_;       // what is held back, behind some text that has gone on
  std::uint64_t base_ = 0; // offset of `held_` in the message
  std::uint64_t allowed_to_ = 0;
  matcher::progress at_;
  std::vector<matcher::raw_hit> open_; // found, but not certain
  std::vector<found> memory_;
  renderer writer_;
};

} // namespace troupe::moderation
