// A worker of the store: one connection, one thread.
#pragma once

#include "actors/store/connection.hpp"
#include "actors/store/job.hpp"
#include "actors/store/record.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"

#include <memory>

namespace troupe {

struct store_worker_options {
  persistence::database_factory_ptr factory;
  persistence::access mode = persistence::access::read;
  wall_clock_ptr clock;
  std::shared_ptr<write_record> record;
};

struct store_worker_state {
  static inline const char* name = "store_worker";

  explicit store_worker_state(store_worker_actor::pointer self) : self(self) {}

  void init(store_worker_options given) {
    options = std::move(given);
    connection = {options.factory, options.mode};
  }
  Done run(const store_batch_ptr& batch);

  void write_all(store_batch& batch);
  void read_all(store_batch& batch);
  void note_written(const store_batch& batch);
  void fail_rest(store_batch& batch, const persistence::failure& error);

  store_worker_actor::pointer self;
  store_worker_options options;
  store_connection connection;
};

store_worker_actor::behavior_type
store_worker(self_pointer<store_worker_actor, store_worker_state> self,
             store_worker_options options);

} // namespace troupe
