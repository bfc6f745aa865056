// The instrumented base: counts, the mailbox bound, restarts in place.
#include "tests/support/actor_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

struct counting_state {
  static inline const char* name = "counting";
  int calls = 0;
};

// Counts how often it was asked, and throws when asked for the vocabulary "bad".
tokenizer_actor::behavior_type counting(self_pointer<tokenizer_actor, counting_state> self) {
  return {[self](const CountTokens& query) -> TokensCounted {
    if (query->vocabulary() == "bad")
      throw std::runtime_error("a bad vocabulary");
    v1::TokensCounted answer;
    answer.set_total(++self->state.calls);
    return answer;
  }};
}

CountTokens ask_for(const std::string& vocabulary) {
  v1::CountTokens query;
  query.set_vocabulary(vocabulary);
  return query;
}

} // namespace

TEST_CASE_FIXTURE(test::actor_fixture,
                  "an actor that throws answers with an error and starts anew") {
  auto actor = troupe::spawn(host, counting);
  auto count = [&](const std::string& vocabulary) {
    return ask<TokensCounted>(actor, ask_for(vocabulary));
  };
  CHECK((*count("good"))->total() == 1);
  CHECK((*count("good"))->total() == 2);
  auto refused = count("bad");
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::internal);
  CHECK((*count("good"))->total() == 1);
  auto& probe = all_probes.of_type("counting");
  CHECK(probe.handled == 4);
  CHECK(probe.failed == 1);
  CHECK(probe.restarted == 1);
  CHECK(probe.live == 1);
  CHECK(probe.depth == 0);
  CHECK(probe.latency.total() == 4);
}

TEST_CASE_FIXTURE(test::actor_fixture,
                  "an actor that throws a fourth time within five seconds ends") {
  auto actor = troupe::spawn(host, counting);
  for (int i = 0; i < 3; ++i)
    CHECK(!ask<TokensCounted>(actor, ask_for("bad")));
  CHECK(ask<TokensCounted>(actor, ask_for("good")));
  CHECK(!ask<TokensCounted>(actor, ask_for("bad")));
  CHECK(all_probes.of_type("counting").restarted == 3);
  auto gone = ask<TokensCounted>(actor, ask_for("good"));
  REQUIRE(!gone);
  CHECK(info(gone.error()).code == ec::overloaded);
}

TEST_CASE_FIXTURE(test::actor_fixture, "an actor that throws now and then lives on") {
  auto actor = troupe::spawn(host, counting);
  for (int i = 0; i < 9; ++i) {
    CHECK(!ask<TokensCounted>(actor, ask_for("bad")));
    advance(std::chrono::seconds{2});
  }
  CHECK(ask<TokensCounted>(actor, ask_for("good")));
}

TEST_CASE_FIXTURE(test::actor_fixture,
                  "a full mailbox refuses requests with an error and counts them") {
  auto actor = troupe::spawn(host, counting);
  auto& probe = all_probes.of_type("counting");
  probe.mailbox_max = 3;
  caf::scoped_actor self{*system};
  for (int i = 0; i < 5; ++i)
    self->send(actor, ask_for("good"));
  CHECK(probe.depth == 3);
  CHECK(probe.shed == 2);
  run();
  CHECK(probe.depth == 0);
  CHECK(probe.handled == 3);
  CHECK(ask<TokensCounted>(actor, ask_for("good")));
}

TEST_CASE_FIXTURE(test::actor_fixture, "the busiest actors come first, a page at a time") {
  auto quiet = troupe::spawn(host, counting);
  auto busy = troupe::spawn(host, counting);
  for (int i = 0; i < 3; ++i)
    CHECK(ask<TokensCounted>(busy, ask_for("good")));
  CHECK(ask<TokensCounted>(quiet, ask_for("good")));
  auto first = all_probes.busiest(actor_order::handled, 0, 1);
  REQUIRE(first.size() == 1);
  CHECK(first[0].actor_id == busy.id());
  CHECK(first[0].handled == 3);
  auto second = all_probes.busiest(actor_order::handled, 1, 10);
  REQUIRE(second.size() == 1);
  CHECK(second[0].actor_id == quiet.id());
  CHECK(all_probes.busiest(actor_order::handled, 0, 10, "other").empty());
}
