// The first node of a cluster, on a real database.
#include "messages/shard.hpp"
#include "persistence/cluster_commands.hpp"
#include "tests/support/backends.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::persistence;
using test::on_each_backend;
using test::test_database;

namespace {

v1::JoinCluster join(const std::string& name) {
  v1::JoinCluster out;
  out.mutable_node()->set_name(name);
  out.mutable_node()->set_address("10.0.0.1:7400");
  out.mutable_node()->add_roles("session");
  out.set_lease_ms(60'000);
  out.set_leader_lease_ms(60'000);
  return out;
}

} // namespace

TEST_CASE("the first node of a cluster makes its shards, and has them all") {
  on_each_backend([](test_database& t) {
    auto& tables = t.db().cluster();
    unit_of_work unit{t.db(), access::write};
    auto first = join_cluster(tables, join("a"));
    unit.commit();
    CHECK(first.node().address() == "10.0.0.1:7400");
    REQUIRE(first.view().shards_size() == shard_count);
    for (int i = 0; i < shard_count; ++i) {
      const auto& shard = first.view().shards(i);
      CHECK(shard.id() == i);
      CHECK(shard.owner() == "a");
      CHECK(shard.epoch() == 1);
      CHECK(shard.target().empty());
    }
    unit_of_work second{t.db(), access::write};
    CHECK(join_cluster(tables, join("b")).view().nodes_size() == 2);
    second.commit();
    CHECK(tables.shards().size() == static_cast<std::size_t>(shard_count));
    CHECK(tables.state(false).version == 2);
  });
}
