// What the built-in demo says: a reply made up without a model or a network.
#pragma once

#include "config/config.hpp"
#include "messages/types.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// How the demo answers, from its base_url: `demo://?tokens_per_s=50&tokens=20&latency_ms=100`.
struct demo_options {
  double tokens_per_s = 100; // 0: all at once
  std::int64_t tokens = 0;   // length of a reply; 0: as long as it needs
  std::int64_t latency_ms = 0;
};

demo_options demo_options_of(const config::upstream_section& section);

/// One reply, given a token at a time. A token of the demo is a word with the space after it, or
/// one character of a script without spaces; its usage counts exactly those.
class demo_reply {
public:
  /// `max_tokens` 0: no limit of the caller's.
  demo_reply(std::string_view user_text, const demo_options& options, std::int64_t max_tokens = 0);

  /// The next token; empty at the end.
  std::string next();
  /// Everything that is left.
  std::string rest();

  std::int64_t tokens_given() const { return given_; }
  /// "stop", or "length" if `max_tokens` ended it.
  std::string_view finish_reason() const { return cut_ ? "length" : "stop"; }

  v1::Usage usage(std::int64_t prompt_tokens) const;

  static std::int64_t count_tokens(std::string_view text);

private:
  // The text is put together as it is said: thousands of replies may run at once.
  using pieces = std::array<std::string_view, 6>;
  pieces text() const;
  std::size_t size() const;
  std::string some(std::size_t at) const;

  std::string heard_; // what the user said, shortened
  std::size_t at_ = 0;
  std::int64_t given_ = 0;
  std::int64_t limit_ = 0; // 0: the end of the text
  bool repeats_ = false;   // from its start, until the limit
  bool chinese_ = false;
  bool cut_ = false;
};

} // namespace troupe::gateway
