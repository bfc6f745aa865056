// Where shards belong: weighted rendezvous hashing, and the leader's next steps towards it. Pure.
#pragma once

#include "troupe/v1/cluster.pb.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// A node that may own shards.
struct placement_node {
  std::string name;
  std::int64_t incarnation = 0;
  std::int64_t capacity = 1; // its weight, at least 1
};

/// The nodes of a view that may get shards: up, with the role `session`.
std::vector<placement_node> placement_nodes(const v1::ClusterView& view);

/// Who should own the shard: for each node alone the same whatever other nodes there are, so that a
/// node that joins or leaves moves only its own share. Null: there is no node.
const placement_node* place(int shard, const std::vector<placement_node>& nodes);

struct placement_limits {
  int moves_max = 32; // shards on their way from one node to another at any time
};

/// What the leader asks of the authority next; both may be empty.
struct placement_plan {
  std::vector<v1::ShardAssignment> assign; // shards whose owner is gone
  std::vector<v1::ShardAssignment> moves;  // shards at another node than they should be; an empty
                                           // owner takes a move back
};

/// Shards of nodes that are leaving move first. A target that is not up any more is taken back.
placement_plan plan_placement(const v1::ClusterView& view, const placement_limits& limits);

} // namespace troupe
