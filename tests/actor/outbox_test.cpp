// The outbox: claimed, marked, handed over, settled.
#include "actors/channels/core/text.hpp"
#include "actors/channels/outbox/outbox.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/channel_fakes.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

constexpr auto pending = v1::OUTBOX_STATUS_PENDING;
constexpr auto sent = v1::OUTBOX_STATUS_SENT;
constexpr auto unknown = v1::OUTBOX_STATUS_UNKNOWN;
constexpr auto dead = v1::OUTBOX_STATUS_DEAD;

struct outbox_fixture : test::actor_fixture {
  outbox_fixture() {
    options.store = test::spawn_store(*system, table);
    options.clock = clock;
    options.seed = 1;
    options.tell_others = [this](const v1::OutboxChanged& which) {
      told.push_back(which.channel() + "/" + which.account());
    };
    channel_handle = test::spawn_channel(*system, channel);
  }

  ~outbox_fixture() {
    channel->held.clear();
    end();
  }

  void end() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run();
  }

  void start() {
    if (actor)
      end();
    actor = caf::actor_cast<outbox_actor>(troupe::spawn(host, outbox, options));
    run();
  }

  OutboxChanged changed() {
    v1::OutboxChanged which;
    which.set_channel("onebot");
    which.set_account("qq");
    return OutboxChanged{which};
  }

  void come() { announce(channel_handle); }
  void go() { announce({}); }
  void announce(const channel_actor& handle) {
    caf::anon_send(actor, changed(), handle);
    run();
  }

  void look() {
    caf::anon_send(actor, changed());
    run();
  }

  v1::OutboxRow& add(const std::string& id, const std::string& chat = "5") {
    return table->add(id, test::chat_address(true, chat, "7"), "text of " + id,
                      clock->now_us() + static_cast<std::int64_t>(table->rows.size()));
  }

  std::vector<std::string> delivered() {
    std::vector<std::string> ids;
    for (const auto& row : channel->delivered)
      ids.push_back(row.id());
    return ids;
  }

  void answer_held(std::int64_t index, caf::error err = {}) {
    if (err)
      channel->outcomes.push_back(std::move(err));
    v1::Tick which;
    which.set_id(index);
    caf::anon_send(channel_handle, Tick{which});
    run();
  }

  std::shared_ptr<test::outbox_table> table = std::make_shared<test::outbox_table>();
  std::shared_ptr<test::channel_script> channel = std::make_shared<test::channel_script>();
  with_timer<channel_actor> channel_handle;
  outbox_options options;
  std::vector<std::string> told; // to other nodes
  outbox_actor actor;
};

using ids = std::vector<std::string>;

} // namespace

TEST_CASE_FIXTURE(outbox_fixture, "rows due are sent and settled, once told or at the next poll") {
  start();
  come();
  add("a");
  look();
  CHECK(delivered() == ids{"a"});
  CHECK(table->status("a") == sent);
  add("b");
  advance(1s);
  CHECK(delivered() == ids{"a", "b"});
  CHECK(table->status("b") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture,
                  "rows of an account that takes no deliveries are not even claimed") {
  start();
  add("a");
  advance(10s);
  CHECK(table->claims == 0);
  come();
  CHECK(table->status("a") == sent);
  CHECK(table->rows["a"].attempts() == 1);
  go();
  auto claims = table->claims;
  add("b");
  advance(1h);
  CHECK(table->claims == claims);
  CHECK(table->rows["b"].attempts() == 0);
  come();
  CHECK(table->status("b") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture, "a row is marked before it is handed over, so that a crash sends "
                                  "nothing twice") {
  channel->hold = true;
  start();
  come();
  add("a");
  look();
  REQUIRE(channel->held.size() == 1);
  CHECK(table->status("a") == unknown);
  start(); // as after a crash in the middle
  come();
  advance(2h);
  CHECK(delivered() == ids{"a"});
  CHECK(table->status("a") == unknown);
}

TEST_CASE_FIXTURE(outbox_fixture,
                  "rows of a chat leave in their order, one at a time; chats do not "
                  "wait for each other") {
  channel->hold = true;
  start();
  add("a1", "A");
  add("a2", "A");
  add("b1", "B");
  auto& late = add("a3", "A");
  late.set_turn_id("a2");
  late.set_part_index(1);
  late.set_created_us(table->rows["a2"].created_us());
  come();
  CHECK(delivered() == ids{"a1", "b1"});
  answer_held(0);
  CHECK(delivered() == ids{"a1", "b1", "a2"});
  answer_held(2);
  CHECK(delivered() == ids{"a1", "b1", "a2", "a3"});
  CHECK(table->status("a2") == sent);
  CHECK(table->status("b1") == unknown);
}

TEST_CASE_FIXTURE(outbox_fixture, "what is in flight and what is held are bounded") {
  channel->hold = true;
  options.in_flight_max = 2;
  options.section.batch_max = 3;
  start();
  for (int i = 0; i < 6; ++i)
    add(std::to_string(i), "chat" + std::to_string(i));
  come();
  advance(3s);
  CHECK(delivered() == ids{"0", "1"});
  CHECK(table->rows["5"].attempts() == 0);
  for (int i = 0; i < 6; ++i)
    answer_held(i);
  CHECK(delivered().size() == 6);
}

TEST_CASE_FIXTURE(outbox_fixture, "a refused row comes again with back-off, a bounded number of "
                                  "times, and nothing overtakes it") {
  options.section.attempts_max = 3;
  start();
  come();
  for (int i = 0; i < 3; ++i)
    channel->outcomes.push_back(make_error(ec::upstream_rejected, "muted"));
  add("a");
  add("b");
  look();
  CHECK(delivered() == ids{"a"});
  CHECK(table->status("a") == pending);
  CHECK(table->rows["a"].error() == "muted");
  CHECK(table->status("b") == pending);
  for (int i = 0; i < 10 && table->status("b") != sent; ++i)
    advance(1s);
  CHECK(delivered() == ids{"a", "a", "a", "b"});
  CHECK(table->status("a") == dead);
  CHECK(table->status("b") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture, "what the channel did not write is tried again as often as it "
                                  "takes") {
  options.section.attempts_max = 2;
  start();
  for (int i = 0; i < 20; ++i) {
    add("a");
    channel->outcomes.push_back(make_error(ec::upstream_unavailable, "no peer"));
  }
  come();
  advance(5s);
  CHECK(table->status("a") == pending);
  go();
  channel->outcomes.clear();
  come();
  advance(1s);
  CHECK(table->status("a") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture, "a row whose echo never came is unknown and not sent again") {
  start();
  come();
  channel->outcomes.push_back(make_error(ec::deadline_exceeded, "no echo"));
  add("a");
  add("b");
  look();
  advance(2h);
  CHECK(delivered() == ids{"a", "b"});
  CHECK(table->status("a") == unknown);
  CHECK(table->rows["a"].error() == "no echo");
  CHECK(table->status("b") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture, "a row refused for good is dead, and so is one too old") {
  options.section.age_max_ms = 60'000;
  start();
  add("old");
  advance(61s);
  channel->outcomes.push_back(make_error(ec::invalid_argument, "bad segment"));
  add("bad");
  come();
  CHECK(delivered() == ids{"bad"});
  CHECK(table->status("old") == dead);
  CHECK(table->status("bad") == dead);
  CHECK(table->rows["bad"].error() == "bad segment");
}

TEST_CASE_FIXTURE(outbox_fixture,
                  "when a channel goes, what waits returns to the store and what is "
                  "on its way is settled by its answer") {
  channel->hold = true;
  start();
  add("a");
  add("b");
  come();
  go();
  CHECK(table->status("b") == pending);
  CHECK(table->rows["b"].next_attempt_us() <= clock->now_us());
  answer_held(0, make_error(ec::upstream_unavailable, "gone"));
  CHECK(table->status("a") == pending);
  channel->hold = false;
  come();
  CHECK(delivered() == ids{"a", "a", "b"});
  CHECK(table->status("b") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture, "a channel that died takes no deliveries until it is back") {
  start();
  come();
  caf::anon_send_exit(channel_handle, caf::exit_reason::kill);
  run();
  add("a");
  advance(5s);
  CHECK(table->status("a") == pending);
  CHECK(table->rows["a"].attempts() == 0);
  channel_handle = test::spawn_channel(*system, channel);
  come();
  CHECK(table->status("a") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture,
                  "a store that is away is asked again, and no row is sent unmarked") {
  start();
  come();
  table->claim_failures.push_back(make_error(ec::store_unavailable, "away"));
  add("a");
  look();
  CHECK(delivered().empty());
  table->settle_failures.push_back(make_error(ec::store_unavailable, "away")); // the mark
  advance(1s);
  CHECK(delivered().empty());
  CHECK(table->status("a") == pending);
  advance(1s);
  CHECK(delivered() == ids{"a"});
  CHECK(table->status("a") == sent);
}

TEST_CASE_FIXTURE(outbox_fixture, "an outcome that the store did not take is told again") {
  channel->hold = true;
  start();
  come();
  add("a");
  look();
  for (int i = 0; i < 3; ++i)
    table->settle_failures.push_back(make_error(ec::store_unavailable, "away"));
  answer_held(0);
  CHECK(table->status("a") == unknown);
  for (int i = 0; i < 10; ++i)
    advance(1s);
  CHECK(table->status("a") == sent);
  CHECK(delivered() == ids{"a"});
}

TEST_CASE_FIXTURE(outbox_fixture, "a row whose conversation was deleted is dropped") {
  channel->hold = true;
  start();
  come();
  add("a");
  add("b");
  look();
  table->rows.clear();
  answer_held(0);
  channel->hold = false;
  add("c");
  look();
  CHECK(delivered() == ids{"a", "c"});
}

TEST_CASE_FIXTURE(outbox_fixture, "a row whose claim ran out before its turn is left to others") {
  channel->hold = true;
  options.section.claim_ms = 5'000;
  options.section.batch_max = 2;
  start();
  add("a");
  add("b");
  come();
  advance(6s);
  table->rows["b"].set_next_attempt_us(clock->now_us() + 60'000'000); // another node's now
  answer_held(0);
  CHECK(delivered() == ids{"a"});
}

TEST_CASE_FIXTURE(outbox_fixture,
                  "rows of an account that is not here are told to other nodes, and "
                  "what they tell to nobody") {
  start();
  add("a");
  look();
  CHECK(told == ids{"onebot/qq"});
  come();
  CHECK(delivered() == ids{"a"});
  add("b");
  look();
  CHECK(delivered() == ids{"a", "b"});
  CHECK(told.size() == 1);
  go();
  look();
  CHECK(told.size() == 2);
  auto theirs = *changed();
  theirs.set_told(true);
  caf::anon_send(actor, OutboxChanged{theirs});
  run();
  CHECK(told.size() == 2);
}
