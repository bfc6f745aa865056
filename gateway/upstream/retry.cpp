#include "gateway/upstream/retry.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>

namespace troupe::gateway {

namespace {

using std::chrono::milliseconds;

bool may_be_retried_there(try_result result) {
  switch (result) {
    case try_result::rate_limited:
    case try_result::server_failed:
    case try_result::unreachable:
    case try_result::broken:
      return true;
    default: // a silent route is not tried again
      return false;
  }
}

} // namespace

std::string_view to_string(try_result result) noexcept {
  switch (result) {
    case try_result::answered:
      return "answered";
    case try_result::refused:
      return "refused";
    case try_result::not_here:
      return "not_here";
    case try_result::denied:
      return "denied";
    case try_result::rate_limited:
      return "rate_limited";
    case try_result::quota_used_up:
      return "quota_used_up";
    case try_result::server_failed:
      return "server_failed";
    case try_result::unreachable:
      return "unreachable";
    case try_result::broken:
      return "broken";
    case try_result::timed_out:
      return "timed_out";
    case try_result::cancelled:
      return "cancelled";
    case try_result::not_configured:
      return "not_configured";
  }
  return "unknown";
}

try_result classify_status(int status) noexcept {
  switch (status) {
    case 401:
    case 402:
    case 403:
      return try_result::denied;
    case 404:
      return try_result::not_here;
    case 408:
    case 425:
      return try_result::server_failed;
    case 429:
      return try_result::rate_limited;
    default:
      break;
  }
  if (status >= 500)
    return try_result::server_failed;
  return status >= 400 ? try_result::refused : try_result::answered;
}

bool counts_as_ok(try_result result) noexcept {
  return result == try_result::answered || result == try_result::refused
         || result == try_result::not_here || result == try_result::cancelled;
}

retry_decision decide(try_result result, const retry_state& state, retry_budget& budget,
                      std::minstd_rand& random) {
  if (result == try_result::answered)
    return {next_step::give, {}};
  if (result == try_result::cancelled)
    return {next_step::fail, {}};
  // A request that its first upstream refuses is wrong. One that only a fallback refuses may suit
  // another.
  if (result == try_result::refused && state.first_target)
    return {next_step::give, {}};
  if (state.attempts >= retry_limits::attempts_max)
    return {next_step::fail, {}};
  if (!may_be_retried_there(result) || state.attempts_on_this > state.retries_max)
    return {next_step::next_target, {}};
  auto wait = backoff(state.attempts_on_this, random);
  if (state.retry_after) {
    if (*state.retry_after > retry_limits::retry_after_max)
      return {next_step::next_target, {}};
    wait = std::max(wait, *state.retry_after);
  }
  if (!budget.take())
    return {next_step::next_target, {}};
  return {next_step::retry_same, wait};
}

milliseconds backoff(int retry, std::minstd_rand& random) {
  auto ceiling = retry_limits::backoff_first * (1 << std::clamp(retry - 1, 0, 10));
  ceiling = std::min<milliseconds>(ceiling, retry_limits::backoff_max);
  return milliseconds{std::uniform_int_distribution<std::int64_t>{0, ceiling.count()}(random)};
}

std::optional<milliseconds> parse_retry_after(std::string_view text, std::int64_t now_us) {
  constexpr std::int64_t day_s = 86'400;
  std::int64_t seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc{} && end == text.data() + text.size())
    return seconds < 0 ? std::nullopt
                       : std::optional{milliseconds{1000 * std::min(seconds, day_s)}};
  std::tm date{};
  std::string copy{text};
  const char* rest = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0')
    return std::nullopt;
  auto until_us = static_cast<std::int64_t>(timegm(&date)) * 1'000'000 - now_us;
  return milliseconds{std::clamp<std::int64_t>(until_us / 1000, 0, day_s * 1000)};
}

} // namespace troupe::gateway
