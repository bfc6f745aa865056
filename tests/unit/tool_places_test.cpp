// Who gets the next piece of work.
#include "cluster/tools/tool_places.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <set>

using namespace troupe;

namespace {

constexpr std::int64_t second = 1'000'000;

struct book {
  explicit book(bool serves = true) {
    limits.local = {2, 1'000};
    limits.serve_bytes_max = 5'000;
    limits.remote_requests_max = 3;
    places = std::make_unique<tool_places>(
        "a", serves, limits, [this](const std::string& name) { return linked.contains(name); });
    show({{"b", "tools"}, {"c", "tools"}, {"d", "session"}});
  }

  void show(const std::vector<std::pair<std::string, std::string>>& nodes,
            v1::NodeState state = v1::NODE_STATE_UP) {
    v1::ClusterView view;
    view.add_nodes()->set_name("a");
    view.mutable_nodes(0)->set_state(v1::NODE_STATE_UP);
    view.mutable_nodes(0)->add_roles("tools");
    for (const auto& [name, role] : nodes) {
      auto& node = *view.add_nodes();
      node.set_name(name);
      node.set_state(state);
      node.add_roles(role);
    }
    places->view(view);
  }
  std::string choose(const std::vector<std::string>& tried = {}) {
    return places->choose(tried, now);
  }
  void begin(const std::string& node, std::int64_t bytes) { places->begin("t", node, bytes); }
  void done(const std::string& node, std::int64_t bytes, std::int64_t told = 0) {
    v1::ToolLoad load;
    load.set_requests(told > 0 ? 1 : 0);
    load.set_bytes(told);
    places->done("t", node, bytes, load, now);
  }
  /// Until this node has no room of its own.
  void fill() { begin("", 100'000); }

  tool_place_limits limits;
  std::set<std::string> linked{"b", "c", "d"};
  std::int64_t now = second;
  std::unique_ptr<tool_places> places;
};

} // namespace

TEST_CASE("work stays here until there is too much of it, by requests or by bytes") {
  book x;
  CHECK(x.choose().empty());
  x.begin("", 10);
  CHECK(x.choose().empty());
  x.begin("", 10);
  CHECK(!x.choose().empty());
  x.done("", 10);
  CHECK(x.choose().empty());
  x.begin("", 1'000);
  x.done("", 10);
  CHECK(!x.choose().empty());
}

TEST_CASE("what is too much here goes to who has the least in hand, by what it was sent and said") {
  book x;
  x.fill();
  CHECK(x.choose() == "b");
  x.begin("b", 500);
  CHECK(x.choose() == "c");
  x.begin("c", 700);
  CHECK(x.choose() == "b");
  x.begin("b", 10);
  x.done("b", 10, 2'500); // of which 500 are this node's
  CHECK(x.choose() == "c");
  CHECK(x.places->status(x.now).nodes[0].of_others.bytes == 2'000);
  x.now += second; // what it said is old
  CHECK(x.choose() == "b");
}

TEST_CASE("of nodes with the same in hand each gets some") {
  book x;
  x.fill();
  auto first = x.choose();
  auto second_one = x.choose();
  CHECK(first != second_one);
  CHECK(x.choose() == first);
}

TEST_CASE("work stays here when the others have as much") {
  book x;
  x.begin("", 1'000);
  x.begin("b", 1'000);
  x.begin("c", 2'000);
  CHECK(x.choose().empty());
  x.begin("", 1);
  CHECK(x.choose() == "b");
}

TEST_CASE("only nodes that are up, linked and have the role are asked, each for so much") {
  book x;
  x.fill();
  x.linked.erase("b");
  CHECK(x.choose() == "c");
  for (int i = 0; i < 3; ++i)
    x.begin("c", 1);
  CHECK(x.choose().empty());
  x.linked.insert("b");
  CHECK(x.choose() == "b");
  x.show({{"b", "tools"}}, v1::NODE_STATE_LEAVING);
  CHECK(x.choose().empty());
  x.show({{"b", "session"}});
  CHECK(x.choose().empty());
  x.show({{"b", "tools"}});
  CHECK(x.choose() == "b");
}

TEST_CASE("states and roles of a newer version are nobody to ask, and disturb nothing") {
  book x;
  x.fill();
  x.show({{"b", "tools"}, {"c", "tools"}}, static_cast<v1::NodeState>(77));
  CHECK(x.choose().empty());
  x.show({{"b", "archivist"}, {"c", "tools"}});
  CHECK(x.choose() == "c");
}

TEST_CASE("a node that failed rests for a while, and who was tried is not asked again") {
  book x;
  x.fill();
  x.begin("b", 1);
  x.places->failed("t", "b", 1, x.now);
  CHECK(x.choose() == "c");
  CHECK(x.choose({"c"}).empty());
  CHECK(x.places->status(x.now).nodes[0].rests);
  x.now += second;
  CHECK(x.choose({"c"}) == "b");
  CHECK(x.places->status(x.now).tools.at("t").nodes.at("b").failed_over == 1);
}

TEST_CASE("a node without the role asks others first, and does it itself when there is none") {
  book x{false};
  CHECK(x.choose() == "b");
  x.linked.clear();
  CHECK(x.choose().empty());
}

TEST_CASE("others' work is taken up to a bound, and counts as this node's load") {
  book x;
  CHECK(x.places->serve("t", 50'000)); // alone, whatever its size
  CHECK(!x.places->serve("t", 1));
  CHECK(!x.choose().empty());
  CHECK(x.places->load().bytes() == 50'000);
  x.places->served(50'000);
  CHECK(x.places->load().requests() == 0);
  CHECK(x.places->serve("t", 4'000));
  CHECK(x.places->serve("t", 1'000));
  CHECK(!x.places->serve("t", 1));
  CHECK(x.places->status(x.now).tools.at("t").refused == 2);
}

TEST_CASE("what a node says of itself is not believed beyond reason") {
  book x;
  x.fill();
  v1::ToolLoad load;
  load.set_bytes(-5'000);
  load.set_requests(-1);
  x.begin("b", 10);
  x.places->done("t", "b", 10, load, x.now);
  CHECK(x.places->status(x.now).nodes[0].of_others.bytes == 0);
}

TEST_CASE("a node that went is forgotten once nothing of this one is there any more") {
  book x;
  x.begin("b", 10);
  x.show({{"c", "tools"}});
  x.done("b", 10);
  x.show({{"c", "tools"}});
  auto known = x.places->status(x.now);
  REQUIRE(known.nodes.size() == 1);
  CHECK(known.nodes[0].name == "c");
  CHECK(known.tools.at("t").nodes.at("b").in_flight == 0);
}
