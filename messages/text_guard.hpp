// What looks at the texts that pass through a node: what users write and what models answer. Who
// passes them on (sessions, the API path) knows no more of it than this.
#pragma once

#include "troupe/v1/text.pb.h"

#include <caf/error.hpp>
#include <caf/expected.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// Where a text comes from or goes to: for whom rules hold, and what the audit says. Empty where it
/// does not apply.
struct text_origin {
  std::string principal_id;
  std::string tenant_id;
  std::string channel;
  std::string account;
  std::string user_id;
  std::string conversation_id;
  std::string turn_id;
  std::string request_id;
};

/// Which of a node's ways a text takes.
enum class text_way : std::uint8_t { conversation, api };

/// One answer on its way. For one thread at a time.
class guarded_text {
public:
  virtual ~guarded_text() = default;
  /// Takes the next piece and adds to `out` what may go on now: whole characters. What could still
  /// become a hit is held back. An error (`content_filtered`) ends it: nothing more goes on.
  virtual caf::error push(std::string_view piece, std::string& out) = 0;
  /// The answer ended: adds what was held back.
  virtual caf::error finish(std::string& out) = 0;
  /// Bytes held back now. With none, a piece that came out as it went in left nothing behind.
  virtual std::size_t held_bytes() const = 0;
};

/// Thread-safe; never blocks.
class text_guard {
public:
  virtual ~text_guard() = default;
  /// Whether texts of this direction are looked at on this way at all: false as long as there is
  /// nothing to look for.
  virtual bool watches(v1::TextDirection direction, text_way way) const noexcept = 0;
  /// Looks at a whole text: nothing if it may go on as it is, else what goes on instead; or
  /// `content_filtered`, with a sentence for the user. Hits are audited.
  virtual caf::expected<std::optional<std::string>>
  check(std::string_view text, v1::TextDirection direction, const text_origin& origin) const = 0;
  /// For a text that comes in pieces: a model's answer, or a long text of a user that is looked at
  /// part by part. The guard may go before it.
  virtual std::unique_ptr<guarded_text> open(v1::TextDirection direction,
                                             const text_origin& origin) const = 0;
};

using text_guard_ptr = std::shared_ptr<const text_guard>;

} // namespace troupe
