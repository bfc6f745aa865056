// What this node does for another one that asks over a link.
#include "cluster/peer_service.hpp"

#include "messages/id.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct stand_in {
  static inline const char* name = "stand_in";
};

/// What the node's parts were told.
struct told {
  std::vector<std::string> keys;
  std::vector<v1::OutboxChanged> rows;
  std::vector<v1::CountTokens> counts;
  std::vector<caf::typed_response_promise<TokensCounted>> held;
  bool silent = false;
};
using told_ptr = std::shared_ptr<told>;

// Of many messages each is sent only these: an actor of just these does.
using keyring_news = caf::typed_actor<caf::reacts_to<KeyRevoked>>;
using outbox_news = caf::typed_actor<caf::reacts_to<OutboxChanged>>;

keyring_news::behavior_type keyring_part(self_pointer<keyring_news, stand_in>, told_ptr to) {
  return {[to](const KeyRevoked& x) { to->keys.push_back(x->id()); }};
}

outbox_news::behavior_type outbox_part(self_pointer<outbox_news, stand_in>, told_ptr to) {
  return {[to](const OutboxChanged& x) { to->rows.push_back(*x); }};
}

tokenizer_actor::behavior_type tokenizer_part(self_pointer<tokenizer_actor, stand_in> self,
                                              told_ptr to) {
  return {[self, to](const CountTokens& x) -> caf::result<TokensCounted> {
    to->counts.push_back(*x);
    if (to->silent) {
      to->held.push_back(self->make_response_promise<TokensCounted>());
      return to->held.back();
    }
    v1::TokensCounted out;
    out.add_counts(5);
    return TokensCounted{std::move(out)};
  }};
}

struct service_fixture : test::actor_fixture {
  service_fixture() { start(true); }
  ~service_fixture() {
    parts->held.clear();
    caf::anon_send_exit(service, caf::exit_reason::user_shutdown);
    run();
  }

  void start(bool tools) {
    peer_service_options options;
    options.host = host;
    options.keyring = caf::actor_cast<keyring_actor>(troupe::spawn(host, keyring_part, parts));
    options.outbox = caf::actor_cast<outbox_actor>(troupe::spawn(host, outbox_part, parts));
    if (tools)
      options.tokenizer = troupe::spawn(host, tokenizer_part, parts);
    options.places = places;
    options.clock = clock;
    service = troupe::spawn(host, peer_service, std::move(options));
    run();
  }

  auto serve(v1::RemoteRequest request) {
    return ask<RemoteAnswer>(service, RemoteRequest{std::move(request)});
  }
  static v1::RemoteRequest count(std::size_t bytes) {
    v1::RemoteRequest out;
    out.set_limit_ms(2'000);
    out.mutable_count_tokens()->add_texts(std::string(bytes, 'x'));
    return out;
  }

  static tool_place_limits small() {
    tool_place_limits out;
    out.serve_bytes_max = 1'000;
    return out;
  }
  told_ptr parts = std::make_shared<told>();
  std::shared_ptr<tool_places> places =
      std::make_shared<tool_places>("a", true, small(), [](const std::string&) { return false; });
  peer_actor service;
};

} // namespace

TEST_CASE_FIXTURE(service_fixture, "a key that another node revoked is forgotten; nonsense is not "
                                   "passed on") {
  v1::RemoteRequest news;
  auto id = new_id(clock->now_us());
  news.mutable_key_revoked()->set_id(id);
  CHECK(serve(news));
  news.mutable_key_revoked()->set_id("");
  CHECK(serve(news));
  news.mutable_key_revoked()->set_id(std::string(100'000, 'x'));
  CHECK(serve(news));
  CHECK(parts->keys == std::vector<std::string>{id});
}

TEST_CASE_FIXTURE(service_fixture,
                  "rows that another node wrote are looked for, and told to nobody "
                  "else") {
  v1::RemoteRequest news;
  news.mutable_outbox_changed()->set_channel("onebot");
  news.mutable_outbox_changed()->set_account("qq");
  CHECK(serve(news));
  news.mutable_outbox_changed()->clear_channel();
  CHECK(serve(news));
  REQUIRE(parts->rows.size() == 1);
  CHECK(parts->rows[0].account() == "qq");
  CHECK(parts->rows[0].told());
}

TEST_CASE_FIXTURE(service_fixture, "tokens are counted by this node's clock, and the answer says "
                                   "what else is in hand") {
  parts->silent = true;
  caf::scoped_actor self{*system};
  auto waiting = self->request(service, caf::infinite, RemoteRequest{count(600)});
  run();
  parts->silent = false;
  auto answer = serve(count(100));
  REQUIRE(answer);
  CHECK((*answer)->tokens().counts(0) == 5);
  CHECK((*answer)->load().requests() == 1);
  CHECK((*answer)->load().bytes() == 600);
  CHECK(parts->counts.back().context().deadline_us() == clock->now_us() + 2'000'000);
  auto refused = serve(count(500));
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::overloaded);
  advance(3s); // the first one's caller is gone
  waiting.receive([](const RemoteAnswer&) {}, [](const caf::error&) {});
  CHECK(places->load().requests() == 0);
  CHECK(serve(count(500)));
}

TEST_CASE_FIXTURE(service_fixture, "a node without the role counts for nobody") {
  caf::anon_send_exit(service, caf::exit_reason::user_shutdown);
  start(false);
  auto refused = serve(count(10));
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::unsupported);
}
