// When to try again, where, and after how long. Pure arithmetic: no I/O, no clock of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string_view>

namespace troupe::gateway {

/// What became of one try before its first byte reached the client.
enum class try_result {
  answered,       // an answer for the client: below 400, or an error of the request itself
  refused,        // an error of the request itself, by its status: 400, 413, 422...
  not_here,       // 404: this upstream does not know the model or the path
  denied,         // 401, 402, 403: the upstream does not accept Troupe's key
  rate_limited,   // 429
  quota_used_up,  // 429 that no waiting helps
  server_failed,  // 5xx, 408, 425, or an error event as the first of a stream
  unreachable,    // no connection: DNS, TCP, TLS, proxy, pool full
  broken,         // the connection ended, or made no sense, before an answer
  timed_out,      // the first byte did not come in time
  cancelled,      // the caller left
  not_configured, // no such deployment, or its configuration cannot be used
};

std::string_view to_string(try_result result) noexcept;

/// `status` as an HTTP status of an answer.
try_result classify_status(int status) noexcept;

/// True when the breaker of the deployment should count it as a success.
bool counts_as_ok(try_result result) noexcept;

/// What to do next.
enum class next_step {
  give,        // this answer is the client's
  retry_same,  // after `wait`
  next_target, // or fail if there is none left
  fail,        // nothing can help
};

struct retry_decision {
  next_step step = next_step::fail;
  std::chrono::milliseconds wait{0};
};

/// The limits of one call over all its targets.
struct retry_limits {
  static constexpr int attempts_max = 6;
  static constexpr std::chrono::milliseconds backoff_first{100};
  static constexpr std::chrono::milliseconds backoff_max{2'000};
  /// A Retry-After is waited for when it is at most this long; else the next target is asked.
  static constexpr std::chrono::milliseconds retry_after_max{5'000};
};

/// Bounds the retries on one upstream to a tenth of its requests, with a small reserve so that a
/// quiet upstream may be retried at all.
class retry_budget {
public:
  static constexpr double ratio = 0.1;
  static constexpr double reserve = 10;

  void request() noexcept { tokens_ = tokens_ + ratio < reserve ? tokens_ + ratio : reserve; }
  bool take() noexcept {
    if (tokens_ < 1)
      return false;
    tokens_ -= 1;
    return true;
  }
  double tokens() const noexcept { return tokens_; }

private:
  double tokens_ = reserve;
};

struct retry_state {
  int attempts = 0;         // of the call, this one included
  int attempts_on_this = 0; // on this target, this one included
  int retries_max = 1;      // on one target
  bool first_target = true;
  std::optional<std::chrono::milliseconds> retry_after;
};

/// Takes from the budget when it says retry_same.
retry_decision decide(try_result result, const retry_state& state, retry_budget& budget,
                      std::minstd_rand& random);

/// Full jitter: anywhere between nothing and the doubled delay, at most `backoff_max`.
std::chrono::milliseconds backoff(int retry, std::minstd_rand& random);

/// Retry-After as seconds or as an HTTP date; none if it makes no sense. At most a day.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text,
                                                           std::int64_t now_us);

} // namespace troupe::gateway
