// The authority: the cluster's tables as an actor, with a thread and a connection of its own, so
// that leases are renewed however long the store's queue is.
#pragma once

#include "actors/store/connection.hpp"
#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

namespace troupe {

struct authority_options {
  persistence::database_factory_ptr factory; // its schema must be there: see `persistence::migrate`
};

struct authority_state {
  static inline const char* name = "authority";

  explicit authority_state(authority_actor::pointer self) : self(self) {}

  /// Runs one command in a transaction of its own.
  template <class Command, class Answer>
  caf::result<payload<Answer>> run(const payload<Command>& command,
                                   Answer (*work)(persistence::cluster_repository&, const Command&),
                                   persistence::access mode = persistence::access::write);

  authority_actor::pointer self;
  store_connection connection;
};

/// Spawn it with `caf::detached`, but in tests whose messages run one after the other.
authority_actor::behavior_type authority(self_pointer<authority_actor, authority_state> self,
                                         authority_options options);

} // namespace troupe
