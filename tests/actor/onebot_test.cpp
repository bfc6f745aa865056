// The OneBot adapter: peers, events, actions.
#include "actors/channels/core/address.hpp"
#include "actors/channels/core/command.hpp"
#include "actors/channels/core/text.hpp"
#include "actors/channels/onebot/onebot.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/channel_fakes.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

struct peer_socket {
  std::string id;
  std::shared_ptr<test::socket_script> script = std::make_shared<test::socket_script>();
  socket_actor handle;

  json frame(std::size_t index) const { return json::parse(script->frames.at(index)); }
};

struct onebot_fixture : test::actor_fixture {
  onebot_fixture() {
    options.section.account = "qq";
    options.section.access_token = "secret";
    options.section.trigger_prefixes = {"#"};
    options.region = test::spawn_region(*system, region);
    options.outbox = test::spawn_outbox(*system, outbox);
    options.clock = clock;
    options.host = host;
    options.seed = 1;
  }

  ~onebot_fixture() { end(); }

  void end() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run();
  }

  void start() {
    if (actor)
      end();
    actor = caf::actor_cast<channel_actor>(troupe::spawn(host, troupe::onebot, options));
    run();
  }

  static v1::SocketOpened handshake(const std::string& role = "Universal") {
    v1::SocketOpened opened;
    opened.set_channel("onebot");
    opened.set_account("qq");
    opened.set_remote_address("203.0.113.9");
    (*opened.mutable_headers())["x-self-id"] = "10001";
    (*opened.mutable_headers())["x-client-role"] = role;
    (*opened.mutable_headers())["authorization"] = "Bearer secret";
    return opened;
  }

  caf::expected<SocketAccepted> dial(peer_socket& socket, v1::SocketOpened opened = handshake()) {
    if (!actor)
      start();
    socket.id = "socket" + std::to_string(++sockets);
    socket.handle = test::spawn_socket(*system, socket.script);
    opened.set_socket_id(socket.id);
    return ask<SocketAccepted>(actor, SocketOpened{opened}, socket.handle);
  }

  void receive(const peer_socket& socket, const std::string& text) {
    v1::SocketFrame frame;
    frame.set_socket_id(socket.id);
    frame.set_text(text);
    caf::anon_send(actor, SocketFrame{frame});
    run();
  }

  void receive(const peer_socket& socket, const json& value) { receive(socket, value.dump()); }

  void hang_up(const peer_socket& socket) {
    v1::SocketClosed closed;
    closed.set_socket_id(socket.id);
    caf::anon_send(actor, SocketClosed{closed});
    run();
  }

  json event(const std::string& message, std::int64_t id = 1, std::int64_t user = 777,
             std::int64_t group = 555) {
    json e{{"post_type", "message"},
           {"self_id", 10001},
           {"user_id", user},
           {"message_id", id},
           {"message", message},
           {"time", 1},
           {"sender", {{"nickname", "ann"}}}};
    e["message_type"] = group != 0 ? "group" : "private";
    if (group != 0)
      e["group_id"] = group;
    return e;
  }

  // An answer to the action in frame `index` of the socket.
  void echo(const peer_socket& socket, std::size_t index, json answer = json::object()) {
    answer["echo"] = socket.frame(index)["echo"];
    if (!answer.contains("retcode"))
      answer.update({{"status", "ok"}, {"retcode", 0}, {"data", {{"message_id", 9}}}});
    receive(socket, answer);
  }

  // Hands a row over; the outcome is the platform's message id or the error's name.
  std::shared_ptr<std::string> deliver(const std::string& text, const std::string& id = "row",
                                       bool group = true) {
    v1::OutboundReply reply;
    reply.mutable_row()->set_id(id);
    *reply.mutable_row()->mutable_to() = test::chat_address(group, group ? "555" : "777", "777");
    reply.mutable_row()->mutable_to()->set_message_id("1");
    reply.mutable_row()->add_parts()->mutable_text()->set_text(text);
    auto outcome = std::make_shared<std::string>();
    system->spawn([=, this](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, OutboundReply{reply})
          .then([=](const ReplyDelivered& d) { *outcome = "sent " + d->platform_message_id(); },
                [=](const caf::error& err) { *outcome = info(err).name; });
    });
    run();
    return outcome;
  }

  std::shared_ptr<test::region_script> region = std::make_shared<test::region_script>();
  std::shared_ptr<test::outbox_script> outbox = std::make_shared<test::outbox_script>();
  onebot_options options;
  channel_actor actor;
  peer_socket peer;
  int sockets = 0;
};

using changes = std::vector<std::string>;

} // namespace

TEST_CASE_FIXTURE(onebot_fixture, "a peer is let in by its token, in the header or the query") {
  CHECK(dial(peer));
  auto opened = handshake();
  opened.mutable_headers()->erase("authorization");
  (*opened.mutable_query())["access_token"] = "secret";
  CHECK(dial(peer, opened));
  (*opened.mutable_query())["access_token"] = "secre";
  CHECK(info(dial(peer, opened).error()).code == ec::unauthenticated);
  opened = handshake();
  for (const char* wrong : {"Bearer wrong", "Bearer", "secret", "Basic secret", ""}) {
    (*opened.mutable_headers())["authorization"] = wrong;
    CHECK(info(dial(peer, opened).error()).code == ec::unauthenticated);
  }
  CHECK(options.counts->refused == 6);
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "without a configured token only this machine's peers are let in") {
  options.section.access_token.clear();
  auto opened = handshake();
  CHECK(info(dial(peer, opened).error()).code == ec::unauthenticated);
  for (const char* local :
       {"127.0.0.1", "::1", "127.8.0.1:4711", "[::1]:4711", "::ffff:127.0.0.1"}) {
    opened.set_remote_address(local);
    CHECK(dial(peer, opened));
  }
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "a handshake without X-Self-ID or with a strange role is refused") {
  auto opened = handshake("Robot");
  CHECK(info(dial(peer, opened).error()).code == ec::invalid_argument);
  opened = handshake();
  opened.mutable_headers()->erase("x-self-id");
  CHECK(info(dial(peer, opened).error()).code == ec::invalid_argument);
  CHECK(dial(peer));
  opened = handshake();
  (*opened.mutable_headers())["x-self-id"] = "10002";
  CHECK(info(dial(peer, opened).error()).code == ec::conflict);
}

TEST_CASE_FIXTURE(onebot_fixture, "a private message, a mention and a prefix become turns; other "
                                  "talk in a group does not") {
  dial(peer);
  receive(peer, event("hello", 1, 777, 0));
  receive(peer, event("[CQ:at,qq=10001] what's up?", 2));
  receive(peer, event("#tell me", 3));
  receive(peer, event("just talk", 4));
  receive(peer, event("[CQ:at,qq=10002] you there?", 5));
  REQUIRE(region->posts.size() == 3);
  CHECK(channels::plain_text(region->posts[0].parts()) == "hello");
  CHECK(region->posts[0].author().empty());
  CHECK(channels::plain_text(region->posts[1].parts()) == "what's up?");
  CHECK(region->posts[1].author() == "ann");
  CHECK(channels::plain_text(region->posts[2].parts()) == "tell me");
  CHECK(options.counts->messages == 5);
  CHECK(options.counts->triggered == 3);
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "the same message three times, also over a new connection, is one "
                  "turn") {
  dial(peer);
  receive(peer, event("#hi"));
  receive(peer, event("#hi"));
  peer_socket again;
  dial(again);
  receive(again, event("#hi"));
  CHECK(region->posts.size() == 1);
  CHECK(options.counts->duplicates == 2);
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "the bot's own messages, other bots' and other events are ignored") {
  dial(peer);
  receive(peer, event("#hi", 1, 10001));
  auto own = event("#hi", 2);
  own["post_type"] = "message_sent";
  receive(peer, own);
  auto foreign = event("#hi", 3);
  foreign["self_id"] = 10002;
  receive(peer, foreign);
  receive(peer, {{"post_type", "notice"}, {"notice_type", "notify"}, {"sub_type", "poke"}});
  receive(peer, {{"post_type", "request"}, {"request_type", "friend"}, {"flag", "x"}});
  receive(peer, {{"post_type", "something_new"}});
  CHECK(region->requests == 0);
  CHECK(options.counts->malformed == 0);
}

TEST_CASE_FIXTURE(onebot_fixture, "malformed and oversized frames are counted and the peer stays") {
  options.section.frame_bytes_max = 500;
  dial(peer);
  for (const char* bad : {"", "{", "[1]", "\xFF\xFE", R"({"post_type":"message","message_type":
      "group","message":"#hi"})"})
    receive(peer, std::string{bad});
  receive(peer, event("#" + std::string(600, 'x')));
  CHECK(options.counts->malformed == 6);
  CHECK(peer.script->closes.empty());
  receive(peer, event("#hi"));
  CHECK(region->posts.size() == 1);
  CHECK(all_probes.of_type("onebot").failed == 0);
}

TEST_CASE_FIXTURE(onebot_fixture, "an answer goes to the group as a quote and a mention, and is "
                                  "delivered with its echo") {
  dial(peer);
  CHECK(outbox->changes == changes{"qq+"});
  auto outcome = deliver("hello");
  auto action = peer.frame(0);
  CHECK(action["action"] == "send_group_msg");
  CHECK(action["params"]["group_id"] == 555);
  CHECK(action["params"]["message"][0]["type"] == "reply");
  CHECK(action["params"]["message"][1]["data"]["qq"] == "777");
  CHECK(action["params"]["message"][2]["data"]["text"] == " hello");
  CHECK(outcome->empty());
  receive(peer, {{"status", "ok"}, {"retcode", 0}, {"echo", "of somebody else"}});
  CHECK(outcome->empty());
  echo(peer, 0);
  CHECK(*outcome == "sent 9");
  outcome = deliver("hello", "other", false);
  CHECK(peer.frame(1)["action"] == "send_private_msg");
  CHECK(peer.frame(1)["params"]["message"].size() == 1);
}

TEST_CASE_FIXTURE(onebot_fixture, "a long answer leaves in pieces, each after the echo of the one "
                                  "before") {
  options.section.reply_chars_max = 20;
  dial(peer);
  auto outcome = deliver("First sentence here. Second sentence now. Third.");
  REQUIRE(peer.script->frames.size() == 1);
  echo(peer, 0);
  REQUIRE(peer.script->frames.size() == 2);
  CHECK(peer.frame(1)["params"]["message"].size() == 1);
  CHECK(peer.frame(1)["params"]["message"][0]["data"]["text"] == "Second sentence now.");
  echo(peer, 1);
  echo(peer, 2);
  CHECK(*outcome == "sent 9");
}

TEST_CASE_FIXTURE(onebot_fixture, "an answer that shows nothing counts as delivered") {
  dial(peer);
  CHECK(*deliver(" \n") == "sent ");
  CHECK(peer.script->frames.empty());
}

TEST_CASE_FIXTURE(onebot_fixture, "without a peer nothing is written, and the outbox knows") {
  start();
  CHECK(*deliver("hello") == "upstream_unavailable");
  dial(peer);
  hang_up(peer);
  CHECK(outbox->changes == changes{"qq+", "qq-"});
  CHECK(*deliver("hello") == "upstream_unavailable");
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "a missing echo, a broken connection and an answer that speaks of "
                  "a timeout leave it open") {
  dial(peer);
  auto outcome = deliver("hello");
  advance(30s);
  CHECK(*outcome == "deadline_exceeded");
  CHECK(options.counts->unanswered == 1);
  echo(peer, 0); // too late: nobody waits

  outcome = deliver("hello");
  echo(peer, 1, {{"status", "failed"}, {"retcode", 1200}, {"message", "Timeout: NTEvent sendMsg"}});
  CHECK(*outcome == "deadline_exceeded");

  outcome = deliver("hello");
  hang_up(peer);
  CHECK(*outcome == "deadline_exceeded");
}

TEST_CASE_FIXTURE(onebot_fixture, "a failed action is refused for now or for good by its retcode") {
  dial(peer);
  auto outcome = deliver("hello");
  echo(peer, 0, {{"status", "failed"}, {"retcode", 120}, {"wording", "muted"}});
  CHECK(*outcome == "upstream_rejected");
  outcome = deliver("hello");
  echo(peer, 1, {{"status", "failed"}, {"retcode", 1400}});
  CHECK(*outcome == "invalid_argument");
  outcome = deliver("hello");
  echo(peer, 2, {{"status", "async"}, {"retcode", 1}, {"data", nullptr}});
  CHECK(*outcome == "sent ");
  CHECK(options.counts->failed == 2);
}

TEST_CASE_FIXTURE(onebot_fixture, "pieces that were sent are not sent again when the answer is "
                                  "tried again") {
  options.section.reply_chars_max = 20;
  dial(peer);
  auto outcome = deliver("First sentence here. Second sentence now. Third.");
  echo(peer, 0);
  echo(peer, 1, {{"status", "failed"}, {"retcode", 120}});
  CHECK(*outcome == "upstream_rejected");
  outcome = deliver("First sentence here. Second sentence now. Third.");
  CHECK(peer.frame(2)["params"]["message"][0]["data"]["text"] == "Second sentence now.");
  hang_up(peer); // the second one's outcome stays open; the third was not written
  CHECK(*outcome == "upstream_unavailable");
  peer_socket again;
  dial(again);
  outcome = deliver("First sentence here. Second sentence now. Third.");
  REQUIRE(again.script->frames.size() == 1);
  CHECK(again.frame(0)["params"]["message"][0]["data"]["text"] == "Third.");
  echo(again, 0);
  CHECK(*outcome == "deadline_exceeded");
}

TEST_CASE_FIXTURE(onebot_fixture, "after two pieces without an echo the rest is not sent") {
  options.section.reply_chars_max = 20;
  dial(peer);
  auto outcome = deliver("First sentence here. Second sentence now. Third one comes. Fourth.");
  advance(30s);
  advance(30s);
  CHECK(*outcome == "deadline_exceeded");
  CHECK(peer.script->frames.size() == 2);
}

TEST_CASE_FIXTURE(onebot_fixture, "a new connection of the same bot replaces the old one") {
  dial(peer);
  peer_socket again;
  CHECK(dial(again));
  REQUIRE(peer.script->closes.size() == 1);
  deliver("hello");
  CHECK(peer.script->frames.empty());
  CHECK(again.script->frames.size() == 1);
  hang_up(peer); // the old one's end changes nothing
  CHECK(outbox->changes == changes{"qq+"});
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "split sockets: events come on one, actions go out on the other") {
  peer_socket api;
  dial(peer, handshake("Event"));
  CHECK(outbox->changes.empty());
  dial(api, handshake("API"));
  CHECK(outbox->changes == changes{"qq+"});
  CHECK(peer.script->closes.empty());
  receive(peer, event("#hi"));
  CHECK(region->posts.size() == 1);
  auto outcome = deliver("hello");
  CHECK(peer.script->frames.empty());
  echo(api, 0);
  CHECK(*outcome == "sent 9");
  hang_up(api);
  CHECK(outbox->changes == changes{"qq+", "qq-"});
  receive(peer, event("#hi", 2));
  CHECK(region->posts.size() == 2);
}

TEST_CASE_FIXTURE(onebot_fixture, "a connection whose heartbeat stops is closed as half open") {
  dial(peer);
  receive(peer, {{"post_type", "meta_event"},
                 {"meta_event_type", "heartbeat"},
                 {"interval", 5'000},
                 {"status", {{"online", true}}}});
  for (int i = 0; i < 10; ++i) {
    advance(5s);
    receive(peer,
            {{"post_type", "meta_event"}, {"meta_event_type", "heartbeat"}, {"interval", 5'000}});
  }
  CHECK(peer.script->closes.empty());
  for (int i = 0; i < 4; ++i)
    advance(5s);
  CHECK(peer.script->closes.size() == 1);
  CHECK(options.counts->half_open == 1);
  CHECK(outbox->changes == changes{"qq+", "qq-"});
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "a quiet connection without heartbeats is asked for a sign of life") {
  dial(peer);
  for (int i = 0; i < 13; ++i)
    advance(5s);
  REQUIRE(peer.script->frames.size() == 1);
  CHECK(peer.frame(0)["action"] == "get_status");
  echo(peer, 0);
  for (int i = 0; i < 13; ++i)
    advance(5s);
  CHECK(peer.script->frames.size() == 2);
  CHECK(peer.script->closes.empty());
  for (int i = 0; i < 7; ++i)
    advance(5s);
  CHECK(peer.script->closes.size() == 1);
}

TEST_CASE_FIXTURE(onebot_fixture, "while QQ itself is offline answers wait in the outbox") {
  dial(peer);
  json beat{{"post_type", "meta_event"},
            {"meta_event_type", "heartbeat"},
            {"interval", 5'000},
            {"status", {{"online", false}}}};
  receive(peer, beat);
  CHECK(outbox->changes == changes{"qq+", "qq-"});
  beat["status"]["online"] = true;
  receive(peer, beat);
  CHECK(outbox->changes == changes{"qq+", "qq-", "qq+"});
}

TEST_CASE_FIXTURE(onebot_fixture, "a quoted message is fetched, and done without when it is not to "
                                  "be had") {
  dial(peer);
  receive(peer, event("[CQ:reply,id=41]#true?", 1));
  CHECK(region->posts.empty());
  CHECK(peer.frame(0)["action"] == "get_msg");
  CHECK(peer.frame(0)["params"]["message_id"] == 41);
  echo(peer, 0,
       {{"status", "ok"},
        {"retcode", 0},
        {"data", {{"message", "the sky is green"}, {"sender", {{"nickname", "bob"}}}}}});
  REQUIRE(region->posts.size() == 1);
  CHECK(region->posts[0].parts(0).text().text() == "> bob: the sky is green\n\ntrue?");
  receive(peer, event("[CQ:reply,id=42]#true?", 2));
  advance(2s);
  REQUIRE(region->posts.size() == 2);
  CHECK(region->posts[1].parts(0).text().text() == "true?");
}

TEST_CASE_FIXTURE(onebot_fixture, "a command is answered by the bot itself") {
  dial(peer);
  receive(peer, event("[CQ:at,qq=10001] /help"));
  CHECK(region->posts.empty());
  auto said = peer.frame(0)["params"]["message"].back()["data"]["text"].get<std::string>();
  CHECK(said == " " + channels::help_text());
}

TEST_CASE_FIXTURE(onebot_fixture, "two members of a group do not see each other's conversation") {
  dial(peer);
  receive(peer, event("#hi", 1, 777));
  receive(peer, event("#hi", 2, 778));
  receive(peer, event("#hi", 3, 777, 556));
  receive(peer, event("hi", 4, 777, 0));
  std::set<std::string> conversations;
  for (const auto& post : region->posts)
    conversations.insert(post.conversation_id());
  CHECK(conversations.size() == 4);
}

TEST_CASE_FIXTURE(onebot_fixture,
                  "a frame of a connection it does not know closes that connection") {
  start();
  peer.id = "stale";
  peer.handle = test::spawn_socket(*system, peer.script);
  v1::SocketFrame frame;
  frame.set_socket_id("stale");
  caf::send_as(peer.handle, actor, SocketFrame{frame});
  run();
  CHECK(peer.script->closes.size() == 1);
  receive(peer, std::string{"{}"}); // without a sender: nothing to close
  CHECK(all_probes.of_type("onebot").failed == 0);
}
