// Nodes of two versions in one cluster: what the newer one says more is survived and counted.
#include "persistence/database.hpp"
#include "persistence/soci/sqlite.hpp"
#include "tests/support/audit.hpp"
#include "tests/support/link_node.hpp"
#include "tests/support/link_stranger.hpp"
#include "tests/support/mock_process.hpp"
#include "tests/support/role_nodes.hpp"
#include "tests/support/script_server.hpp"
#include "tests/support/version_gate.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// A hello of the next version, which still speaks ours.
v1::LinkFrame next_hello(const std::string& name) {
  auto out = link_hello(name);
  out.mutable_hello()->set_protocol(2);
  out.mutable_hello()->set_version("next");
  return out;
}

template <class Message>
void add_field(Message& to) {
  to.GetReflection()->MutableUnknownFields(&to)->AddVarint(1'900, 7);
}

// The load's few conversations may all be at the node that their clients talk to. Each of these is
// talked to at both, and so through the other one once.
void talk_everywhere(role_nodes& nodes) {
  for (auto maker : {"a", "b"})
    for (int i = 0; i < 8; ++i) {
      auto made = nodes.client(maker)->post("/api/v1/conversations", nlohmann::json::object());
      auto messages = "/api/v1/conversations/" + made.body.value("id", "") + "/messages";
      for (auto other : {"a", "b"})
        CHECK(nodes.client(other)->post(messages, {{"content", "hello"}}).status == 200);
    }
}

} // namespace

TEST_CASE("a newer node that still speaks this protocol is linked, in the older one") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(next_hello("b")));
  REQUIRE(a.linked("b"));
  CHECK(a.state("b")->protocol() == 1);
  CHECK(a.state("b")->version() == "next");
}

TEST_CASE("a newer node that speaks this protocol no more is told what to upgrade") {
  link_node a{"a"};
  auto hello = next_hello("b");
  hello.mutable_hello()->set_protocol_min(2);
  link_stranger b{a.port()};
  b.send(hello);
  REQUIRE(b.read()); // its hello
  auto refused = b.read();
  REQUIRE(refused);
  CHECK(refused->refused().failure().code() == "unsupported");
  CHECK(refused->refused().failure().message().find("upgrade node a") != std::string::npos);
  CHECK(b.closed());
  CHECK(a.probe().strangers_refused == 1);
}

TEST_CASE("unknown fields of known messages reach who knows them, and are counted") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(next_hello("b")));
  REQUIRE(a.linked("b"));
  v1::LinkFrame frame;
  frame.mutable_request()->set_id(1);
  frame.mutable_request()->mutable_get()->set_conversation_id("one");
  add_field(*frame.mutable_request()->mutable_get());
  b.send(frame);
  auto answer = b.read_past_beats();
  REQUIRE(answer);
  CHECK(answer->answer().conversation().id() == "one");
  CHECK(a.probe().unknown_fields == 1);
  a.news().with([](auto& n) {
    const auto& got = n.requests.at(0)->get();
    CHECK(!got.GetReflection()->GetUnknownFields(got).empty());
  });
}

TEST_CASE("an answer of an unknown kind fails its request, and is counted") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(next_hello("b")));
  REQUIRE(a.linked("b"));
  caf::scoped_actor self{a.system()};
  auto waiting = self->request(a.handle("b"), 10s, RemoteRequest{get_request("one")});
  auto asked = b.read_past_beats();
  REQUIRE(asked);
  v1::LinkFrame answer;
  answer.mutable_answer()->set_id(asked->request().id());
  add_field(*answer.mutable_answer());
  b.send(answer);
  ec code = ec::none;
  waiting.receive([](const RemoteAnswer&) {}, [&](caf::error& e) { code = info(e).code; });
  CHECK(code == ec::unsupported);
  CHECK(a.probe().unknown_answers == 1);
  CHECK(a.state("b")->up());
}

// Real nodes, each of which takes the other for a newer one; the load is that of the tests which
// kill nodes, and so is what may not be lost.
TEST_CASE("a rolling restart to another version loses nothing, and sessions of both talk to both") {
  temp_dir dir;
  mock_process mock{dir, {"--latency-ms", "5", "--tokens", "20", "--tokens-per-s", "400"}};
  role_nodes nodes{mock.yaml() + "log: {access: false}\nsession: {queue_max: 32}\n"};
  const std::string roles = "gateway, session, tools";
  auto port = free_port();
  auto listen = "listen: \"127.0.0.1:" + std::to_string(port) + "\"";
  nodes.start("a", roles);
  nodes.start("b", roles);
  REQUIRE(nodes.settled());
  load_log log;
  node_place places[2];
  places[0].set(nodes.at("a"));
  places[1].set(nodes.at("b"));
  chat_load_options options;
  options.model = "mock";
  options.conversations = 4;
  options.completion_clients = 1;
  std::vector<std::unique_ptr<chat_load>> loads;
  std::vector<std::string> conversations;
  for (auto& place : places) {
    options.seed += 17;
    loads.push_back(std::make_unique<chat_load>(place, log, options));
    const auto& more = loads.back()->conversations();
    conversations.insert(conversations.end(), more.begin(), more.end());
  }
  // The next version of b comes: a dials it through the gate, by what it says of itself. Its own
  // port is a new one, or a would find it where it was.
  places[1].set(nodes.at("a"));
  CHECK(nodes.stop("b") == 0);
  version_gate gate{port};
  nodes.start("b", roles, {.cluster = listen + ", advertise: \"" + gate.address() + "\""});
  places[1].set(nodes.at("b"));
  REQUIRE(nodes.settled());
  CHECK(eventually([&] { return gate.frames() > 300 && gate.refused() > 10; }, 30s));
  // And of a, the last of the old version.
  places[0].set(nodes.at("b"));
  CHECK(nodes.stop("a") == 0);
  nodes.start("a", roles);
  places[0].set(nodes.at("a"));
  REQUIRE(nodes.settled());
  auto before = gate.frames();
  CHECK(eventually([&] { return gate.frames() > before + 300; }, 30s));
  for (auto& load : loads)
    load->finish();
  talk_everywhere(nodes);
  for (auto name : {"a", "b"}) {
    CHECK(nodes.metric(name, "troupe_link_unknown_total", {R"(what="field")"}) > 100);
    CHECK(nodes.metric(name, "troupe_link_unknown_total", {R"(what="request")"}) > 5);
    CHECK(nodes.metric(name, "troupe_link_unknown_total", {R"(what="frame")"}) > 5);
    CHECK(nodes.metric(name, "troupe_cluster_requests_total", {"passed_on"}) > 0);
    CHECK(nodes.metric(name, "troupe_cluster_requests_total", {"served"}) > 0);
  }
  MESSAGE(gate.frames() << " frames through the gate, " << gate.refused() << " of " << gate.asked()
                        << " unknown requests refused");
  CHECK(nodes.stop("b") == 0);
  CHECK(nodes.stop("a") == 0);
  check_messages(*persistence::make_sqlite_factory(nodes.folder() + "/troupe.db"), conversations,
                 log.messages(), true, log);
  for (const auto& lines : {log.lost(), log.doubled(), log.odd(), log.retried()}) {
    tell(lines);
    CHECK(lines.empty());
  }
  CHECK(log.messages().size() > 20);
}

TEST_CASE("roles and states of a newer version in the tables are counted, and disturb nothing") {
  role_nodes nodes{"log: {access: false}\nupstreams: [{name: demo, dialect: demo}]\n"};
  nodes.start("a", "gateway, session");
  CHECK(nodes.metric("a", "troupe_cluster_unknown_nodes") == 0);
  auto db = persistence::open_sqlite(nodes.folder() + "/troupe.db", persistence::access::write);
  auto write = [&](const std::string& name, v1::NodeState state, const std::string& role) {
    persistence::unit_of_work unit{*db, persistence::access::write};
    v1::Node node;
    node.set_name(name);
    node.set_incarnation(1);
    node.set_state(state);
    node.add_roles(role);
    db->cluster().put_node(node);
    auto now = db->cluster().state(true);
    ++now.version;
    db->cluster().put_state(now);
    unit.commit();
  };
  write("b", static_cast<v1::NodeState>(77), "session");
  write("c", v1::NODE_STATE_LEFT, "archivist");
  CHECK(eventually([&] { return nodes.metric("a", "troupe_cluster_unknown_nodes") == 2; }));
  CHECK(nodes.shards_of("a") == 1'024);
  auto http = nodes.client("a");
  auto id = http->post("/api/v1/conversations", nlohmann::json::object()).body.value("id", "");
  CHECK(http->post("/api/v1/conversations/" + id + "/messages", {{"content", "hello"}}).status
        == 200);
}
