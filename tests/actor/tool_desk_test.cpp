// The desk: a tool as those who need one see it, before nodes that do as they are told.
#include "cluster/tools/tool_desk.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <set>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// What one node was asked, and what it says.
struct node_script {
  std::vector<v1::CountTokens> asked;
  std::vector<std::int64_t> limits_ms;
  bool silent = false;
  std::deque<caf::error> failures;
  bool wrong_answer = false;
  std::int64_t load_bytes = 0;
  std::vector<caf::typed_response_promise<TokensCounted>> held; // of the local tool
  std::vector<caf::typed_response_promise<RemoteAnswer>> held_there;
};
using script_ptr = std::shared_ptr<node_script>;

struct named {
  static inline const char* name = "counter";
};

v1::TokensCounted counted(const v1::CountTokens& query, std::int64_t each) {
  v1::TokensCounted out;
  for (int i = 0; i < query.texts_size(); ++i)
    out.add_counts(each);
  out.set_total(each * query.texts_size());
  return out;
}

/// Counts 1 a text.
tokenizer_actor::behavior_type local_tool(self_pointer<tokenizer_actor, named> self,
                                          script_ptr to) {
  return {[self, to](const CountTokens& query) -> caf::result<TokensCounted> {
    if (query->texts_size() == 0) { // the test says: now
      for (auto& promise : std::exchange(to->held, {}))
        promise.deliver(TokensCounted{counted(to->asked.back(), 1)});
      return TokensCounted{};
    }
    to->asked.push_back(*query);
    if (to->silent) {
      to->held.push_back(self->make_response_promise<TokensCounted>());
      return to->held.back();
    }
    return TokensCounted{counted(*query, 1)};
  }};
}

/// Counts 2 a text.
peer_actor::behavior_type other_node(self_pointer<peer_actor, named> self, script_ptr to) {
  auto serve = [self, to](const RemoteRequest& request) -> caf::result<RemoteAnswer> {
    to->asked.push_back(request->count_tokens());
    to->limits_ms.push_back(request->limit_ms());
    if (to->silent) {
      to->held_there.push_back(self->make_response_promise<RemoteAnswer>());
      return to->held_there.back();
    }
    if (!to->failures.empty()) {
      auto err = to->failures.front();
      to->failures.pop_front();
      return err;
    }
    v1::RemoteAnswer out;
    *out.mutable_tokens() = counted(request->count_tokens(), 2);
    if (to->wrong_answer)
      out.mutable_tokens()->add_counts(1);
    out.mutable_load()->set_bytes(to->load_bytes);
    return RemoteAnswer{std::move(out)};
  };
  return {serve, [serve](const RemoteRequest& x, const turn_sink_actor&) { return serve(x); }};
}

struct desk_fixture : test::actor_fixture {
  desk_fixture() { local->silent = false; }
  ~desk_fixture() {
    local->held.clear();
    for (auto& [name, node] : nodes)
      node->held_there.clear();
    caf::anon_send_exit(desk, caf::exit_reason::user_shutdown);
    run();
  }

  void start(bool serves, std::vector<std::string> others) {
    tool_place_limits weighed;
    weighed.local = {1, 1'000'000};
    places = std::make_shared<tool_places>(
        "a", serves, weighed, [this](const std::string& name) { return peers.contains(name); });
    for (const auto& name : others) {
      nodes[name] = std::make_shared<node_script>();
      peers[name] = troupe::spawn(host, other_node, nodes[name]);
    }
    show(others);
    tool_desk_options<token_counting> options;
    options.host = host;
    tool = troupe::spawn(host, local_tool, local);
    options.local = tool;
    options.places = places;
    options.find_peer = [this](const std::string& name) {
      auto found = peers.find(name);
      return found == peers.end() || broken.contains(name) ? peer_actor{} : found->second;
    };
    options.clock = clock;
    options.limits = limits;
    desk = troupe::spawn(host, tool_desk<token_counting>, std::move(options));
    run();
  }

  void show(const std::vector<std::string>& others) {
    v1::ClusterView view;
    for (const auto& name : others) {
      auto& node = *view.add_nodes();
      node.set_name(name);
      node.set_state(v1::NODE_STATE_UP);
      node.add_roles("tools");
    }
    places->view(view);
  }

  struct pending {
    caf::expected<TokensCounted> answer{make_error(ec::none)};
    bool done = false;
    std::int64_t each() const { return done && answer ? (*answer)->counts(0) : -1; }
    ec code() const { return answer ? ec::none : info(answer.error()).code; }
  };
  std::shared_ptr<pending> count(std::size_t bytes, std::int64_t deadline_us = 0) {
    v1::CountTokens query;
    query.set_model("m");
    query.mutable_context()->set_deadline_us(deadline_us);
    query.add_texts(std::string(bytes, 'x'));
    auto out = std::make_shared<pending>();
    system->spawn([this, query = CountTokens{query}, out](caf::event_based_actor* self) {
      self->request(desk, caf::infinite, query)
          .then(
              [out](const TokensCounted& x) {
                out->answer = x;
                out->done = true;
              },
              [out](const caf::error& err) {
                out->answer = err;
                out->done = true;
              });
    });
    run();
    return out;
  }
  tool_counts counts(const std::string& node) {
    return places->status(0).tools[token_counting::name].nodes[node];
  }
  /// A long text that this node works on until the end of the test.
  std::shared_ptr<pending> keep_busy() {
    local->silent = true;
    auto out = count(long_text);
    local->silent = false;
    return out;
  }

  static constexpr std::size_t long_text = 1'000;
  tool_desk_limits limits{.remote_bytes_min = 1'000, .remote_bytes_max = 100'000};
  script_ptr local = std::make_shared<node_script>();
  std::map<std::string, script_ptr> nodes;
  std::map<std::string, peer_actor> peers;
  std::set<std::string> broken;
  std::shared_ptr<tool_places> places;
  tokenizer_actor tool; // this node's own
  tokenizer_actor desk;
};

} // namespace

TEST_CASE_FIXTURE(desk_fixture, "a text is counted here first, and at another node when this one "
                                "is busy") {
  start(true, {"b"});
  CHECK(count(long_text)->each() == 1);
  auto here = keep_busy();
  CHECK(count(long_text)->each() == 2);
  CHECK(!here->done);
  CHECK(counts("a").done == 1);
  CHECK(counts("a").in_flight == 1);
  CHECK(counts("b").done == 1);
  CHECK(ask<TokensCounted>(tool, CountTokens{}));
  CHECK(here->each() == 1);
  CHECK(count(long_text)->each() == 1);
}

TEST_CASE_FIXTURE(desk_fixture, "short texts are never sent, however busy this node is") {
  start(false, {"b"});
  auto busy = keep_busy();
  CHECK(count(long_text - 1)->each() == 1);
  CHECK(nodes["b"]->asked.size() == 1);
  CHECK(places->status(0).tools[token_counting::name].brief == 1);
}

TEST_CASE_FIXTURE(desk_fixture, "texts too long for a frame between nodes are counted here") {
  start(false, {"b"});
  CHECK(count(100'001)->each() == 1);
  CHECK(nodes["b"]->asked.empty());
}

TEST_CASE_FIXTURE(desk_fixture, "the node with the least in hand is asked") {
  start(false, {"b", "c"});
  nodes["b"]->silent = true;
  auto waits = count(long_text);
  for (int i = 0; i < 3; ++i)
    CHECK(count(long_text)->each() == 2);
  CHECK(nodes["b"]->asked.size() == 1);
  CHECK(nodes["c"]->asked.size() == 3);
  nodes["c"]->load_bytes = 50'000; // it says that it has more from others
  CHECK(count(long_text)->each() == 2);
  nodes["b"]->silent = false;
  CHECK(count(long_text)->each() == 2);
  CHECK(nodes["b"]->asked.size() == 2);
}

TEST_CASE_FIXTURE(desk_fixture, "a node that fails costs nobody an answer: the next is asked, and "
                                "this one at last") {
  start(false, {"b", "c"});
  for (auto code : {ec::overloaded, ec::not_owner, ec::deadline_exceeded, ec::unsupported}) {
    nodes["b"]->failures.push_back(make_error(code));
    nodes["c"]->failures.push_back(make_error(code));
    CHECK(count(long_text)->each() == 1);
    advance(1s);
  }
  CHECK(counts("b").failed_over == 4);
  CHECK(counts("c").failed_over == 4);
  CHECK(counts("a").done == 4);
  nodes["b"]->failures.push_back(make_error(ec::overloaded));
  nodes["c"]->failures.clear();
  CHECK(count(long_text)->each() == 2);
  CHECK(count(long_text)->each() == 2); // b rests
  CHECK(nodes["b"]->asked.size() == 5);
}

TEST_CASE_FIXTURE(desk_fixture, "what is wrong with the question itself is told at once") {
  start(false, {"b"});
  nodes["b"]->failures.push_back(make_error(ec::invalid_argument));
  CHECK(count(long_text)->code() == ec::invalid_argument);
  CHECK(local->asked.empty());
  CHECK(counts("b").in_flight == 0);
}

TEST_CASE_FIXTURE(desk_fixture, "an answer that counts other texts is none") {
  start(false, {"b"});
  nodes["b"]->wrong_answer = true;
  CHECK(count(long_text)->each() == 1);
  CHECK(counts("b").failed_over == 1);
}

TEST_CASE_FIXTURE(desk_fixture, "a node that does not answer is given up in time for another one") {
  start(false, {"b", "c"});
  nodes["b"]->silent = true;
  auto waits = count(long_text);
  CHECK(!waits->done);
  CHECK(nodes["b"]->limits_ms.back() == limits.try_limit_ms);
  advance(2s + 20ms);
  CHECK(waits->each() == 2);
  CHECK(counts("b").failed_over == 1);
  CHECK(counts("c").done == 1);
}

TEST_CASE_FIXTURE(desk_fixture, "the caller's deadline holds, and leaves time for another node") {
  start(false, {"b"});
  nodes["b"]->silent = true;
  auto hurried = count(long_text, clock->now_us() + 300'000);
  CHECK(nodes["b"]->limits_ms.back() == 200);
  CHECK(nodes["b"]->asked.back().context().deadline_us() == 0); // the other's clock is another
  advance(220ms);
  CHECK(hurried->each() == 1);
  CHECK(count(long_text, clock->now_us() - 1)->code() == ec::deadline_exceeded);
  auto late = [&] {
    advance(1s);
    local->silent = true;
    auto out = count(long_text, clock->now_us() + 300'000);
    advance(220ms);
    CHECK(!out->done);
    advance(100ms);
    return out;
  }();
  CHECK(late->code() == ec::deadline_exceeded);
  CHECK(counts("a").in_flight == 0);
}

TEST_CASE_FIXTURE(desk_fixture, "a link or a role that is gone leads elsewhere at once") {
  start(false, {"b", "c"});
  broken = {"b", "c"}; // between the choice and the question
  CHECK(count(long_text)->each() == 1);
  broken.clear();
  show({"c"});
  CHECK(count(long_text)->each() == 2);
  CHECK(nodes["b"]->asked.empty());
  peers.clear();
  CHECK(count(long_text)->each() == 1);
}

TEST_CASE_FIXTURE(desk_fixture, "more calls than may be open are counted here, in order") {
  limits.calls_max = 2;
  start(false, {"b"});
  nodes["b"]->silent = true;
  auto first = count(long_text);
  auto second = count(long_text);
  CHECK(count(long_text)->each() == 1);
  CHECK(nodes["b"]->asked.size() == 2);
  advance(2s + 20ms); // both are counted here now
  CHECK(first->each() == 1);
  CHECK(second->each() == 1);
  nodes["b"]->silent = false;
  advance(1s);
  CHECK(count(long_text)->each() == 2);
}

TEST_CASE_FIXTURE(desk_fixture, "a desk that ends leaves nothing in hand") {
  start(false, {"b"});
  nodes["b"]->silent = true;
  auto waits = count(long_text);
  CHECK(counts("b").in_flight == 1);
  caf::anon_send_exit(desk, caf::exit_reason::user_shutdown);
  run();
  CHECK(waits->done);
  CHECK(counts("b").in_flight == 0);
}
