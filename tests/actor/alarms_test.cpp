// Timers of very many actors.
#include "messages/alarms.hpp"
#include "tests/support/actor_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

using dozer = caf::typed_actor<caf::reacts_to<Tick>, caf::replies_to<Passivate>::with<Done>>;

struct dozer_state {
  static inline const char* name = "dozer";
};

/// Tells which ticks came, and answers Passivate only when it is told to.
struct dozer_log {
  std::vector<std::int64_t> ticks;
  bool answers = false;
};

dozer::behavior_type doze(self_pointer<dozer, dozer_state> self, std::shared_ptr<dozer_log> log) {
  return {
      [log](const Tick& x) { log->ticks.push_back(x->id()); },
      [self, log](const Passivate&) -> caf::result<Done> {
        if (log->answers)
          return Done{};
        auto never = std::make_shared<caf::typed_response_promise<Done>>(
            self->make_response_promise<Done>());
        return *never;
      },
  };
}

struct alarms_fixture : test::actor_fixture {
  std::shared_ptr<alarms> all = alarms::make(host, 100ms);
  std::shared_ptr<dozer_log> log = std::make_shared<dozer_log>();
  dozer actor = troupe::spawn(host, doze, log);

  ~alarms_fixture() { caf::anon_send_exit(actor, caf::exit_reason::user_shutdown); }

  alarms::ticket set(std::chrono::milliseconds after, std::int64_t id) {
    return all->tick(caf::actor_cast<caf::strong_actor_ptr>(actor), after, 1, id);
  }
};

} // namespace

TEST_CASE_FIXTURE(alarms_fixture, "alarms go off in order, never early and at most a grain late") {
  run();
  set(250ms, 2);
  set(120ms, 1);
  set(30s, 3);
  advance(119ms);
  CHECK(log->ticks.empty());
  advance(101ms);
  CHECK(log->ticks == std::vector<std::int64_t>{1});
  advance(130ms);
  CHECK(log->ticks == std::vector<std::int64_t>{1, 2});
  CHECK(all->size() == 1);
  advance(30s);
  CHECK(log->ticks == std::vector<std::int64_t>{1, 2, 3});
  CHECK(all->size() == 0);
}

TEST_CASE_FIXTURE(alarms_fixture,
                  "a cancelled alarm stays silent, and a stale ticket hits no other") {
  run();
  std::vector<alarms::ticket> tickets;
  for (int i = 0; i < 5; ++i)
    tickets.push_back(set(1s, i));
  all->cancel(tickets[4]); // at the head of those due together
  all->cancel(tickets[2]);
  all->cancel(tickets[0]);
  all->cancel(0);
  CHECK(all->size() == 2);
  set(1s, 7); // in a place that was used
  for (auto i : {0, 2, 4})
    all->cancel(tickets[static_cast<std::size_t>(i)]);
  CHECK(all->size() == 3);
  advance(1100ms);
  std::sort(log->ticks.begin(), log->ticks.end());
  CHECK(log->ticks == std::vector<std::int64_t>{1, 3, 7});
}

TEST_CASE_FIXTURE(alarms_fixture, "an alarm set for an earlier time than all others is not late") {
  run();
  set(60s, 2);
  advance(1s);
  set(1s, 1);
  advance(1100ms);
  CHECK(log->ticks == std::vector<std::int64_t>{1});
}

namespace {

using asker = caf::typed_actor<caf::reacts_to<Tick>>;

struct asker_state {
  static inline const char* name = "asker";
};

asker::behavior_type ask_once(self_pointer<asker, asker_state> self, std::shared_ptr<alarms> all,
                              dozer whom, std::shared_ptr<std::string> heard) {
  return {[=](const Tick&) {
    limited(all, self, whom, 5s, Passivate{v1::Passivate{}})
        .then([heard](const Done&) { *heard = "done"; },
              [heard](const caf::error& err) {
                *heard = err == caf::sec::request_timeout ? "too late" : "another error";
              });
  }};
}

} // namespace

TEST_CASE_FIXTURE(alarms_fixture, "a request without an answer fails at its limit") {
  auto heard = std::make_shared<std::string>();
  auto who = troupe::spawn(host, ask_once, all, actor, heard);
  caf::anon_send(who, Tick{v1::Tick{}});
  run();
  CHECK(all->size() == 1);
  advance(4900ms);
  CHECK(*heard == "");
  advance(200ms);
  CHECK(*heard == "too late");
  CHECK(all->size() == 0);
  caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(alarms_fixture, "an answered request leaves no alarm behind") {
  log->answers = true;
  auto heard = std::make_shared<std::string>();
  auto who = troupe::spawn(host, ask_once, all, actor, heard);
  caf::anon_send(who, Tick{v1::Tick{}});
  run();
  CHECK(*heard == "done");
  CHECK(all->size() == 0);
  advance(10s);
  CHECK(*heard == "done");
  caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
}
