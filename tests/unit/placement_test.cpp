// Where shards belong, and the leader's next steps towards it.
#include "cluster/membership/placement.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

using namespace troupe;

namespace {

constexpr int shards = 1'024;

std::vector<placement_node> make_nodes(int count) {
  std::vector<placement_node> out;
  for (int i = 0; i < count; ++i)
    out.push_back({fmt::format("node-{}", i), i + 1, 1});
  return out;
}

std::map<std::string, int> shares(const std::vector<placement_node>& nodes) {
  std::map<std::string, int> out;
  for (int shard = 0; shard < shards; ++shard)
    ++out[place(shard, nodes)->name];
  return out;
}

v1::Node& add_node(v1::ClusterView& view, const std::string& name, v1::NodeState state,
                   std::int64_t incarnation = 1) {
  auto& node = *view.add_nodes();
  node.set_name(name);
  node.set_incarnation(incarnation);
  node.set_state(state);
  node.add_roles("session");
  node.set_capacity(1);
  return node;
}

v1::Shard& add_shard(v1::ClusterView& view, int id, const std::string& owner,
                     const std::string& target = {}, std::int64_t incarnation = 1) {
  auto& shard = *view.add_shards();
  shard.set_id(id);
  shard.set_owner(owner);
  shard.set_incarnation(incarnation);
  shard.set_epoch(id + 100);
  shard.set_target(target);
  return shard;
}

const std::string& home(int shard, const v1::ClusterView& view) {
  static std::string name;
  name = place(shard, placement_nodes(view))->name;
  return name;
}

} // namespace

TEST_CASE("a shard's place is the same on every machine") {
  auto nodes = make_nodes(4);
  std::string places;
  for (int shard = 0; shard < 24; ++shard)
    places += place(shard, nodes)->name.back();
  CHECK(places == "222132003011031011122033");
  nodes[2].capacity = 5;
  places.clear();
  for (int shard = 1'000; shard < 1'024; ++shard)
    places += place(shard, nodes)->name.back();
  CHECK(places == "312222322222020222202232");
}

TEST_CASE("the order of the nodes says nothing, and without nodes there is no place") {
  auto nodes = make_nodes(5);
  auto turned = nodes;
  std::reverse(turned.begin(), turned.end());
  for (int shard = 0; shard < shards; ++shard)
    REQUIRE(place(shard, nodes)->name == place(shard, turned)->name);
  CHECK(place(0, {}) == nullptr);
}

TEST_CASE("a node that joins takes shards for itself only, and its share of them") {
  for (int count = 1; count < 8; ++count) {
    auto before = make_nodes(count);
    auto after = make_nodes(count + 1);
    int moved = 0;
    for (int shard = 0; shard < shards; ++shard) {
      const auto& old = place(shard, before)->name;
      const auto& now = place(shard, after)->name;
      if (old != now) {
        REQUIRE(now == after.back().name);
        ++moved;
      }
    }
    CHECK(moved <= shards / (count + 1) * 13 / 10);
    CHECK(moved >= shards / (count + 1) * 7 / 10);
  }
}

TEST_CASE("one to eight nodes have about the same number of shards") {
  for (int count = 1; count <= 8; ++count)
    for (const auto& [name, share] : shares(make_nodes(count))) {
      const auto& which = name; // clang captures no binding
      CAPTURE(which);
      CHECK(share <= shards / count * 13 / 10);
      CHECK(share >= shards / count * 7 / 10);
    }
}

TEST_CASE("a node's share follows its capacity") {
  auto nodes = make_nodes(3);
  nodes[0].capacity = 2;
  auto all = shares(nodes);
  CHECK(all["node-0"] >= 2 * shards / 4 * 9 / 10);
  CHECK(all["node-0"] <= 2 * shards / 4 * 11 / 10);
  // It took them from others only.
  auto equal = make_nodes(3);
  for (int shard = 0; shard < shards; ++shard)
    if (place(shard, equal)->name != place(shard, nodes)->name)
      REQUIRE(place(shard, nodes)->name == "node-0");
}

TEST_CASE("a shard that belongs to two nodes equally is the first's by name, in any order") {
  std::vector<placement_node> nodes{{"n2153", 1, 1}, {"n8539", 1, 1}}; // found by trying
  CHECK(place(0, nodes)->name == "n2153");
  std::swap(nodes[0], nodes[1]);
  CHECK(place(0, nodes)->name == "n2153");
}

TEST_CASE("absurd capacities are taken as the nearest that make sense") {
  auto nodes = make_nodes(2);
  nodes[0].capacity = -7;
  nodes[1].capacity = 0;
  auto all = shares(nodes);
  CHECK(all["node-0"] > shards / 3);
  CHECK(all["node-1"] > shards / 3);
  nodes[0].capacity = std::int64_t{1} << 62;
  CHECK(shares(nodes)["node-0"] == shards);
}

TEST_CASE("only nodes that are up and run sessions get shards") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_UP);
  add_node(view, "b", v1::NODE_STATE_LEAVING);
  add_node(view, "c", v1::NODE_STATE_LEFT);
  add_node(view, "d", v1::NODE_STATE_DEAD);
  auto& gateway = add_node(view, "e", v1::NODE_STATE_UP);
  gateway.set_roles(0, "gateway");
  add_node(view, "f", v1::NODE_STATE_UP, 7).set_capacity(3);
  auto nodes = placement_nodes(view);
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].name == "a");
  CHECK(nodes[1].name == "f");
  CHECK(nodes[1].incarnation == 7);
  CHECK(nodes[1].capacity == 3);
}

TEST_CASE("shards whose owner is gone are given to the node they belong to") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_UP, 3);
  add_node(view, "b", v1::NODE_STATE_DEAD);
  add_node(view, "c", v1::NODE_STATE_LEFT);
  add_node(view, "d", v1::NODE_STATE_UP, 4);
  add_shard(view, 0, "");
  add_shard(view, 1, "b");
  add_shard(view, 2, "c");
  add_shard(view, 3, "nobody", "a");
  add_shard(view, 4, "a", {}, 2); // an incarnation before
  auto plan = plan_placement(view, {});
  CHECK(plan.moves.empty());
  REQUIRE(plan.assign.size() == 5);
  for (const auto& x : plan.assign) {
    CHECK(x.owner() == home(x.shard(), view));
    CHECK(x.incarnation() == (x.owner() == "a" ? 3 : 4));
    CHECK(x.epoch() == x.shard() + 100);
  }
}

TEST_CASE("without a node that may have them shards stay as they are") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_LEAVING);
  add_shard(view, 0, "a");
  add_shard(view, 1, "b");
  auto plan = plan_placement(view, {});
  CHECK(plan.moves.empty());
  CHECK(plan.assign.empty());
}

TEST_CASE("only shards at another node than theirs move, and at most so many at a time") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_UP);
  add_node(view, "b", v1::NODE_STATE_UP);
  for (int i = 0; i < shards; ++i)
    add_shard(view, i, "a");
  auto plan = plan_placement(view, {32});
  CHECK(plan.assign.empty());
  CHECK(plan.moves.size() == 32);
  std::set<int> moved;
  for (const auto& x : plan.moves) {
    CHECK(x.owner() == "b");
    CHECK(home(x.shard(), view) == "b");
    CHECK(x.incarnation() == 1);
    moved.insert(x.shard());
  }
  CHECK(moved.size() == 32);
  // Those on their way count.
  int under_way = 0;
  for (auto& shard : *view.mutable_shards())
    if (moved.contains(shard.id()) && under_way < 30) {
      shard.set_target("b");
      ++under_way;
    }
  CHECK(plan_placement(view, {32}).moves.size() == 2);
  CHECK(plan_placement(view, {30}).moves.empty());
  CHECK(plan_placement(view, {10}).moves.empty());
}

TEST_CASE("shards of a node that is leaving move first") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_UP);
  add_node(view, "b", v1::NODE_STATE_UP);
  add_node(view, "z", v1::NODE_STATE_LEAVING);
  for (int i = 0; i < 100; ++i)
    add_shard(view, i, i < 90 ? "a" : "z");
  auto plan = plan_placement(view, {8});
  REQUIRE(plan.moves.size() == 8);
  for (const auto& x : plan.moves)
    CHECK(x.shard() >= 90);
  plan = plan_placement(view, {20});
  REQUIRE(plan.moves.size() == 20);
  CHECK(std::count_if(plan.moves.begin(), plan.moves.end(),
                      [](const auto& x) { return x.shard() >= 90; })
        == 10);
}

TEST_CASE("targets that are not up any more are taken back, whatever is on its way") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_UP);
  add_node(view, "b", v1::NODE_STATE_LEAVING);
  add_node(view, "c", v1::NODE_STATE_DEAD);
  add_shard(view, 0, "a", "b");
  add_shard(view, 1, "a", "c");
  add_shard(view, 2, "a", "nobody");
  add_shard(view, 3, "a", "a");
  add_shard(view, 4, "b", "a");
  add_shard(view, 5, "b");
  auto plan = plan_placement(view, {1});
  REQUIRE(plan.moves.size() == 4);
  for (int i = 0; i < 4; ++i) {
    CHECK(plan.moves[static_cast<std::size_t>(i)].shard() == i);
    CHECK(plan.moves[static_cast<std::size_t>(i)].owner().empty());
    CHECK(plan.moves[static_cast<std::size_t>(i)].epoch() == i + 100);
  }
}

TEST_CASE("a cluster at rest wants nothing") {
  v1::ClusterView view;
  for (const auto* name : {"a", "b", "c"})
    add_node(view, name, v1::NODE_STATE_UP);
  for (int i = 0; i < shards; ++i)
    add_shard(view, i, home(i, view));
  auto plan = plan_placement(view, {});
  CHECK(plan.assign.empty());
  CHECK(plan.moves.empty());
}

TEST_CASE("roles and states of a newer version get no shard and disturb no other") {
  v1::ClusterView view;
  add_node(view, "a", v1::NODE_STATE_UP).add_roles("archivist");
  add_node(view, "b", v1::NODE_STATE_UP).set_roles(0, "archivist");
  add_node(view, "c", static_cast<v1::NodeState>(77));
  auto nodes = placement_nodes(view);
  REQUIRE(nodes.size() == 1);
  CHECK(nodes[0].name == "a");
  add_shard(view, 0, "");
  add_shard(view, 1, "a");
  auto plan = plan_placement(view, {});
  REQUIRE(plan.assign.size() == 1);
  CHECK(plan.assign[0].owner() == "a");
  CHECK(plan.moves.empty());
}
