// The store: SQL behind one writer and a few readers, each a thread with a connection.
#pragma once

#include "actors/store/gather.hpp"
#include "actors/store/job.hpp"
#include "actors/store/record.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"

#include <caf/delegated.hpp>
#include <caf/make_message.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {

/// What a store is made of. The schema must be there: see `persistence::migrate`.
struct store_options {
  actor_host host; // spawns the workers
  persistence::database_factory_ptr factory;
  config::store_section limits;
  wall_clock_ptr clock = system_clock();
  /// False: the workers run as the other actors do, without threads of their own. For tests whose
  /// messages run one after the other.
  bool worker_threads = true;
  /// Whether the last write worked; looked after while nobody writes. For those who cannot wait for
  /// `GetStoreStatus`.
  std::shared_ptr<std::atomic<bool>> writable = std::make_shared<std::atomic<bool>>(true);
  /// Counts the writes that were refused because their shard is another node's by now.
  std::shared_ptr<std::atomic<std::uint64_t>> fenced =
      std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// When keys were last used: noted by the readers, written now and then by the writer. Thread-safe.
class key_uses {
public:
  void note(const std::string& key_id, std::int64_t now_us);
  /// In order of the keys, so that two nodes that write them at once do not wait for each other.
  std::map<std::string, std::int64_t> take();

private:
  static constexpr std::size_t keys_max = 10'000; // more are not noted until the next write
  std::mutex mutex_;
  std::unordered_map<std::string, std::int64_t> last_;
};

struct store_state {
  using interface = with_timer<store_actor::extend_with<text_store_actor>>;
  static inline const char* name = "store";

  explicit store_state(interface::pointer self) : self(self) {}
  ~store_state();

  void init(store_options given);

  /// Queues a command for the writer; a worker answers it.
  template <class Command, class Answer>
  caf::delegated<payload<Answer>> write(const payload<Command>& command,
                                        Answer (*work)(persistence::database&, const Command&,
                                                       const persistence::command_env&)) {
    add(writes, deadline_of(*command), rows_of(*command), job_of(command, work),
        shard_of(*command));
    return {};
  }

  /// The same for a reader.
  template <class Query, class Answer>
  caf::delegated<payload<Answer>> read(const payload<Query>& query,
                                       Answer (*work)(persistence::database&, const Query&,
                                                      const persistence::command_env&)) {
    add(reads, deadline_of(*query), 1, job_of(query, work));
    return {};
  }

  caf::delegated<Principal> authorize(const Authorize& query);
  StoreStatus status() const;
  void tick(const Tick& timer);

  // Inside.
  struct worker {
    store_worker_actor handle;
    persistence::access mode = persistence::access::read;
    store_batch_ptr current; // null: idle
    caf::actor_clock::time_point respawn_at{};
  };

  static std::size_t rows_of(const v1::RecordUsage& command) {
    return static_cast<std::size_t>(std::max(command.records_size(), 1));
  }
  static std::size_t rows_of(const v1::ChangeRuleset& command) {
    return static_cast<std::size_t>(std::max(command.put_size() + command.remove_size(), 1));
  }
  static std::size_t rows_of(const v1::RecordModerationHits& command) {
    return static_cast<std::size_t>(std::max(command.hits_size(), 1));
  }
  template <class Command>
  static std::size_t rows_of(const Command&) {
    return 1;
  }
  template <class Command>
  static std::int64_t deadline_of(const Command& command) {
    if constexpr (requires { command.context(); })
      return command.context().deadline_us();
    else
      return 0;
  }
  template <class Command>
  static std::int32_t shard_of(const Command& command) {
    if constexpr (requires { command.claim(); })
      return command.claim().epoch() != 0 ? command.claim().shard() : -1;
    else
      return -1;
  }
  template <class Command, class Work>
  static store_job::work_function job_of(const payload<Command>& command, Work work) {
    return [command, work](persistence::database& db, const persistence::command_env& env) {
      auto answer = work(db, *command, env);
      return caf::make_message(payload<decltype(answer)>{std::move(answer)});
    };
  }

  void add(std::deque<store_job>& queue, std::int64_t deadline_us, std::size_t rows,
           store_job::work_function work, std::int32_t shard = -1);
  void add_own(store_job::work_function work);
  void dispatch();
  void dispatch_writes();
  void dispatch_reads();
  void send(worker& to, store_batch_ptr batch);
  void finished(std::size_t index, const store_batch_ptr& batch, const caf::error* died);
  void spawn_worker(worker& slot);
  void worker_down(const caf::down_msg& down);
  void drop_expired(std::deque<store_job>& queue);
  void housekeeping();
  void arm_gather(std::chrono::microseconds delay);
  void arm_maintenance();
  bool busy() const;
  void maintain();
  worker& writer() { return workers.front(); }

  interface::pointer self;
  store_options options;
  commit_gather gather{std::chrono::microseconds{0}, 1};
  std::shared_ptr<write_record> record;
  std::shared_ptr<key_uses> uses = std::make_shared<key_uses>();
  std::vector<worker> workers; // the first one writes
  std::deque<store_job> writes;
  std::deque<store_job> reads;
  caf::actor_clock::time_point gather_due{};
  caf::actor_clock::time_point maintenance_due{};
  std::int64_t maintenance_id = 0; // of the timer that counts; those before it do not
  caf::actor_clock::time_point probe_due{};
  caf::actor_clock::time_point uses_due{};
  caf::actor_clock::time_point purge_due{};
};

/// Answers each write once it is durable. At most `limits.queue_max` commands and as many queries
/// wait; more are refused with `ec::overloaded`, and one that waits longer than
/// `limits.request_limit_ms` or its context's deadline with `ec::store_unavailable` or
/// `ec::deadline_exceeded`. A database that is full, locked or away gives `ec::store_unavailable`;
/// it is used again once it is back, without a restart.
store_state::interface::behavior_type store(self_pointer<store_state::interface, store_state> self,
                                            store_options options);

} // namespace troupe
