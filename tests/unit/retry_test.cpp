// When upstreams are tried again.
#include "gateway/upstream/retry.hpp"

#include <doctest/doctest.h>

using namespace troupe::gateway;
using std::chrono::milliseconds;

namespace {

struct trying {
  retry_budget budget;
  std::minstd_rand random{42};
  retry_state state{1, 1, 1, true, std::nullopt};

  next_step step(try_result result) { return decide(result, state, budget, random).step; }
};

} // namespace

TEST_CASE("an answer, and a refusal by the first upstream, are the client's") {
  trying x;
  CHECK(x.step(try_result::answered) == next_step::give);
  CHECK(x.step(try_result::refused) == next_step::give);
  x.state.first_target = false;
  CHECK(x.step(try_result::refused) == next_step::next_target);
}

TEST_CASE("what may pass is tried once more on the same upstream, then elsewhere") {
  for (auto result : {try_result::rate_limited, try_result::server_failed, try_result::unreachable,
                      try_result::broken}) {
    trying x;
    CHECK(x.step(result) == next_step::retry_same);
    x.state.attempts = x.state.attempts_on_this = 2;
    CHECK(x.step(result) == next_step::next_target);
  }
}

TEST_CASE("a silent upstream, a wrong key and an unknown model are not tried again there") {
  for (auto result : {try_result::timed_out, try_result::denied, try_result::not_here,
                      try_result::quota_used_up, try_result::not_configured}) {
    trying x;
    CHECK(x.step(result) == next_step::next_target);
  }
  trying x;
  CHECK(x.step(try_result::cancelled) == next_step::fail);
}

TEST_CASE("no call makes more than six attempts") {
  trying x;
  x.state.retries_max = 100;
  for (x.state.attempts = 1; x.state.attempts < 6; ++x.state.attempts)
    CHECK(x.step(try_result::server_failed) == next_step::retry_same);
  CHECK(x.step(try_result::server_failed) == next_step::fail);
}

TEST_CASE("retries are a tenth of the requests once the reserve is used") {
  retry_budget budget;
  int retries = 0;
  for (int i = 0; i < 10'000; ++i) {
    budget.request();
    retries += budget.take() ? 1 : 0;
  }
  CHECK(retries >= 1'000);
  CHECK(retries <= 1'011);
  trying x;
  while (x.budget.take()) {
  }
  CHECK(x.step(try_result::server_failed) == next_step::next_target);
}

TEST_CASE("a short Retry-After is waited for, a long one leads elsewhere") {
  trying x;
  x.state.retry_after = milliseconds{2'000};
  auto decision = decide(try_result::rate_limited, x.state, x.budget, x.random);
  CHECK(decision.step == next_step::retry_same);
  CHECK(decision.wait >= milliseconds{2'000});
  x.state.retry_after = milliseconds{60'000};
  CHECK(x.step(try_result::rate_limited) == next_step::next_target);
}

TEST_CASE("the delays before retries are spread over the whole of a growing span") {
  std::minstd_rand random{7};
  for (int retry = 1; retry <= 12; ++retry) {
    auto ceiling = std::min<std::int64_t>(100LL << (retry - 1), 2'000);
    std::int64_t least = ceiling;
    std::int64_t most = 0;
    for (int i = 0; i < 1'000; ++i) {
      auto wait = backoff(retry, random).count();
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    CHECK(least <= ceiling / 10);
    CHECK(most <= ceiling);
    CHECK(most >= ceiling * 9 / 10);
  }
}

TEST_CASE("Retry-After is read as seconds or as a date") {
  constexpr std::int64_t now_us = 1'445'412'480'000'000; // Wed, 21 Oct 2015 07:28:00 GMT
  CHECK(parse_retry_after("2", now_us) == milliseconds{2'000});
  CHECK(parse_retry_after("0", now_us) == milliseconds{0});
  CHECK(parse_retry_after("Wed, 21 Oct 2015 07:28:30 GMT", now_us) == milliseconds{30'000});
  CHECK(parse_retry_after("Wed, 21 Oct 2015 07:27:00 GMT", now_us) == milliseconds{0});
  CHECK(parse_retry_after("99999999999", now_us) == milliseconds{86'400'000});
  for (auto text : {"", "-1", "soon", "2.5", "99999999999999999999", "Wed, 21 Oct"})
    CHECK(!parse_retry_after(text, now_us));
}

TEST_CASE("statuses say who is to blame") {
  CHECK(classify_status(200) == try_result::answered);
  CHECK(classify_status(400) == try_result::refused);
  CHECK(classify_status(401) == try_result::denied);
  CHECK(classify_status(404) == try_result::not_here);
  CHECK(classify_status(429) == try_result::rate_limited);
  CHECK(classify_status(500) == try_result::server_failed);
  CHECK(classify_status(529) == try_result::server_failed);
  CHECK(counts_as_ok(try_result::refused));
  CHECK(!counts_as_ok(try_result::rate_limited));
}
