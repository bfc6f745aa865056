// One command on its way through the store: who asked, until when, and what to do.
#pragma once

#include "messages/interfaces.hpp"
#include "persistence/commands.hpp"

#include <caf/actor_clock.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// A request that a worker answers in the store's place.
struct store_job {
  using work_function =
      std::function<caf::message(persistence::database&, const persistence::command_env&)>;

  caf::strong_actor_ptr asker; // null: the store itself
  caf::message_id mid;
  std::vector<caf::strong_actor_ptr> stages;
  caf::actor_clock::time_point queued_at;
  caf::actor_clock::time_point expires_at;
  std::size_t rows = 1;
  std::int32_t shard = -1; // whose epoch its transaction holds; -1: none
  bool refused = false;
  work_function work;
  caf::message answer;

  void reply(caf::execution_unit* unit) { reply(std::move(answer), unit); }
  void reply(caf::message content, caf::execution_unit* unit);
  void refuse(caf::error error, caf::execution_unit* unit);
};

/// What one worker does in one go; writes in one transaction.
struct store_batch {
  persistence::access mode = persistence::access::read;
  std::vector<store_job> jobs;
};

using store_batch_ptr = std::shared_ptr<store_batch>;

/// Owns one connection.
using store_worker_actor = caf::typed_actor<
    // Does the jobs, answers those who asked, then says Done.
    replies_to<store_batch_ptr>::with<Done>>;

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::store_batch_ptr)
