#include "actors/store/worker.hpp"

#include <caf/make_message.hpp>

#include <algorithm>

namespace troupe {

using persistence::access;
using persistence::damage;
using persistence::failure;

void store_job::reply(caf::message content, caf::execution_unit* unit) {
  // The store took the request out of its own hands (`answered`): whoever comes next gets the
  // answer.
  if (!stages.empty()) {
    auto next = std::move(stages.back());
    stages.pop_back();
    next->enqueue(
        caf::make_mailbox_element(std::move(asker), mid, std::move(stages), std::move(content)),
        unit);
  } else if (asker != nullptr && mid.is_request()) {
    asker->enqueue(nullptr, mid.response_id(), std::move(content), unit);
  }
  asker = nullptr;
  stages.clear();
}

void store_job::refuse(caf::error error, caf::execution_unit* unit) {
  reply(caf::make_message(std::move(error)), unit);
}

Done store_worker_state::run(const store_batch_ptr& batch) {
  if (batch->mode == access::write)
    write_all(*batch);
  else
    read_all(*batch);
  return {};
}

void store_worker_state::note_written(const store_batch& batch) {
  auto done = std::count_if(batch.jobs.begin(), batch.jobs.end(),
                            [](const store_job& job) { return !job.refused; });
  if (options.record->wrote(done))
    log_info("store_writable_again", {{"database", options.factory->location()}});
}

void store_worker_state::fail_rest(store_batch& batch, const failure& error) {
  options.record->failed(error.what());
  for (auto& job : batch.jobs)
    job.refuse(make_error(error.code, error.what()), self->context());
}

namespace {

/// Does one job of a group within its own savepoint, so that a refusal undoes this job alone.
/// Throws when the whole transaction is lost.
void write_one(persistence::database& db, store_job& job, const persistence::command_env& env,
               bool alone, write_record& record) {
  job.refused = false;
  if (!alone)
    db.set_savepoint();
  try {
    job.answer = job.work(db, env);
    if (!alone)
      db.release_savepoint();
    return;
  } catch (const failure& error) {
    if (error.code == ec::not_owner)
      record.fenced();
    if (alone || error.hurt != damage::none)
      throw;
    job.answer = caf::make_message(make_error(error.code, error.what()));
  } catch (const std::exception& error) {
    if (alone)
      throw;
    log_error("store_command_threw", {{"error", error.what()}});
    job.answer =
        caf::make_message(make_error(ec::internal, "the command failed; it is in the log"));
  }
  job.refused = true;
  db.rollback_savepoint();
}

/// Does a group as one, which costs no savepoints; false if a command was refused: then nothing was
/// done. Throws when the whole transaction is lost.
bool write_as_one(persistence::database& db, store_batch& batch,
                  const persistence::command_env& env) {
  persistence::unit_of_work unit{db, access::write};
  for (auto& job : batch.jobs) {
    job.refused = false;
    try {
      job.answer = job.work(db, env);
    } catch (const failure& error) {
      if (error.hurt != damage::none)
        throw;
      return false;
    } catch (const std::exception&) {
      return false;
    }
  }
  unit.commit();
  return true;
}

} // namespace

void store_worker_state::write_all(store_batch& batch) {
  persistence::command_env env{options.clock->now_us()};
  bool alone = batch.jobs.size() == 1;
  // Shards are held in their order, by every group of every node and by who moves them: nobody
  // waits for who waits for him. Commands of one conversation stay as they came.
  std::stable_sort(batch.jobs.begin(), batch.jobs.end(),
                   [](const store_job& a, const store_job& b) { return a.shard < b.shard; });
  try {
    connection.use(self->clock(), [&](persistence::database& connected) {
      // Refusals are rare.
      if (!alone && write_as_one(connected, batch, env))
        return;
      persistence::unit_of_work unit{connected, access::write};
      for (auto& job : batch.jobs)
        write_one(connected, job, env, alone, *options.record);
      unit.commit();
    });
    note_written(batch);
    for (auto& job : batch.jobs)
      job.reply(self->context());
  } catch (const failure& error) {
    if (alone && persistence::is_refusal(error)) {
      note_written({});
      batch.jobs.front().refuse(make_error(error.code, error.what()), self->context());
      return;
    }
    fail_rest(batch, error);
  } catch (const std::exception& error) {
    log_error("store_command_threw", {{"error", error.what()}});
    fail_rest(batch, failure(ec::internal, "the command failed; it is in the log"));
  }
}

void store_worker_state::read_all(store_batch& batch) {
  persistence::command_env env{options.clock->now_us()};
  for (auto& job : batch.jobs) {
    try {
      connection.use(self->clock(), [&](persistence::database& connected) {
        persistence::unit_of_work unit{connected, access::read};
        job.answer = job.work(connected, env);
        unit.commit();
      });
      job.reply(self->context());
    } catch (const failure& error) {
      job.refuse(make_error(error.code, error.what()), self->context());
    } catch (const std::exception& error) {
      log_error("store_query_threw", {{"error", error.what()}});
      job.refuse(make_error(ec::internal, "the query failed; it is in the log"), self->context());
    }
  }
}

store_worker_actor::behavior_type
store_worker(self_pointer<store_worker_actor, store_worker_state> self,
             store_worker_options options) {
  self->state.init(std::move(options));
  return {[self](const store_batch_ptr& batch) { return self->state.run(batch); }};
}

} // namespace troupe
