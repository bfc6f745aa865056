// Turns, messages and sessions on a real database.
#include "messages/id.hpp"
#include "persistence/commands.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::persistence;
using test::finish_turn;
using test::new_turn;
using test::on_each_backend;
using test::outbox_row;
using test::test_database;

namespace {

constexpr command_env now{1'700'000'000'000'000};

template <class Function>
ec code_of(Function&& function) {
  try {
    function();
  } catch (const failure& error) {
    CHECK(std::string{error.what()}.size() > 10);
    return error.code;
  }
  return ec::none;
}

v1::LoadSession load(const std::string& id, int messages = 0, std::int64_t bytes = 0) {
  v1::LoadSession out;
  out.set_conversation_id(id);
  out.set_max_messages(messages);
  out.set_max_bytes(bytes);
  return out;
}

/// `count` finished turns one after the other; returns the ids of all messages, oldest first.
std::vector<std::string> talk(database& db, const std::string& id, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    auto turn = new_turn(id, "question " + std::to_string(i), {}, out.empty() ? "" : out.back());
    accept_turn(db, turn, now);
    auto end = finish_turn(turn, "answer " + std::to_string(i));
    advance_turn(db, end, now);
    out.push_back(turn.messages(0).id());
    out.push_back(end.messages(0).id());
  }
  return out;
}

} // namespace

TEST_CASE("a turn is accepted with its conversation, message and dedupe key") {
  on_each_backend([](test_database& t) {
    auto turn = new_turn("c1", "hello", "platform-7");
    turn.mutable_turn()->set_request_id("r1");
    auto stored = accept_turn(t.db(), turn, now);
    CHECK(!stored.duplicate());
    CHECK(stored.turn_id() == turn.turn().id());
    CHECK(stored.message_id() == turn.messages(0).id());
    CHECK(stored.conversation_id() == "c1");
    auto loaded = load_session(t.db(), load("c1"), now);
    CHECK(loaded.conversation().title() == "made by a turn");
    CHECK(loaded.conversation().leaf_id() == turn.messages(0).id());
    CHECK(loaded.conversation().message_count() == 1);
    REQUIRE(loaded.messages_size() == 1);
    CHECK(loaded.messages(0).parts(0).text().text() == "hello");
    CHECK(loaded.messages(0).turn_id() == turn.turn().id());
    REQUIRE(loaded.unfinished_size() == 1);
    CHECK(loaded.unfinished(0).request_id() == "r1");
    CHECK(t.db().verify().empty());
  });
}

TEST_CASE("the same dedupe key is the first turn for 24 hours, of one principal") {
  on_each_backend([](test_database& t) {
    auto first = new_turn("c1", "hello", "k");
    accept_turn(t.db(), first, now);
    auto again = accept_turn(t.db(), new_turn("c2", "hello", "k"), now);
    CHECK(again.duplicate());
    CHECK(again.turn_id() == first.turn().id());
    CHECK(again.message_id() == first.messages(0).id());
    CHECK(again.conversation_id() == "c1");
    CHECK(!t.db().conversations().find("c2"));
    auto other = new_turn("c3", "hello", "k");
    other.mutable_turn()->set_principal_id("somebody-else");
    CHECK(!accept_turn(t.db(), other, now).duplicate());
    command_env later{now.now_us + dedupe_window_us - 1};
    CHECK(accept_turn(t.db(), new_turn("c1", "hello", "k"), later).duplicate());
    command_env day_after{now.now_us + dedupe_window_us};
    CHECK(!accept_turn(t.db(), new_turn("c1", "hello", "k"), day_after).duplicate());
    CHECK(purge_expired(t.db(), {day_after.now_us + 1}) == 1);
    CHECK(t.db().dedupe().find("", "k"));
  });
}

TEST_CASE("a turn whose answer was lost may be sent again") {
  on_each_backend([](test_database& t) {
    auto turn = new_turn("c1", "hello");
    accept_turn(t.db(), turn, now);
    auto again = accept_turn(t.db(), turn, now);
    CHECK(again.duplicate());
    CHECK(again.turn_id() == turn.turn().id());
    auto end = finish_turn(turn, "hi");
    *end.add_outbox() = outbox_row(turn.turn().id(), "hi");
    *end.mutable_usage() = test::usage_record("r1", "p", now.now_us);
    CHECK(!advance_turn(t.db(), end, now).duplicate());
    CHECK(advance_turn(t.db(), end, now).duplicate());
    auto loaded = load_session(t.db(), load("c1"), now);
    CHECK(loaded.conversation().message_count() == 2);
    CHECK(loaded.messages_size() == 2);
    CHECK(loaded.unfinished_size() == 0);
    CHECK(t.db().ledger().sum({}).count == 1);
    CHECK(t.db().outbox().claim("onebot", "bot", 10, now.now_us, now.now_us + 1).size() == 1);
    CHECK(t.db().verify().empty());
  });
}

TEST_CASE("a turn of several steps keeps what a step leaves out, and its attempts only grow") {
  on_each_backend([](test_database& t) {
    auto accepted = new_turn("c1", "weather?");
    accepted.mutable_turn()->set_traceparent("trace");
    accept_turn(t.db(), accepted, now);
    v1::AdvanceTurn step;
    step.mutable_turn()->set_id(accepted.turn().id());
    step.mutable_turn()->set_status(v1::TURN_STATUS_AWAITING_TOOLS);
    step.mutable_turn()->set_step(1);
    step.mutable_turn()->set_attempts(2);
    step.set_title("The weather");
    auto& call = *step.add_messages();
    call.set_id(new_id());
    call.set_parent_id(accepted.messages(0).id());
    call.set_role(v1::ROLE_ASSISTANT);
    call.add_parts()->mutable_tool_call()->set_name("weather");
    step.set_leaf_id(call.id());
    advance_turn(t.db(), step, now);
    v1::GetTurn query;
    query.set_turn_id(accepted.turn().id());
    auto turn = get_turn(t.db(), query, now);
    CHECK(turn.status() == v1::TURN_STATUS_AWAITING_TOOLS);
    CHECK(turn.traceparent() == "trace");
    CHECK(turn.attempts() == 2);
    CHECK(turn.reply_id() == call.id());
    CHECK(list_unfinished_turns(t.db(), {}, now).turns_size() == 1);
    auto end = finish_turn(accepted, "sunny");
    end.mutable_messages(0)->set_parent_id(call.id());
    end.mutable_turn()->set_step(2);
    advance_turn(t.db(), end, now);
    turn = get_turn(t.db(), query, now);
    CHECK(turn.status() == v1::TURN_STATUS_FINISHED);
    CHECK(turn.attempts() == 2);
    CHECK(turn.finished_us() == now.now_us);
    CHECK(list_unfinished_turns(t.db(), {}, now).turns_size() == 0);
    CHECK(load_session(t.db(), load("c1"), now).conversation().title() == "The weather");
    CHECK(t.db().verify().empty());
  });
}

TEST_CASE("turns that make no sense are refused and leave nothing behind") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto refused = [&](v1::AcceptTurn command) {
      unit_of_work unit{db, access::write};
      return code_of([&] { accept_turn(db, command, now); });
    };
    CHECK(refused({}) == ec::invalid_argument);
    auto turn = new_turn("c1", "x");
    turn.mutable_turn()->clear_conversation_id();
    CHECK(refused(turn) == ec::invalid_argument);
    turn = new_turn("c1", "x");
    turn.clear_create_if_missing();
    CHECK(refused(turn) == ec::not_found);
    turn = new_turn("c1", "x");
    turn.mutable_messages(0)->set_id(std::string(65, 'x'));
    CHECK(refused(turn) == ec::invalid_argument);
    turn = new_turn("c1", "x");
    turn.mutable_messages(0)->set_parent_id(turn.messages(0).id());
    CHECK(refused(turn) == ec::invalid_argument);
    turn = new_turn("c1", "x", std::string(256, 'k'));
    CHECK(refused(turn) == ec::invalid_argument);
    turn = new_turn("c1", "x");
    turn.set_leaf_id("nowhere");
    CHECK(refused(turn) == ec::invalid_argument);
    turn = new_turn("c1", "x");
    turn.mutable_turn()->set_status(v1::TURN_STATUS_FINISHED);
    CHECK(refused(turn) == ec::invalid_argument);
    turn = new_turn("c1", "x");
    turn.clear_messages();
    turn.clear_leaf_id();
    CHECK(refused(turn) == ec::invalid_argument);
    CHECK(!db.conversations().find("c1"));
    // The id of another conversation's message.
    auto first = new_turn("c1", "x");
    accept_turn(db, first, now);
    turn = new_turn("c2", "y");
    turn.mutable_messages(0)->set_id(first.messages(0).id());
    turn.set_leaf_id(first.messages(0).id());
    CHECK(refused(turn) == ec::conflict);
    CHECK(db.verify().empty());
  });
}

TEST_CASE("steps that make no sense are refused") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto accepted = new_turn("c1", "x");
    accept_turn(db, accepted, now);
    auto refused = [&](const v1::AdvanceTurn& command) {
      unit_of_work unit{db, access::write};
      return code_of([&] { advance_turn(db, command, now); });
    };
    CHECK(refused({}) == ec::invalid_argument);
    auto end = finish_turn(accepted, "y");
    end.mutable_turn()->set_id("unknown");
    CHECK(refused(end) == ec::not_found);
    end = finish_turn(accepted, "y");
    end.mutable_turn()->set_conversation_id("c2");
    CHECK(refused(end) == ec::invalid_argument);
    end = finish_turn(accepted, "y");
    end.mutable_turn()->set_status(v1::TURN_STATUS_UNSPECIFIED);
    CHECK(refused(end) == ec::invalid_argument);
    end = finish_turn(accepted, "y");
    end.clear_messages();
    end.clear_leaf_id();
    CHECK(refused(end) == ec::invalid_argument);
    end = finish_turn(accepted, "y");
    *end.add_outbox() = outbox_row("another turn", "y");
    CHECK(refused(end) == ec::invalid_argument);
    end = finish_turn(accepted, "y");
    end.mutable_usage()->set_model("without a request id");
    CHECK(refused(end) == ec::invalid_argument);
    CHECK(!advance_turn(db, finish_turn(accepted, "y"), now).duplicate());
  });
}

TEST_CASE("a session is loaded along its branch, bounded by count and by bytes") {
  on_each_backend([](test_database& t) {
    auto ids = talk(t.db(), "c1", 20);
    auto all = load_session(t.db(), load("c1"), now);
    REQUIRE(all.messages_size() == 40);
    CHECK(!all.truncated());
    for (int i = 0; i < 40; ++i)
      CHECK(all.messages(i).id() == ids[static_cast<std::size_t>(i)]);
    auto five = load_session(t.db(), load("c1", 5), now);
    REQUIRE(five.messages_size() == 5);
    CHECK(five.truncated());
    CHECK(five.messages(4).id() == ids.back());
    // The newest comes whatever its size.
    auto one = load_session(t.db(), load("c1", 100, 1), now);
    CHECK(one.messages_size() == 1);
    CHECK(one.truncated());
    auto few = load_session(t.db(), load("c1", 100, 100), now);
    CHECK(few.messages_size() > 1);
    CHECK(few.messages_size() < 20);
    CHECK(code_of([&] { load_session(t.db(), load("c1", -1), now); }) == ec::invalid_argument);
    CHECK(code_of([&] { load_session(t.db(), load("c2"), now); }) == ec::not_found);
  });
}

TEST_CASE("branches are siblings in one tree") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto ids = talk(db, "c1", 3);
    auto other = new_turn("c1", "edited", {}, ids[1]);
    accept_turn(db, other, now);
    advance_turn(db, finish_turn(other, "answered again"), now);
    auto current = load_session(db, load("c1"), now);
    REQUIRE(current.messages_size() == 4);
    CHECK(current.messages(2).parts(0).text().text() == "edited");
    v1::LoadBranch branch;
    branch.set_conversation_id("c1");
    branch.set_leaf_id(ids.back());
    CHECK(load_branch(db, branch, now).messages_size() == 6);
    branch.set_leaf_id("nowhere");
    CHECK(code_of([&] { load_branch(db, branch, now); }) == ec::not_found);
    v1::ListMessages tree;
    tree.set_conversation_id("c1");
    tree.set_all_branches(true);
    auto page = list_messages(db, tree, now);
    REQUIRE(page.messages_size() == 8);
    CHECK(page.messages(0).id() == ids[0]);
    CHECK(page.messages(6).id() == other.messages(0).id());
    tree.set_limit(3);
    page = list_messages(db, tree, now);
    CHECK(page.messages_size() == 3);
    CHECK(page.has_more());
    tree.set_before_id(page.messages(0).id());
    page = list_messages(db, tree, now);
    CHECK(page.messages(2).id() == ids[4]);
    v1::UpdateConversation choose;
    choose.set_conversation_id("c1");
    choose.set_leaf_id(ids.back());
    CHECK(update_conversation(db, choose, now).leaf_id() == ids.back());
    choose.set_leaf_id("nowhere");
    CHECK(code_of([&] { update_conversation(db, choose, now); }) == ec::invalid_argument);
  });
}

TEST_CASE("messages are paged towards the older ones without gaps") {
  on_each_backend([](test_database& t) {
    auto ids = talk(t.db(), "c1", 10);
    v1::ListMessages query;
    query.set_conversation_id("c1");
    query.set_limit(7);
    std::vector<std::string> seen;
    for (bool more = true; more;) {
      auto page = list_messages(t.db(), query, now);
      REQUIRE(page.messages_size() > 0);
      for (int i = page.messages_size() - 1; i >= 0; --i)
        seen.insert(seen.begin(), page.messages(i).id());
      query.set_before_id(page.messages(0).id());
      more = page.has_more();
    }
    CHECK(seen == ids);
    query.set_before_id("nowhere");
    CHECK(code_of([&] { list_messages(t.db(), query, now); }) == ec::not_found);
    query.clear_before_id();
    query.set_limit(501);
    CHECK(code_of([&] { list_messages(t.db(), query, now); }) == ec::invalid_argument);
    query.set_limit(-1);
    CHECK(code_of([&] { list_messages(t.db(), query, now); }) == ec::invalid_argument);
  });
}

TEST_CASE("a message may wait for a parent that is written later") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto first = new_turn("c1", "one");
    auto end = finish_turn(first, "reply");
    auto second = new_turn("c1", "two", {}, end.messages(0).id());
    accept_turn(db, first, now);
    accept_turn(db, second, now);
    auto loaded = load_session(db, load("c1"), now);
    CHECK(loaded.messages_size() == 1);
    CHECK(!loaded.truncated());
    CHECK(loaded.unfinished_size() == 2);
    end.clear_leaf_id();
    advance_turn(db, end, now);
    CHECK(load_session(db, load("c1"), now).messages_size() == 3);
    CHECK(db.verify().empty());
  });
}

TEST_CASE("fields of a newer version survive") {
  on_each_backend([](test_database& t) {
    auto unknown = [](google::protobuf::Message& message, const std::string& value) {
      message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(9'999, value);
    };
    auto turn = new_turn("c1", "x");
    unknown(*turn.mutable_messages(0), "of a message");
    unknown(*turn.mutable_messages(0)->mutable_parts(0), "of a part");
    unknown(*turn.mutable_turn(), "of a turn");
    unknown(*turn.mutable_create_if_missing(), "of a conversation");
    accept_turn(t.db(), turn, now);
    auto record = test::usage_record("r", "p", 1);
    unknown(record, "of a record");
    t.db().ledger().insert(record);
    auto loaded = load_session(t.db(), load("c1"), now);
    for (const std::string text : {"of a message", "of a part", "of a turn", "of a conversation"})
      CHECK(loaded.SerializeAsString().find(text) != std::string::npos);
    CHECK(t.db().ledger().list({}, {}, 1).at(0).SerializeAsString() == record.SerializeAsString());
  });
}
