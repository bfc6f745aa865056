// Every way an operation can fail, and what each failure is to HTTP, to OpenAI's clients and to a
// shell.
#pragma once

#include <caf/atom.hpp>
#include <caf/error.hpp>
#include <caf/fwd.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// Error codes of all actors. Zero is not an error. Append only: codes cross nodes.
enum class ec : std::uint8_t {
  none = 0,
  invalid_argument,      // a field is missing, too long or makes no sense
  malformed_request,     // not the JSON, form or protocol expected
  unauthenticated,       // no key, or a wrong one
  forbidden,             // a good key without the right
  not_found,             // no such thing, or not yours
  conflict,              // changed meanwhile, or exists
  too_large,             // over a size limit
  rate_limited,          // over a rate limit; retry later
  quota_exceeded,        // the budget is used up
  overloaded,            // a queue is full; retry later
  store_unavailable,     // the database is busy, full or away; retry later
  upstream_unavailable,  // no upstream could be reached
  upstream_rejected,     // the upstream refused the request: its own fault of the request
  upstream_rate_limited, // every upstream is over its limit
  upstream_timeout,      // connect, first byte, idle or total limit
  upstream_broken,       // the upstream's answer broke off or made no sense
  context_too_long,      // more tokens than the model's window
  content_filtered,      // refused by a filter
  model_not_found,       // no upstream serves it
  cancelled,             // the caller left or stopped it
  deadline_exceeded,     // no answer in time
  draining,              // the node is going away; try another
  unsupported,           // understood, but not done here
  config_invalid,        // the configuration is wrong
  internal,              // a bug: see the log
  not_owner,             // the shard is at another node; look again
  fenced,                // this node lost its lease: another one answers for it
};

inline constexpr ec ec_last = ec::fenced;

/// What one code is to the outside.
struct ec_info {
  ec code;
  std::string_view name; // snake case; in logs, JSON `code` and v1.Failure
  int http_status;
  std::string_view openai_type; // `error.type` of OpenAI's error object
  int exit_code;                // 1 failed, 2 usage
  bool retryable;               // the same request may succeed later
};

/// The one table from code to HTTP status, OpenAI error type and exit code.
const ec_info& info(ec code) noexcept;

/// The table's row of an error of any category; foreign ones become `internal`, timeouts
/// `deadline_exceeded`.
const ec_info& info(const caf::error& err) noexcept;

/// The code named `name`, or `ec::internal`.
ec ec_from_name(std::string_view name) noexcept;

std::string to_string(ec code);

inline constexpr caf::atom_value ec_category = caf::atom("troupe");

/// An error with a sentence that says what to do about it.
caf::error make_error(ec code);
caf::error make_error(ec code, std::string detail);

/// The detail sentence of an error, or its code's name when there is none. Never empty.
std::string describe(const caf::error& err);

/// Renders errors of this category for CAF's own texts.
std::string render_ec(std::uint8_t code, caf::atom_value category, const caf::message& context);

} // namespace troupe
