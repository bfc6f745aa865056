// Two nodes that write the same rows at once, on PostgreSQL: what SQLite's one writer rules out.
#include "persistence/commands.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/script_server.hpp"
#include "tests/support/turns.hpp"
#include "tests/support/two_nodes.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <thread>

using namespace troupe;
using namespace troupe::persistence;
using test::finish_turn;
using test::new_turn;
using test::outbox_row;
using test::two_nodes;

namespace {

constexpr std::int64_t start_us = 1'700'000'000'000'000;
constexpr command_env now{start_us};

template <class Function>
ec code_of(Function&& function) {
  try {
    function();
  } catch (const failure& error) {
    return error.code;
  }
  return ec::none;
}

/// A command of the store, its answer kept.
template <class Command, class Answer>
two_nodes::command into(v1::TurnStored& out,
                        Answer (*work)(database&, const Command&, const command_env&),
                        const Command& command) {
  return [&out, work, command](database& db) { out = work(db, command, now); };
}

std::int64_t message_count(two_nodes& n, const std::string& id) {
  return n.db().conversations().find(id)->message_count();
}

v1::AcceptTurn turn_with_outbox(database& db, const std::string& conversation, int pieces) {
  auto turn = new_turn(conversation, "x");
  accept_turn(db, turn, now);
  auto end = finish_turn(turn, "y");
  for (int i = 0; i < pieces; ++i)
    *end.add_outbox() = outbox_row(turn.turn().id(), "piece " + std::to_string(i), i);
  advance_turn(db, end, now);
  return turn;
}

v1::ClaimOutbox claim(int limit) {
  v1::ClaimOutbox out;
  out.set_channel("onebot");
  out.set_account("bot");
  out.set_limit(limit);
  out.set_now_us(start_us);
  out.set_claim_until_us(start_us + 60'000'000);
  return out;
}

} // namespace

TEST_CASE("two nodes that accept one dedupe key at once make one turn") {
  two_nodes n;
  v1::TurnStored first, second;
  auto turn = new_turn("c1", "hello", "key");
  n.interleave(into(first, accept_turn, turn),
               into(second, accept_turn, new_turn("c2", "hello", "key")));
  CHECK(n.waited());
  CHECK(!first.duplicate());
  CHECK(second.duplicate());
  CHECK(second.turn_id() == turn.turn().id());
  CHECK(second.message_id() == turn.turn().message_id());
  CHECK(second.conversation_id() == "c1");
  CHECK(!n.db().conversations().find("c2"));
  CHECK(n.db().verify().empty());
}

TEST_CASE("a dedupe key that grew old is taken over by one of two nodes") {
  two_nodes n;
  accept_turn(n.db(), new_turn("c0", "hello", "key"), {start_us - dedupe_window_us});
  v1::TurnStored first, second;
  n.interleave(into(first, accept_turn, new_turn("c1", "hello", "key")),
               into(second, accept_turn, new_turn("c2", "hello", "key")));
  CHECK(!first.duplicate());
  CHECK(second.duplicate());
  CHECK(second.conversation_id() == "c1");
}

TEST_CASE("a dedupe key that is claimed anew is not purged by the other node") {
  two_nodes n;
  accept_turn(n.db(), new_turn("c0", "hello", "key"), {start_us - dedupe_window_us - 1});
  v1::TurnStored first;
  std::int64_t purged = -1;
  n.interleave(into(first, accept_turn, new_turn("c1", "hello", "key")),
               [&](database& db) { purged = purge_expired(db, now); });
  CHECK(purged == 0);
  CHECK(!n.waited()); // it is left to the next purge
  CHECK(n.db().dedupe().find("", "key")->conversation_id == "c1");
}

TEST_CASE("a turn that is sent to two nodes at once is one turn") {
  two_nodes n;
  v1::TurnStored first, second;
  auto turn = new_turn("c1", "hello");
  n.interleave(into(first, accept_turn, turn), into(second, accept_turn, turn));
  CHECK(!first.duplicate());
  CHECK(second.duplicate());
  CHECK(message_count(n, "c1") == 1);
  CHECK(n.db().verify().empty());
}

TEST_CASE("two nodes that make one conversation at once both put their turns into it") {
  two_nodes n;
  v1::TurnStored first, second;
  n.interleave(into(first, accept_turn, new_turn("c1", "one")),
               into(second, accept_turn, new_turn("c1", "two")));
  CHECK(!first.duplicate());
  CHECK(!second.duplicate());
  CHECK(message_count(n, "c1") == 2);
  CHECK(n.db().messages().all("c1", "", 10, 1'000'000).messages.size() == 2);
  CHECK(n.db().verify().empty());
}

TEST_CASE("messages of one conversation from two nodes get different places in it") {
  two_nodes n;
  accept_turn(n.db(), new_turn("c1", "zero"), now);
  v1::TurnStored first, second;
  n.interleave(into(first, accept_turn, new_turn("c1", "one")),
               into(second, accept_turn, new_turn("c1", "two")));
  auto all = n.db().messages().all("c1", "", 10, 1'000'000).messages;
  REQUIRE(all.size() == 3);
  CHECK(all[0].parts(0).text().text() == "two");
  CHECK(all[1].parts(0).text().text() == "one");
  CHECK(message_count(n, "c1") == 3);
}

TEST_CASE("a session key is one conversation's, whichever node is first") {
  two_nodes n;
  auto make = [](const std::string& id) {
    return [id](database& db) {
      v1::CreateConversation command;
      command.mutable_conversation()->set_id(id);
      command.mutable_conversation()->set_session_key("onebot:42");
      create_conversation(db, command, now);
    };
  };
  CHECK(code_of([&] { n.interleave(make("c1"), make("c2")); }) == ec::conflict);
  CHECK(n.db().conversations().find_by_session_key("onebot:42")->id() == "c1");
  CHECK(!n.db().conversations().find("c2"));
}

TEST_CASE("a turn that two nodes end at once is ended once") {
  two_nodes n;
  auto turn = new_turn("c1", "hello");
  accept_turn(n.db(), turn, now);
  auto one = finish_turn(turn, "one");
  auto two = finish_turn(turn, "two");
  *one.mutable_usage() = test::usage_record("r1", "p", start_us);
  *two.mutable_usage() = test::usage_record("r2", "p", start_us);
  v1::TurnStored first, second;
  n.interleave(into(first, advance_turn, one), into(second, advance_turn, two));
  CHECK(!first.duplicate());
  CHECK(second.duplicate());
  CHECK(message_count(n, "c1") == 2);
  CHECK(n.db().ledger().sum({}).count == 1);
  CHECK(n.db().turns().find(turn.turn().id())->reply_id() == one.messages(0).id());
  CHECK(n.db().verify().empty());
}

TEST_CASE("a turn is not advanced in a conversation that is erased at the same time") {
  two_nodes n;
  auto turn = new_turn("c1", "hello");
  accept_turn(n.db(), turn, now);
  auto erase = [](database& db) {
    v1::DeleteConversation command;
    command.set_conversation_id("c1");
    delete_conversation(db, command, now);
  };
  v1::TurnStored second;
  auto advance = into(second, advance_turn, finish_turn(turn, "y"));
  CHECK(code_of([&] { n.interleave(erase, advance); }) == ec::not_found);
  CHECK(!n.db().turns().find(turn.turn().id()));
  CHECK(n.db().verify().empty());
}

TEST_CASE("two nodes that change different settings of a conversation keep both changes") {
  two_nodes n;
  accept_turn(n.db(), new_turn("c1", "hello"), now);
  auto change = [](auto&& set) {
    return [set](database& db) {
      v1::UpdateConversation command;
      command.set_conversation_id("c1");
      set(command);
      update_conversation(db, command, now);
    };
  };
  n.interleave(change([](auto& x) { x.set_title("new title"); }),
               change([](auto& x) { x.set_system_prompt("be brief"); }));
  auto found = n.db().conversations().find("c1");
  CHECK(found->title() == "new title");
  CHECK(found->system_prompt() == "be brief");
}

TEST_CASE("a piece is not claimed while another node claims those before it") {
  two_nodes n;
  turn_with_outbox(n.db(), "c1", 3);
  v1::OutboxRows first, second;
  n.interleave([&](database& db) { first = claim_outbox(db, claim(2), now); },
               [&](database& db) { second = claim_outbox(db, claim(10), now); });
  CHECK(!n.waited());
  CHECK(first.rows_size() == 2);
  CHECK(second.rows_size() == 0);
  // Those before it are claimed, or sent.
  CHECK(claim_outbox(n.db(), claim(10), now).rows_size() == 0);
  for (const auto& row : first.rows()) {
    v1::SettleOutbox settle;
    settle.set_id(row.id());
    settle.set_status(v1::OUTBOX_STATUS_SENT);
    settle_outbox(n.db(), settle, now);
  }
  auto last = claim_outbox(n.other(), claim(10), now);
  REQUIRE(last.rows_size() == 1);
  CHECK(last.rows(0).part_index() == 2);
}

TEST_CASE("two nodes that claim at once get different turns") {
  two_nodes n;
  turn_with_outbox(n.db(), "c1", 2);
  turn_with_outbox(n.db(), "c2", 2);
  v1::OutboxRows first, second;
  n.interleave([&](database& db) { first = claim_outbox(db, claim(2), now); },
               [&](database& db) { second = claim_outbox(db, claim(10), now); });
  CHECK(!n.waited());
  REQUIRE(first.rows_size() == 2);
  REQUIRE(second.rows_size() == 2);
  CHECK(first.rows(0).turn_id() == first.rows(1).turn_id());
  CHECK(second.rows(0).turn_id() == second.rows(1).turn_id());
  CHECK(first.rows(0).turn_id() != second.rows(0).turn_id());
}

TEST_CASE("a row that one node settled as sent is not pending again for the other's answer") {
  two_nodes n;
  turn_with_outbox(n.db(), "c1", 1);
  auto row = claim_outbox(n.db(), claim(1), now).rows(0);
  auto settle = [&](v1::OutboxStatus status) {
    return [&, status](database& db) {
      v1::SettleOutbox command;
      command.set_id(row.id());
      command.set_status(status);
      settle_outbox(db, command, now);
    };
  };
  n.interleave(settle(v1::OUTBOX_STATUS_SENT), settle(v1::OUTBOX_STATUS_PENDING));
  CHECK(n.waited());
  CHECK(n.db().outbox().find(row.id())->status() == v1::OUTBOX_STATUS_SENT);
}

TEST_CASE("a ledger line that two nodes write at once is there once") {
  two_nodes n;
  auto record = [](std::int64_t tokens) {
    return [tokens](database& db) {
      v1::RecordUsage command;
      for (int i = 0; i < 20; ++i)
        *command.add_records() = test::usage_record("r" + std::to_string(i), "p", start_us, tokens);
      record_usage(db, command, now);
    };
  };
  n.interleave(record(1), record(100));
  CHECK(n.waited());
  auto sum = n.db().ledger().sum({});
  CHECK(sum.count == 20);
  CHECK(sum.usage.prompt_tokens() == 20);
}

TEST_CASE("two nodes may try at once whether writing works") {
  two_nodes n;
  auto probe = [](database& db) { db.probe_write(7); };
  CHECK(code_of([&] { n.interleave(probe, probe); }) == ec::none);
}

TEST_CASE("of two transactions that wait for each other one fails, and may be run again") {
  two_nodes n;
  for (const char* id : {"c1", "c2"})
    accept_turn(n.db(), new_turn(id, "hello"), now);
  std::optional<failure> lost;
  unit_of_work mine{n.db(), access::write};
  n.db().conversations().hold("c1");
  std::thread node{[&] {
    try {
      unit_of_work theirs{n.other(), access::write};
      n.other().conversations().hold("c2");
      n.other().conversations().hold("c1");
      theirs.commit();
    } catch (const failure& error) {
      lost = error;
    }
  }};
  CHECK(test::eventually([] { return test::postgres().waiting() > 0; }));
  try {
    n.db().conversations().hold("c2");
    mine.commit();
  } catch (const failure& error) {
    lost = error;
    n.db().rollback();
  }
  node.join();
  REQUIRE(lost);
  CHECK(lost->code == ec::store_unavailable);
  CHECK(lost->hurt == damage::transaction);
  CHECK(lost->again);
  unit_of_work again{n.db(), access::write};
  CHECK(n.db().conversations().hold("c2"));
  again.commit();
}
