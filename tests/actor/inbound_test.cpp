// The way in: from an inbound message to a turn of the chat's conversation.
#include "actors/channels/core/command.hpp"
#include "actors/channels/core/inbound.hpp"
#include "actors/channels/core/text.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/channel_fakes.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::channels;

namespace {

struct inbound_fixture : test::actor_fixture {
  inbound_fixture() {
    options.region = test::spawn_region(*system, region);
    options.clock = clock;
    options.seed = 1;
  }

  // The clock holds on to actors whose requests have not timed out.
  ~inbound_fixture() {
    region->unanswered.clear();
    end();
  }

  void end() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run();
  }

  void start() {
    if (actor)
      end();
    actor = caf::actor_cast<inbound_actor>(troupe::spawn(host, troupe::inbound, options));
  }

  InboundMessage message(const v1::ReplyAddress& from, const std::string& text,
                         const std::string& id) {
    v1::InboundMessage m;
    *m.mutable_from() = from;
    m.mutable_from()->set_message_id(id);
    m.set_sender_name("ann");
    add_text(*m.mutable_parts(), text);
    return InboundMessage{m};
  }

  v1::InboundHandled send(const v1::ReplyAddress& from, const std::string& text,
                          const std::string& id) {
    if (!actor)
      start();
    auto answer = ask<InboundHandled>(actor, message(from, text, id));
    if (!answer)
      return {};
    return **answer;
  }

  // What comes of a message that needs time: sent by an actor of its own.
  std::shared_ptr<std::vector<std::string>> send_later(const InboundMessage& m) {
    auto said = std::make_shared<std::vector<std::string>>();
    system->spawn([=, this](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, m)
          .then([=](const InboundHandled& h) { said->push_back(h->say() + h->turn_id()); },
                [=](const caf::error& err) { said->push_back(std::string{info(err).name}); });
    });
    run();
    return said;
  }

  std::shared_ptr<test::region_script> region = std::make_shared<test::region_script>();
  inbound_options options;
  inbound_actor actor;
  v1::ReplyAddress ann = test::chat_address(true, "5", "7");
  v1::ReplyAddress bob = test::chat_address(true, "5", "8");
};

const caf::error busy = make_error(ec::overloaded, "a queue is full");

} // namespace

TEST_CASE_FIXTURE(inbound_fixture, "a message becomes a turn of its chat's own conversation") {
  options.model = "m";
  options.system_prompt = "be kind";
  auto handled = send(ann, "hi", "1");
  CHECK(handled.turn_id() == "turn1");
  CHECK(handled.say().empty());
  REQUIRE(region->posts.size() == 1);
  const auto& post = region->posts[0];
  CHECK(post.dedupe_key() == "onebot:qq:group:5:1");
  CHECK(post.author() == "ann");
  CHECK(post.reply_to().message_id() == "1");
  CHECK(post.conversation_id() == conversation_id_for("onebot:qq:group:5:member:7"));
  CHECK(post.create_if_missing().session_key() == "onebot:qq:group:5:member:7");
  CHECK(post.create_if_missing().model() == "m");
  CHECK(post.create_if_missing().system_prompt() == "be kind");
  CHECK(post.create_if_missing().owner_id() == post.context().principal_id());
  CHECK(!post.context().request_id().empty());
  CHECK(plain_text(post.parts()) == "hi");
}

TEST_CASE_FIXTURE(inbound_fixture, "members have conversations apart, or one when shared") {
  send(ann, "hi", "1");
  send(bob, "hi", "2");
  CHECK(region->posts[0].conversation_id() != region->posts[1].conversation_id());
  options.group_sessions = group_sessions::shared;
  start();
  send(ann, "hi", "3");
  send(bob, "hi", "4");
  CHECK(region->posts[2].conversation_id() == region->posts[3].conversation_id());
  CHECK(region->posts[2].conversation_id() != region->posts[0].conversation_id());
}

TEST_CASE_FIXTURE(inbound_fixture, "the same message is one turn, also for a new actor") {
  CHECK(!send(ann, "hi", "1").duplicate());
  CHECK(send(ann, "hi", "1").duplicate());
  start();
  CHECK(send(ann, "hi", "1").duplicate());
  CHECK(region->posts.size() == 1);
}

TEST_CASE_FIXTURE(inbound_fixture, "a quoted message stands before what is said of it") {
  v1::InboundMessage m = *message(ann, "is that so?", "1");
  m.set_quoted_author("bob");
  add_text(*m.mutable_quoted_parts(), "the earth\nis flat");
  m.mutable_quoted_parts()->Add()->mutable_image()->set_url("https://a/1.png");
  start();
  ask<InboundHandled>(actor, InboundMessage{m});
  REQUIRE(region->posts.size() == 1);
  const auto& parts = region->posts[0].parts();
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].text().text() == "> bob: the earth\n> is flat\n> https://a/1.png\n\nis that so?");
  CHECK(parts[1].image().url() == "https://a/1.png");

  m = *message(ann, "", "2");
  m.mutable_parts()->Add()->mutable_image()->set_url("https://a/2.png");
  add_text(*m.mutable_quoted_parts(), "like this");
  ask<InboundHandled>(actor, InboundMessage{m});
  CHECK(region->posts[1].parts(0).text().text() == "> like this");
  CHECK(region->posts[1].parts(1).has_image());
}

TEST_CASE_FIXTURE(inbound_fixture,
                  "a message the node is too busy for is tried again, then refused "
                  "politely") {
  options.retries_max = 3;
  start();
  for (int i = 0; i < 3; ++i)
    region->failures.push_back(busy);
  auto said = send_later(message(ann, "hi", "1"));
  CHECK(said->empty());
  for (int i = 0; i < 30 && said->empty(); ++i)
    advance(std::chrono::milliseconds{500});
  CHECK(*said == std::vector<std::string>{"turn1"});
  CHECK(region->requests == 4);

  for (int i = 0; i < 4; ++i)
    region->failures.push_back(make_error(ec::store_unavailable, "disk full"));
  said = send_later(message(ann, "hi", "2"));
  for (int i = 0; i < 30 && said->empty(); ++i)
    advance(std::chrono::milliseconds{500});
  CHECK(*said == std::vector<std::string>{std::string{phrase::busy}});
  CHECK(region->requests == 8);
}

TEST_CASE_FIXTURE(inbound_fixture, "a failure that will not pass is told at once") {
  region->failures.push_back(make_error(ec::forbidden, "no"));
  CHECK(send(ann, "hi", "1").say() == phrase::failed);
  region->failures.push_back(make_error(ec::too_large, "no"));
  CHECK(send(ann, "hi", "2").say() == phrase::too_long);
  CHECK(region->requests == 2);
}

TEST_CASE_FIXTURE(inbound_fixture, "a region that never answers is asked again") {
  region->silent = true;
  options.request_limit_ms = 1'000;
  start();
  auto said = send_later(message(ann, "hi", "1"));
  advance(std::chrono::milliseconds{1'001});
  region->silent = false;
  advance(std::chrono::milliseconds{501});
  CHECK(*said == std::vector<std::string>{"turn1"});
}

TEST_CASE_FIXTURE(inbound_fixture, "messages of a chat keep their order, of others do not wait") {
  start();
  region->list_failures.push_back(busy);
  auto first = send_later(message(ann, "one", "1"));
  auto second = send_later(message(ann, "two", "2"));
  auto other = send_later(message(bob, "three", "3"));
  CHECK(first->empty());
  CHECK(second->empty());
  CHECK(other->size() == 1);
  advance(std::chrono::milliseconds{501});
  CHECK(first->size() == 1);
  CHECK(second->size() == 1);
  CHECK(plain_text(region->posts[1].parts()) == "one");
  CHECK(plain_text(region->posts[2].parts()) == "two");
}

TEST_CASE_FIXTURE(inbound_fixture, "waiting messages are bounded by chat and in all, and a user is "
                                   "told once") {
  options.lane_max = 2;
  options.waiting_max = 3;
  start();
  region->silent = true;
  std::vector<std::shared_ptr<std::vector<std::string>>> said;
  for (int i = 0; i < 4; ++i)
    said.push_back(send_later(message(ann, "hi", std::to_string(i))));
  CHECK(said[1]->empty());
  CHECK(*said[2] == std::vector<std::string>{std::string{phrase::busy}});
  CHECK(*said[3] == std::vector<std::string>{"overloaded"});
  CHECK(send_later(message(bob, "hi", "5"))->empty());
  CHECK(*send_later(message(bob, "hi", "6")) == std::vector<std::string>{"overloaded"});
}

TEST_CASE_FIXTURE(inbound_fixture, "/help answers without a turn, and so does a bare mention") {
  CHECK(send(ann, "/help", "1").say() == help_text());
  CHECK(send(ann, "", "2").say() == help_text());
  CHECK(region->posts.empty());
}

TEST_CASE_FIXTURE(inbound_fixture, "/reset begins a new conversation for this chat only, once, and "
                                   "for good") {
  send(ann, "hi", "1");
  send(bob, "hi", "2");
  CHECK(send(ann, "/reset", "3").say() == phrase::reset_done);
  send(ann, "hi again", "4");
  send(bob, "hi again", "5");
  CHECK(region->posts[2].conversation_id() != region->posts[0].conversation_id());
  CHECK(!region->posts[2].has_create_if_missing());
  CHECK(region->posts[3].conversation_id() == region->posts[1].conversation_id());

  auto again = send(ann, "/reset", "3");
  CHECK(again.duplicate());
  CHECK(again.say().empty());
  send(ann, "and again", "6");
  CHECK(region->posts[4].conversation_id() == region->posts[2].conversation_id());

  start(); // as after a restart: the store knows
  send(ann, "hello", "7");
  CHECK(region->posts[5].conversation_id() == region->posts[2].conversation_id());
  CHECK(send(ann, "/reset", "8").say() == phrase::reset_done);
  send(ann, "hello", "9");
  CHECK(region->posts[6].conversation_id() != region->posts[5].conversation_id());
  std::set<std::string> keys;
  for (const auto& [id, conversation] : region->conversations)
    CHECK(keys.insert(conversation.session_key()).second);
}

TEST_CASE_FIXTURE(inbound_fixture, "a conversation that was deleted is made anew") {
  send(ann, "hi", "1");
  send(ann, "/reset", "2");
  region->conversations.clear();
  CHECK(send(ann, "hi again", "3").turn_id() == "turn2");
  CHECK(region->posts[1].conversation_id() == region->posts[0].conversation_id());
}

TEST_CASE_FIXTURE(inbound_fixture, "/stop stops the chat's turns, newest first") {
  send(ann, "one", "1");
  send(ann, "two", "2");
  send(bob, "three", "3");
  CHECK(send(ann, "/stop", "4").say() == phrase::stopped);
  REQUIRE(region->stops.size() == 2);
  CHECK(region->stops[0].turn_id() == "turn2");
  CHECK(region->stops[1].turn_id() == "turn1");
  CHECK(region->stops[0].conversation_id() == region->posts[0].conversation_id());
  region->stop_status = v1::TURN_STATUS_FINISHED;
  CHECK(send(bob, "/stop", "5").say() == phrase::nothing_runs);
}

TEST_CASE_FIXTURE(inbound_fixture, "chats that are idle are forgotten when there are too many") {
  options.chats_max = 2;
  start();
  for (int i = 0; i < 10; ++i)
    send(test::chat_address(false, std::to_string(i), std::to_string(i)), "hi", std::to_string(i));
  CHECK(region->posts.size() == 10);
  send(test::chat_address(false, "0", "0"), "hi again", "11");
  CHECK(region->posts[10].conversation_id() == region->posts[0].conversation_id());
}
