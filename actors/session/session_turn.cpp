// Running turns: one at a time, each from its last durable message.
#include "actors/session/gate.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

namespace troupe {

namespace {

constexpr std::int64_t watch_ms = 10'000; // a time limit is looked after so often
constexpr std::int64_t retry_first_ms = 50;
constexpr std::int64_t retry_max_ms = 1'000;

// Unique in the process: a timer of a state that is gone means nothing to the one after it.
std::int64_t next_serial() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

} // namespace

void session_state::count(open_turn& turn, turn_count as) {
  auto change = [this](turn_count what, std::int64_t by) {
    if (what == turn_count::queued)
      options_->counters->turns_queued += by;
    else if (what == turn_count::running)
      options_->counters->turns_running += by;
  };
  change(turn.counted, -1);
  change(as, 1);
  turn.counted = as;
}

open_turn* session_state::find(std::int64_t serial) const {
  if (work_ != nullptr)
    for (const auto& turn : work_->open)
      if (turn->serial == serial)
        return turn.get();
  return nullptr;
}

open_turn* session_state::find_turn(const std::string& turn_id) const {
  if (work_ != nullptr)
    for (const auto& turn : work_->open)
      if (turn->id == turn_id)
        return turn.get();
  return nullptr;
}

open_turn* session_state::find_step(std::int64_t step_id) const {
  if (work_ != nullptr)
    for (const auto& turn : work_->open)
      if (turn->step && turn->step->id == step_id)
        return turn.get();
  return nullptr;
}

std::int64_t session_state::enter(open_turn& turn, turn_phase phase) {
  turn.phase = phase;
  turn.failures = 0;
  return turn.serial = next_serial();
}

void session_state::start_next() {
  if (memory_ != memory::loaded || work().open.empty() || options_->counters->draining)
    return;
  auto& turn = *work().open.front();
  if (turn.phase == turn_phase::queued)
    begin(turn);
}

void session_state::begin(open_turn& turn) {
  turn.began_us = now_us();
  turn.limit_id = next_serial();
  set_limit(turn);
  count(turn, turn_count::running);
  if (turn.turn->status() == v1::TURN_STATUS_AWAITING_TOOLS) {
    // Counted only here: waiting has never killed anyone, but readers must see a new run.
    turn.turn->set_attempts(turn.turn->attempts() + 1);
    turn.events.start(turn.turn->attempts());
    turn.started = true;
    position(turn);
  } else if (turn.must_store_start) {
    prepare_start(turn);
  } else {
    turn.started = true;
    position(turn);
  }
}

void session_state::prepare_start(open_turn& turn) {
  auto attempts = turn.turn->attempts() + 1;
  turn.events.start(attempts);
  if (attempts > options_->config.attempts_max) {
    log_error("turn_quarantined",
              {{"conversation_id", id_}, {"turn_id", turn.id.str()}, {"attempts", attempts - 1}});
    finish(turn, {v1::TURN_STATUS_FAILED,
                  make_error(ec::internal,
                             fmt::format("this message was given up: {} tries to answer it ended "
                                         "before their time; write it in another way",
                                         attempts - 1))});
    return;
  }
  turn.turn->set_attempts(attempts);
  enter(turn, turn_phase::starting);
  store_start(turn);
}

void session_state::store_start(open_turn& turn) {
  v1::AdvanceTurn command;
  *command.mutable_context() = context_of(turn);
  *command.mutable_claim() = options_->claim;
  *command.mutable_turn() = *turn.turn;
  if (turn.moves_leaf)
    command.set_leaf_id(turn.tip.str());
  auto serial = turn.serial;
  request(options_->store, store_limit(), AdvanceTurn{std::move(command)})
      .then(
          [this, serial](const TurnStored& stored) {
            auto* turn = find(serial);
            if (turn == nullptr)
              return;
            if (stored->duplicate()) {
              abandon(*turn, make_error(ec::conflict, "the turn has ended already"));
              return;
            }
            turn->started = true;
            enter(*turn, turn_phase::positioning);
            if (turn->ending)
              finish(*turn, *turn->ending);
            else
              position(*turn);
          },
          [this, serial](const caf::error& err) {
            auto* turn = find(serial);
            if (turn == nullptr)
              return;
            if (turn->ending) {
              enter(*turn, turn_phase::queued);
              finish(*turn, *turn->ending);
            } else if (!retry_later(*turn, err)) {
              abandon(*turn, err);
            }
          });
}

// Makes the branch in memory end at the turn's last message.
void session_state::position(open_turn& turn) {
  if (history_.tip() != turn.tip && turn.question && turn.tip == turn.question->id()
      && !history_.index_of(turn.tip) && history_.rewind(turn.parent_id))
    history_.append(*turn.question);
  if (history_.tip() == turn.tip || history_.rewind(turn.tip)) {
    positioned(turn);
    return;
  }
  auto serial =
      turn.phase == turn_phase::positioning ? turn.serial : enter(turn, turn_phase::positioning);
  request(options_->store, store_limit(), LoadBranch{branch_query(turn.tip.str())})
      .then(
          [this, serial](const SessionLoaded& branch) {
            auto* turn = find(serial);
            if (turn == nullptr)
              return;
            history_.assign(branch->messages(), branch->truncated());
            if (history_.tip() == turn->tip)
              positioned(*turn);
            else
              finish(*turn, {v1::TURN_STATUS_FAILED,
                             make_error(ec::internal, "the message to answer is not there")});
          },
          [this, serial](const caf::error& err) {
            auto* turn = find(serial);
            if (turn != nullptr && !retry_later(*turn, err))
              finish(*turn, {v1::TURN_STATUS_FAILED, err});
          });
}

void session_state::positioned(open_turn& turn) {
  history_.trim(static_cast<std::size_t>(options_->config.history_messages_max),
                static_cast<std::size_t>(options_->config.history_bytes_max));
  if (!turn.question)
    if (auto i = history_.index_of(turn.turn->message_id()))
      turn.question = std::make_unique<v1::Message>(history_.at(*i));
  if (turn.question)
    turn.parent_id = turn.question->parent_id();
  if (turn.restarted) {
    v1::TurnEvent event;
    event.mutable_restarted()->set_reason("the node or actor that ran the turn went away");
    publish(turn, {std::move(event)});
  }
  if (turn.turn->status() == v1::TURN_STATUS_AWAITING_TOOLS) {
    v1::TurnEvent event;
    *event.mutable_message()->mutable_message() = history_.at(history_.size() - 1);
    event.mutable_message()->mutable_message()->set_conversation_id(id_);
    publish(turn, {std::move(event)});
    wait_for_tools(turn);
    return;
  }
  run_step(turn);
}

void session_state::wait_for_tools(open_turn& turn) {
  count(turn, turn_count::none);
  enter(turn, turn_phase::awaiting_tools);
}

void session_state::set_limit(open_turn& turn) {
  auto left_ms = options_->config.turn_limit_ms - (now_us() - turn.began_us) / 1'000;
  turn.limit = set_timer(limit_tick, std::clamp<std::int64_t>(left_ms, 1, watch_ms), turn.limit_id);
}

void session_state::time_is_up(std::int64_t limit_id) {
  if (work_ == nullptr)
    return;
  auto at = std::find_if(work_->open.begin(), work_->open.end(),
                         [&](const auto& turn) { return turn->limit_id == limit_id; });
  if (at == work_->open.end())
    return;
  auto& turn = **at;
  auto limit_ms = options_->config.turn_limit_ms;
  if (now_us() - turn.began_us < limit_ms * 1'000) {
    set_limit(turn);
    return;
  }
  auto reason = turn.phase == turn_phase::awaiting_tools
                    ? make_error(ec::deadline_exceeded,
                                 fmt::format("no tool results came within {} s", limit_ms / 1'000))
                    : make_error(ec::upstream_timeout,
                                 fmt::format("the answer took more than {} s", limit_ms / 1'000));
  finish(turn, {v1::TURN_STATUS_FAILED, std::move(reason)});
}

bool session_state::retry_later(open_turn& turn, const caf::error& err) {
  if (!may_pass(err))
    return false;
  auto wait = backoff_ms(turn.failures++, retry_first_ms, retry_max_ms);
  // Sessions that failed together shall not come back together.
  wait -= wait * (turn.serial % 8) / 16;
  log_warn("store_retry", {{"conversation_id", id_},
                           {"turn_id", turn.id.str()},
                           {"failures", turn.failures},
                           {"error", describe(err)}});
  set_timer(retry_tick, wait, turn.serial);
  return true;
}

void session_state::retry(std::int64_t serial) {
  auto* turn = find(serial);
  if (turn == nullptr)
    return;
  if (turn->phase == turn_phase::starting)
    store_start(*turn);
  else if (turn->phase == turn_phase::positioning)
    position(*turn);
  else if (turn->phase == turn_phase::recording)
    store_step(*turn);
}

v1::Context session_state::context_of(const open_turn& turn) const {
  v1::Context context;
  context.set_request_id(turn.turn->request_id());
  context.set_traceparent(turn.turn->traceparent());
  context.set_principal_id(turn.turn->principal_id());
  context.set_tenant_id(turn.turn->tenant_id());
  context.set_deadline_us(turn.began_us + options_->config.turn_limit_ms * 1'000);
  return context;
}

} // namespace troupe
