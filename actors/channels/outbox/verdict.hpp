// What a channel's answer means for a row of the outbox. No CAF.
#pragma once

#include "messages/error.hpp"

namespace troupe::channels {

enum class verdict {
  not_sent, // nothing was written: again as soon as the channel takes deliveries
  refused,  // the platform refused it: again after a while, a bounded number of times
  unknown,  // written, and nobody knows whether it arrived: not again
  dead,     // refused for good
};

/// The contract of every channel: `upstream_unavailable` and `draining` say that nothing (more) was
/// written; the codes of overload and `upstream_rejected` that it was refused; those that blame the
/// request that it never will be taken. Every other error leaves it open.
constexpr verdict judge(ec code) {
  switch (code) {
    case ec::upstream_unavailable:
    case ec::draining:
      return verdict::not_sent;
    case ec::overloaded:
    case ec::rate_limited:
    case ec::upstream_rate_limited:
    case ec::upstream_rejected:
    case ec::store_unavailable:
      return verdict::refused;
    case ec::invalid_argument:
    case ec::malformed_request:
    case ec::forbidden:
    case ec::not_found:
    case ec::too_large:
    case ec::content_filtered:
    case ec::unsupported:
      return verdict::dead;
    default:
      return verdict::unknown;
  }
}

} // namespace troupe::channels
