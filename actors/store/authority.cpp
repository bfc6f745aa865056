#include "actors/store/authority.hpp"

#include "persistence/cluster_commands.hpp"

namespace troupe {

template <class Command, class Answer>
caf::result<payload<Answer>> authority_state::run(const payload<Command>& command,
                                                  Answer (*work)(persistence::cluster_repository&,
                                                                 const Command&),
                                                  persistence::access mode) {
  try {
    return connection.use(self->clock(), [&](persistence::database& db) {
      persistence::unit_of_work unit{db, mode};
      auto answer = work(db.cluster(), *command);
      unit.commit();
      return payload<Answer>{std::move(answer)};
    });
  } catch (const persistence::failure& error) {
    return make_error(error.code, error.what());
  }
}

// clang-format off
authority_actor::behavior_type authority(self_pointer<authority_actor, authority_state> self,
                                         authority_options options) {
  auto* st = &self->state;
  st->connection = {std::move(options.factory), persistence::access::write};
  namespace p = persistence;
  return {
      [st](const JoinCluster& x) { return st->run(x, p::join_cluster); },
      [st](const RenewLease& x) { return st->run(x, p::renew_lease); },
      [st](const ChangeNodeState& x) { return st->run(x, p::change_node_state); },
      [st](const ReportSuspicions& x) { return st->run(x, p::report_suspicions); },
      [st](const DeclareDead& x) { return st->run(x, p::declare_dead); },
      [st](const AssignShards& x) { return st->run(x, p::assign_shards); },
      [st](const MoveShards& x) { return st->run(x, p::move_shards); },
      [st](const HandOverShards& x) { return st->run(x, p::hand_over_shards); },
      [st](const GetCluster& x) { return st->run(x, p::get_cluster, p::access::read); },
  };
}
// clang-format on

} // namespace troupe
