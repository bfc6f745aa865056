// The language of one kind of model provider: how a chat is asked for, and what its stream means.
#pragma once

#include "gateway/openai/chunk.hpp"
#include "messages/error.hpp"
#include "messages/types.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// Turns the pieces of one stream into events. Knows no I/O.
class completion_decoder {
public:
  virtual ~completion_decoder() = default;

  /// Appends the events of the next piece. An error ends the completion: the upstream sent one, or
  /// nothing that makes sense.
  virtual caf::error feed(std::string_view bytes, v1::CompletionEvents& events) = 0;
  /// The body ended. An error if the answer was not over.
  virtual caf::error end() = 0;

  /// The answer is over: nothing that follows matters.
  virtual bool done() const = 0;
  /// What it said is over; at most its usage and its end mark are still to come.
  virtual bool finished() const = 0;

  virtual const std::string& finish_reason() const = 0;
  virtual const std::string& model() const = 0;
  virtual const std::optional<v1::Usage>& usage() const = 0;
  /// All that the model wrote so far, for counting.
  virtual const std::string& text() const = 0;
};

class dialect {
public:
  virtual ~dialect() = default;

  /// Below the upstream's base_url.
  virtual std::string_view chat_path() const = 0;
  /// The streamed chat request for one target. `ec::invalid_argument` if params_json or tools_json
  /// are no JSON of the right kind.
  virtual caf::expected<std::string> chat_body(const v1::StartCompletion& start,
                                               const std::string& upstream_model) const = 0;
  virtual std::unique_ptr<completion_decoder> decoder(std::string_view who) const = 0;
  /// What an answer that is no success means.
  virtual caf::error error_of(int status, std::string_view body, std::string_view who) const = 0;
};

/// The dialect of that name, or null. The built-in demo speaks OpenAI's.
const dialect* find_dialect(std::string_view name);

} // namespace troupe::gateway
