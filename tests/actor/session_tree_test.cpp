// The tree of messages: regenerate, edit, branches, and the window of what is sent.
#include "tests/support/session_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct tree_fixture : session_fixture {
  tree_fixture() {
    upstream->on_start = echo();
    start_region();
    id = conversation();
  }

  v1::PostMessage special(v1::PostKind kind, const std::string& parent, const std::string& text) {
    auto x = message(id, text);
    x.set_kind(kind);
    x.set_parent_id(parent);
    return x;
  }

  caf::expected<Conversation> choose(const std::string& leaf) {
    v1::UpdateConversation update;
    update.set_conversation_id(id);
    update.set_leaf_id(leaf);
    return ask<Conversation>(region, UpdateConversation{update});
  }

  std::string id;
};

} // namespace

TEST_CASE_FIXTURE(tree_fixture, "a regenerated answer is a sibling of the first one") {
  auto first = post(id, "hello");
  auto second = post(special(v1::POST_KIND_REGENERATE, turn(first).message_id(), ""));
  REQUIRE(second);
  auto again = (*second)->turn_id();
  CHECK((*second)->message_id() == turn(first).message_id());
  CHECK(turn(first).reply_id() != turn(again).reply_id());
  CHECK(data->messages.at(turn(first).reply_id()).parent_id()
        == data->messages.at(turn(again).reply_id()).parent_id());
  CHECK(data->conversations.at(id).leaf_id() == turn(again).reply_id());
  CHECK(texts(upstream->last().request) == "user:hello");
  // Without a name: the newest user message.
  CHECK(post(special(v1::POST_KIND_REGENERATE, "", "")));
  CHECK(data->messages.size() == 4);
}

TEST_CASE_FIXTURE(tree_fixture, "an edited message is a sibling of the old one, and is answered") {
  post(id, "one");
  auto old = post(id, "two");
  post(id, "three");
  auto edited = post(special(v1::POST_KIND_EDIT, turn(old).message_id(), "TWO"));
  REQUIRE(edited);
  CHECK(branch(id) == "user:one | assistant:echo: one | user:TWO | assistant:echo: TWO");
  CHECK(data->messages.at((*edited)->message_id()).parent_id()
        == data->messages.at(turn(old).message_id()).parent_id());
  // The first message of all can be edited as well.
  auto root = data->branch(data->conversations.at(id).leaf_id()).front().id();
  REQUIRE(post(special(v1::POST_KIND_EDIT, root, "ONE")));
  CHECK(branch(id) == "user:ONE | assistant:echo: ONE");
}

TEST_CASE_FIXTURE(tree_fixture, "only a user's message can be edited or answered again") {
  auto first = post(id, "one");
  for (auto kind : {v1::POST_KIND_EDIT, v1::POST_KIND_REGENERATE}) {
    auto text = kind == v1::POST_KIND_EDIT ? "new" : "";
    auto reply = post(special(kind, turn(first).reply_id(), text));
    REQUIRE(!reply);
    CHECK(info(reply.error()).code == ec::invalid_argument);
    auto nowhere = post(special(kind, "nowhere", text));
    REQUIRE(!nowhere);
    CHECK(info(nowhere.error()).code == ec::not_found);
  }
  auto empty = conversation();
  auto nothing = message(empty, "");
  nothing.set_kind(v1::POST_KIND_REGENERATE);
  auto refused = post(nothing);
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::invalid_argument);
  CHECK(post(message(id, "goes on")));
}

TEST_CASE_FIXTURE(tree_fixture, "a message can go on from any message of the tree") {
  auto first = post(id, "one");
  post(id, "two");
  auto beside = special(v1::POST_KIND_MESSAGE, turn(first).reply_id(), "other");
  REQUIRE(post(beside));
  CHECK(branch(id) == "user:one | assistant:echo: one | user:other | assistant:echo: other");
}

TEST_CASE_FIXTURE(tree_fixture, "the branch chosen is the one that goes on") {
  auto first = post(id, "one");
  auto second = post(id, "two");
  REQUIRE(post(special(v1::POST_KIND_EDIT, turn(second).message_id(), "TWO")));
  auto chosen = choose(turn(second).reply_id());
  REQUIRE(chosen);
  CHECK((*chosen)->leaf_id() == turn(second).reply_id());
  post(id, "three");
  CHECK(texts(upstream->last().request)
        == "user:one | assistant:echo: one | user:two | assistant:echo: two | user:three");
  auto nowhere = choose("nowhere");
  REQUIRE(!nowhere);
  CHECK(info(nowhere.error()).code == ec::not_found);
}

TEST_CASE_FIXTURE(tree_fixture, "a branch chosen while a turn runs stays chosen when it ends") {
  auto first = post(id, "one");
  upstream->on_start = {};
  auto second = post(id, "two");
  auto waiting = post(id, "three");
  REQUIRE(choose(turn(first).reply_id()));
  upstream->on_start = echo();
  echo()(upstream->last());
  run();
  CHECK(turn(second).status() == v1::TURN_STATUS_FINISHED);
  CHECK(turn(waiting).status() == v1::TURN_STATUS_FINISHED);
  CHECK(texts(upstream->last().request)
        == "user:one | assistant:echo: one | user:two | assistant:echo: two | user:three");
  CHECK(branch(id) == "user:one | assistant:echo: one");
  post(id, "other");
  CHECK(branch(id) == "user:one | assistant:echo: one | user:other | assistant:echo: other");
}

TEST_CASE_FIXTURE(tree_fixture, "settings change what the next turn asks") {
  post(id, "one");
  v1::UpdateConversation update;
  update.set_conversation_id(id);
  update.set_system_prompt("be brief");
  update.set_model("gpt-4.1");
  update.set_title("a title");
  REQUIRE(ask<Conversation>(region, UpdateConversation{update}));
  post(id, "two");
  CHECK(texts(upstream->last().request)
        == "system:be brief | user:one | assistant:echo: one | user:two");
  CHECK(upstream->last().request.model() == "gpt-4.1");
  CHECK(data->conversations.at(id).title() == "a title");
  update.set_params_json("[]");
  auto refused = ask<Conversation>(region, UpdateConversation{update});
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::invalid_argument);
}

TEST_CASE_FIXTURE(tree_fixture, "the window drops the oldest exchanges whole") {
  auto words = [](const std::string& word, int count) {
    std::string text = word;
    for (int i = 1; i < count; ++i)
      text += " " + word;
    return text;
  };
  v1::UpdateConversation update;
  update.set_conversation_id(id);
  update.set_model("small"); // 100 tokens; half of them are the answer's
  update.set_system_prompt("be kind");
  REQUIRE(ask<Conversation>(region, UpdateConversation{update}));
  // An exchange of n words: n and n + 1, and a frame of 4 each.
  post(id, words("a", 5));
  CHECK(tokenizer->calls == 0); // its bytes fit
  post(id, words("b", 5)); // 7 + 9 + 15 + 9 bytes and 19 of frames are more than 50 tokens may be
  CHECK(tokenizer->calls == 1);
  post(id, words("c", 5));
  CHECK(tokenizer->calls == 2); // for what is new
  CHECK(texts(upstream->last().request)
        == "system:be kind | user:b b b b b | assistant:echo: b b b b b | user:c c c c c");
  // 3 + (4 + 2) + (4 + 5) + (4 + 6) + (4 + 5) = 37 of 50 are used; with a's 19 it would be 56.
  auto texts_counted = tokenizer->texts;
  post(id, "d");
  CHECK(texts(upstream->last().request)
        == "system:be kind | user:c c c c c | assistant:echo: c c c c c | user:d");
  CHECK(tokenizer->texts - texts_counted <= 4); // counts of messages are kept
}

TEST_CASE_FIXTURE(tree_fixture, "a message that does not fit alone is never sent") {
  auto x = message(id, "");
  std::string text = "word";
  for (int i = 0; i < 60; ++i)
    text += " word";
  x.add_parts()->mutable_text()->set_text(text);
  x.set_model("small");
  auto accepted = post(x);
  REQUIRE(accepted);
  CHECK(turn((*accepted)->turn_id()).status() == v1::TURN_STATUS_FAILED);
  CHECK(turn((*accepted)->turn_id()).failure().code() == "context_length_exceeded");
  CHECK(turn((*accepted)->turn_id()).failure().message()
        == "the message has 68 tokens with its system prompt and tools; small takes at most 50 "
           "beside its answer: send less");
  CHECK(upstream->calls.empty());
  // A smaller answer leaves room for it.
  x.set_params_json(R"({"max_tokens":20})");
  REQUIRE(post(x));
  CHECK(upstream->calls.size() == 1);
}

TEST_CASE_FIXTURE(tree_fixture, "a tokenizer that fails fails the turn, not the conversation") {
  tokenizer->fail = make_error(ec::overloaded, "too much to count");
  auto x = message(id, std::string(60, 'x'));
  x.set_model("small");
  auto accepted = post(x);
  REQUIRE(accepted);
  CHECK(turn((*accepted)->turn_id()).failure().message() == "too much to count");
  tokenizer->fail = {};
  REQUIRE(post(x));
  CHECK(branch(id).ends_with("echo: " + std::string(60, 'x')));
}

TEST_CASE_FIXTURE(tree_fixture,
                  "history in memory is bounded, and the rest is loaded when needed") {
  options.session.config.history_messages_max = 4;
  start_region();
  std::string oldest;
  for (const auto* text : {"one", "two", "three", "four"}) {
    auto turn_id = post(id, text);
    if (oldest.empty())
      oldest = turn(turn_id).message_id();
  }
  CHECK(texts(upstream->last().request) == "user:three | assistant:echo: three | user:four");
  auto loads = data->calls["LoadBranch"];
  REQUIRE(post(special(v1::POST_KIND_REGENERATE, oldest, "")));
  CHECK(data->calls["LoadBranch"] > loads);
  CHECK(branch(id) == "user:one | assistant:echo: one");
}

TEST_CASE_FIXTURE(tree_fixture, "deleting ends what runs, and the conversation is gone") {
  upstream->on_start = {};
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  v1::DeleteConversation command;
  command.set_conversation_id(id);
  REQUIRE(ask<Done>(region, DeleteConversation{command}));
  CHECK(upstream->last().cancelled);
  REQUIRE(events->ended());
  CHECK(events->events.back().failed().failure().code() == "not_found");
  auto gone = post(message(id, "hello?"));
  REQUIRE(!gone);
  CHECK(info(gone.error()).code == ec::not_found);
  CHECK(!ask<Done>(region, DeleteConversation{command}));
  CHECK(status().turns_running() == 0);
}
