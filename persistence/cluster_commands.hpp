// What the authority can be asked, as functions: each does one command of troupe.v1 on the
// cluster's tables, inside the transaction of its caller. They know no backend and no actor, and
// take their time from the database. All throw `failure`.
#pragma once

#include "persistence/cluster_repository.hpp"

namespace troupe::persistence {

v1::ClusterJoined join_cluster(cluster_repository&, const v1::JoinCluster&);
v1::ClusterView renew_lease(cluster_repository&, const v1::RenewLease&);
v1::ClusterView change_node_state(cluster_repository&, const v1::ChangeNodeState&);
v1::Done report_suspicions(cluster_repository&, const v1::ReportSuspicions&);
v1::ClusterView declare_dead(cluster_repository&, const v1::DeclareDead&);
v1::ClusterView assign_shards(cluster_repository&, const v1::AssignShards&);
v1::ClusterView move_shards(cluster_repository&, const v1::MoveShards&);
v1::ClusterView hand_over_shards(cluster_repository&, const v1::HandOverShards&);
v1::ClusterView get_cluster(cluster_repository&, const v1::GetCluster&);

/// Throws `not_owner` unless the shard has the claim's epoch; holds that epoch until the
/// transaction ends. Epoch 0 claims nothing.
void check_claim(cluster_repository&, const v1::ShardClaim&);

} // namespace troupe::persistence
