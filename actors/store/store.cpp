#include "actors/store/store.hpp"

#include "actors/store/worker.hpp"
#include "persistence/migration.hpp"

#include <algorithm>

namespace troupe {

namespace {

enum timer_kind { maintenance_timer, gather_timer };

using namespace std::chrono_literals;
using persistence::access;

constexpr std::size_t reads_a_batch = 32;
constexpr auto probe_period = 250ms; // of a database that could not be written
constexpr auto uses_period = 10s;
constexpr auto purge_period = 60s;
constexpr auto busy_period = 100ms; // between two looks at what waits
constexpr auto idle_period = 1s;
constexpr auto respawn_delay = 100ms;

} // namespace

void key_uses::note(const std::string& key_id, std::int64_t now_us) {
  std::lock_guard guard{mutex_};
  if (last_.size() < keys_max || last_.contains(key_id))
    last_[key_id] = now_us;
}

std::map<std::string, std::int64_t> key_uses::take() {
  std::lock_guard guard{mutex_};
  std::map<std::string, std::int64_t> out{last_.begin(), last_.end()};
  last_.clear();
  return out;
}

store_state::~store_state() {
  for (auto* queue : {&writes, &reads})
    for (auto& job : *queue)
      job.refuse(make_error(ec::store_unavailable, "the store has stopped"), nullptr);
  for (auto& slot : workers)
    if (slot.handle)
      caf::anon_send_exit(slot.handle, caf::exit_reason::user_shutdown);
}

void store_state::init(store_options given) {
  options = std::move(given);
  record = std::make_shared<write_record>(options.writable, options.fenced);
  const auto& limits = options.limits;
  gather = commit_gather{std::chrono::milliseconds{limits.commit_delay_ms},
                         static_cast<std::size_t>(limits.commit_rows_max)};
  options.host.probes->of_type(name).mailbox_max = static_cast<std::size_t>(limits.queue_max) * 2;
  self->set_down_handler([this](caf::scheduled_actor*, caf::down_msg& x) { worker_down(x); });
  workers.resize(1 + static_cast<std::size_t>(std::max<std::int64_t>(limits.readers, 1)));
  writer().mode = access::write;
  for (auto& slot : workers)
    spawn_worker(slot);
  auto now = self->clock().now();
  uses_due = now + uses_period;
  purge_due = now + purge_period;
  arm_maintenance();
}

void store_state::spawn_worker(worker& slot) {
  store_worker_options made{options.factory, slot.mode, options.clock, record};
  slot.handle = options.worker_threads
                    ? spawn<caf::detached>(options.host, store_worker, std::move(made))
                    : spawn(options.host, store_worker, std::move(made));
  slot.respawn_at = {};
  self->monitor(slot.handle);
}

void store_state::worker_down(const caf::down_msg& down) {
  for (auto& slot : workers) {
    if (!slot.handle || slot.handle.address() != down.source)
      continue;
    log_error("store_worker_died", {{"reason", describe(down.reason)}});
    slot.handle = nullptr;
    slot.respawn_at = self->clock().now() + respawn_delay;
    arm_maintenance();
  }
}

void store_state::add(std::deque<store_job>& queue, std::int64_t deadline_us, std::size_t rows,
                      store_job::work_function work, std::int32_t shard) {
  store_job job;
  auto& element = *self->current_mailbox_element();
  job.asker = element.sender;
  job.mid = element.mid;
  job.stages = std::move(element.stages);
  element.mid.mark_as_answered();
  std::chrono::microseconds limit = std::chrono::milliseconds{options.limits.request_limit_ms};
  if (deadline_us != 0)
    limit = std::min(limit, std::chrono::microseconds{deadline_us - options.clock->now_us()});
  if (limit <= limit.zero()) {
    job.refuse(make_error(ec::deadline_exceeded, "the deadline had passed before the store got it"),
               self->context());
    return;
  }
  if (queue.size() >= static_cast<std::size_t>(options.limits.queue_max)) {
    job.refuse(make_error(ec::overloaded, "too many commands wait for the store: try again later"),
               self->context());
    return;
  }
  job.queued_at = self->clock().now();
  job.expires_at = job.queued_at + limit;
  job.rows = rows;
  job.shard = shard;
  job.work = std::move(work);
  queue.push_back(std::move(job));
  dispatch();
}

void store_state::add_own(store_job::work_function work) {
  store_job job;
  job.queued_at = self->clock().now();
  job.expires_at = job.queued_at + 1s;
  job.work = std::move(work);
  writes.push_back(std::move(job));
}

void store_state::dispatch() {
  dispatch_writes();
  dispatch_reads();
  arm_maintenance();
}

void store_state::dispatch_writes() {
  auto& to = writer();
  if (writes.empty() || to.current || !to.handle)
    return;
  std::size_t rows = 0;
  std::size_t count = 0;
  auto rows_max = static_cast<std::size_t>(options.limits.commit_rows_max);
  while (count < writes.size() && (count == 0 || rows + writes[count].rows <= rows_max))
    rows += writes[count++].rows;
  auto waited = std::chrono::duration_cast<commit_gather::duration>(self->clock().now()
                                                                    - writes.front().queued_at);
  bool full = count < writes.size();
  auto wait = gather.wait(count, full ? rows_max : rows, waited);
  if (wait > wait.zero()) {
    arm_gather(wait);
    return;
  }
  gather.group_sent(count);
  auto batch = std::make_shared<store_batch>();
  batch->mode = access::write;
  auto end = writes.begin() + static_cast<std::ptrdiff_t>(count);
  batch->jobs.assign(std::make_move_iterator(writes.begin()), std::make_move_iterator(end));
  writes.erase(writes.begin(), end);
  send(to, std::move(batch));
}

void store_state::dispatch_reads() {
  auto readers = workers.size() - 1;
  auto share = std::clamp((reads.size() + readers - 1) / readers, std::size_t{1}, reads_a_batch);
  for (std::size_t i = 1; i < workers.size() && !reads.empty(); ++i) {
    auto& to = workers[i];
    if (to.current || !to.handle)
      continue;
    auto batch = std::make_shared<store_batch>();
    auto end = reads.begin() + static_cast<std::ptrdiff_t>(std::min(share, reads.size()));
    batch->jobs.assign(std::make_move_iterator(reads.begin()), std::make_move_iterator(end));
    reads.erase(reads.begin(), end);
    send(to, std::move(batch));
  }
}

void store_state::send(worker& to, store_batch_ptr batch) {
  auto index = static_cast<std::size_t>(&to - workers.data());
  to.current = batch;
  // No time limit: the worker is of this process, and if it dies the request fails at once.
  self->request(to.handle, caf::infinite, batch)
      .then([this, index, batch](const Done&) { finished(index, batch, nullptr); },
            [this, index, batch](const caf::error& died) { finished(index, batch, &died); });
}

void store_state::finished(std::size_t index, const store_batch_ptr& batch,
                           const caf::error* died) {
  auto& slot = workers[index];
  slot.current = nullptr;
  if (died != nullptr) {
    log_error("store_batch_lost", {{"error", describe(*died)}});
    if (batch->mode == access::write)
      record->failed(describe(*died));
    for (auto& job : batch->jobs)
      job.refuse(make_error(ec::store_unavailable, "the store's worker failed; it is in the log"),
                 self->context());
  }
  if (batch->mode == access::write && !record->writable())
    probe_due = self->clock().now() + probe_period;
  dispatch();
}

caf::delegated<Principal> store_state::authorize(const Authorize& query) {
  add(reads, query->context().deadline_us(), 1,
      [query, noted = uses](persistence::database& db, const persistence::command_env& env) {
        auto principal = persistence::authorize(db, *query, env);
        noted->note(principal.id(), env.now_us);
        return caf::make_message(Principal{std::move(principal)});
      });
  return {};
}

StoreStatus store_state::status() const {
  v1::StoreStatus out;
  out.set_backend(options.factory->backend());
  out.set_schema_version(persistence::migrations().back().version);
  record->fill(out);
  out.set_queued(static_cast<std::int64_t>(writes.size() + reads.size()));
  return out;
}

void store_state::arm_gather(std::chrono::microseconds delay) {
  auto now = self->clock().now();
  if (gather_due > now && gather_due <= now + delay)
    return;
  gather_due = now + delay;
  v1::Tick timer;
  timer.set_kind(gather_timer);
  self->delayed_send(self, delay, Tick{std::move(timer)});
}

bool store_state::busy() const {
  return !writes.empty() || !reads.empty() || !record->writable()
         || std::any_of(workers.begin(), workers.end(), [](const worker& x) { return !x.handle; });
}

void store_state::arm_maintenance() {
  auto now = self->clock().now();
  std::chrono::microseconds period = busy() ? busy_period : idle_period;
  if (maintenance_due > now && maintenance_due <= now + period)
    return;
  // Sooner than the timer under way, or that one is overdue: it was shed from a full mailbox.
  maintenance_due = now + period;
  v1::Tick timer;
  timer.set_kind(maintenance_timer);
  timer.set_id(++maintenance_id);
  self->delayed_send(self, period, Tick{std::move(timer)});
}

void store_state::tick(const Tick& timer) {
  if (timer->kind() == maintenance_timer) {
    if (timer->id() != maintenance_id)
      return;
    maintenance_due = {};
    maintain();
  }
  dispatch();
}

void store_state::maintain() {
  auto now = self->clock().now();
  for (auto& slot : workers)
    if (!slot.handle && now >= slot.respawn_at)
      spawn_worker(slot);
  drop_expired(writes);
  drop_expired(reads);
  housekeeping();
}

void store_state::drop_expired(std::deque<store_job>& queue) {
  auto now = self->clock().now();
  for (auto i = queue.begin(); i != queue.end();) {
    if (i->expires_at > now) {
      ++i;
      continue;
    }
    i->refuse(make_error(ec::store_unavailable,
                         "the store did not get to it in time: it is busy, try again later"),
              self->context());
    i = queue.erase(i);
  }
}

void store_state::housekeeping() {
  auto now = self->clock().now();
  // Nobody writes to a node that says it is not ready: look for ourselves.
  if (!record->writable() && writes.empty() && !writer().current && now >= probe_due) {
    probe_due = now + probe_period;
    add_own([](persistence::database& db, const persistence::command_env& env) {
      db.probe_write(env.now_us);
      return caf::message{};
    });
  }
  if (now >= uses_due) {
    uses_due = now + uses_period;
    auto taken = uses->take();
    if (!taken.empty())
      add_own(
          [taken = std::move(taken)](persistence::database& db, const persistence::command_env&) {
            for (const auto& [id, used_us] : taken)
              db.api_keys().touch(id, used_us);
            return caf::message{};
          });
  }
  if (now >= purge_due) {
    purge_due = now + purge_period;
    add_own([](persistence::database& db, const persistence::command_env& env) {
      persistence::purge_expired(db, env);
      return caf::message{};
    });
  }
}

// clang-format off
store_state::interface::behavior_type store(self_pointer<store_state::interface, store_state> self,
                                            store_options options) {
  self->state.init(std::move(options));
  auto* st = &self->state;
  namespace p = persistence;
  return {
      [st](const CreateConversation& x) { return st->write(x, p::create_conversation); },
      [st](const GetConversation& x) { return st->read(x, p::get_conversation); },
      [st](const ListConversations& x) { return st->read(x, p::list_conversations); },
      [st](const UpdateConversation& x) { return st->write(x, p::update_conversation); },
      [st](const DeleteConversation& x) { return st->write(x, p::delete_conversation); },
      [st](const ListMessages& x) { return st->read(x, p::list_messages); },
      [st](const AcceptTurn& x) { return st->write(x, p::accept_turn); },
      [st](const AdvanceTurn& x) { return st->write(x, p::advance_turn); },
      [st](const GetTurn& x) { return st->read(x, p::get_turn); },
      [st](const ListUnfinishedTurns& x) { return st->read(x, p::list_unfinished_turns); },
      [st](const LoadSession& x) { return st->read(x, p::load_session); },
      [st](const LoadBranch& x) { return st->read(x, p::load_branch); },
      [st](const ClaimOutbox& x) { return st->write(x, p::claim_outbox); },
      [st](const SettleOutbox& x) { return st->write(x, p::settle_outbox); },
      [st](const CreateApiKey& x) { return st->write(x, p::create_api_key); },
      [st](const ListApiKeys& x) { return st->read(x, p::list_api_keys); },
      [st](const RevokeApiKey& x) { return st->write(x, p::revoke_api_key); },
      [st](const Authorize& x) { return st->authorize(x); },
      [st](const RecordUsage& x) { return st->write(x, p::record_usage); },
      [st](const ListUsage& x) { return st->read(x, p::list_usage); },
      [st](const CreateRuleset& x) { return st->write(x, p::create_ruleset); },
      [st](const UpdateRuleset& x) { return st->write(x, p::update_ruleset); },
      [st](const DeleteRuleset& x) { return st->write(x, p::delete_ruleset); },
      [st](const GetRuleset& x) { return st->read(x, p::get_ruleset); },
      [st](const ListRulesets& x) { return st->read(x, p::list_rulesets); },
      [st](const ChangeRuleset& x) { return st->write(x, p::change_ruleset); },
      [st](const RestoreRuleset& x) { return st->write(x, p::restore_ruleset); },
      [st](const ListRulesetItems& x) { return st->read(x, p::list_ruleset_items); },
      [st](const ListRulesetVersions& x) { return st->read(x, p::list_ruleset_versions); },
      [st](const DiffRuleset& x) { return st->read(x, p::diff_ruleset); },
      [st](const RecordModerationHits& x) { return st->write(x, p::record_moderation_hits); },
      [st](const ListModerationHits& x) { return st->read(x, p::list_moderation_hits); },
      [st](const SaveKeywordCounts& x) { return st->write(x, p::save_keyword_counts); },
      [st](const LoadKeywordCounts& x) { return st->read(x, p::load_keyword_counts); },
      [st](const GetStoreStatus&) { return st->status(); },
      [st](const Tick& x) { st->tick(x); },
  };
}
// clang-format on

} // namespace troupe
