// Ending steps and turns: one transaction with the reply, its usage and its outbox rows; readers
// are told when it is durable.
#include "actors/session/gate.hpp"
#include "actors/session/ids.hpp"
#include "actors/session/window.hpp"
#include "messages/failure.hpp"
#include "messages/log.hpp"

#include <caf/actor_cast.hpp>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t ended_max = 4;

bool ends_turn(v1::TurnStatus status) { return status != v1::TURN_STATUS_AWAITING_TOOLS; }

v1::MessageStatus message_status(v1::TurnStatus status) {
  switch (status) {
    case v1::TURN_STATUS_STOPPED:
      return v1::MESSAGE_STATUS_STOPPED;
    case v1::TURN_STATUS_FAILED:
      return v1::MESSAGE_STATUS_FAILED;
    default:
      return v1::MESSAGE_STATUS_COMPLETE;
  }
}

bool asked_a_model(const open_turn& turn) { return turn.step && !turn.step->completion_id.empty(); }

} // namespace

void session_state::finish(open_turn& turn, turn_ending ending) {
  if (turn.phase == turn_phase::settling || turn.phase == turn_phase::recording)
    return; // it is ending already
  if (turn.phase == turn_phase::starting || turn.phase == turn_phase::storing_results) {
    if (!turn.ending)
      turn.ending = std::move(ending); // when the present write is answered
    return;
  }
  turn.ending = std::move(ending);
  cancel_upstream(turn);
  flush(turn);
  enter(turn, turn_phase::settling);
  count_usage(turn);
}

// Rule 5: what the upstream said; else what was sent and what was shown, counted, whatever the
// ending was.
void session_state::count_usage(open_turn& turn) {
  auto go_on = [this](open_turn& x) { record(x, step_record(x), 0); };
  if (!asked_a_model(turn) || (turn.step->usage && turn.step->usage->total_tokens() > 0)
      || (turn.step->failure && turn.step->first_byte_us == 0)) {
    go_on(turn);
    return;
  }
  auto answer = turn.events.text(turn.step->shown_from) + turn.step->reasoning;
  for (const auto& [index, call] : turn.step->calls)
    answer += call.name() + call.arguments_json();
  auto serial = turn.serial;
  count_tokens(turn, uncounted(turn.step->first),
               {system_prompt(), turn.turn->tools_json(), std::move(answer)},
               [this, serial, go_on](caf::expected<std::vector<std::int64_t>> counts) {
                 auto* turn = find(serial);
                 if (turn == nullptr)
                   return;
                 turn->step->usage = std::make_unique<v1::Usage>();
                 auto& usage = *turn->step->usage;
                 usage.set_estimated(true);
                 if (counts) {
                   auto prompt = tokens_before_reply + (*counts)[0] + (*counts)[1]
                                 + ((*counts)[0] > 0 ? tokens_per_message : 0);
                   for (auto i = turn->step->first; i < history_.size(); ++i)
                     prompt += history_.tokens(i);
                   usage.set_prompt_tokens(prompt);
                   usage.set_completion_tokens((*counts)[2]);
                   usage.set_total_tokens(prompt + (*counts)[2]);
                 }
                 go_on(*turn);
               });
}

v1::Message session_state::reply_of(const open_turn& turn, const v1::Turn& after) const {
  v1::Message reply;
  reply.set_id(after.reply_id());
  reply.set_conversation_id(id_);
  reply.set_parent_id(turn.tip.str());
  reply.set_turn_id(after.id());
  reply.set_role(v1::ROLE_ASSISTANT);
  reply.set_status(message_status(after.status()));
  reply.set_created_us(now_us());
  if (!turn.step)
    return reply;
  const auto& step = *turn.step;
  if (!step.reasoning.empty())
    reply.add_parts()->mutable_reasoning()->set_text(step.reasoning);
  if (auto text = turn.events.text(step.shown_from); !text.empty())
    reply.add_parts()->mutable_text()->set_text(std::move(text));
  // A filter that refused the text refused its images as well.
  if (after.status() == v1::TURN_STATUS_FINISHED)
    for (const auto& image : step.images)
      *reply.add_parts()->mutable_image() = image;
  if (!ends_turn(after.status()))
    for (const auto& [index, call] : step.calls)
      *reply.add_parts()->mutable_tool_call() = call;
  reply.set_model(!step.model.empty()   ? step.model.str()
                  : asked_a_model(turn) ? after.model()
                                        : std::string{});
  reply.set_finish_reason(!ends_turn(after.status()) ? "tool_calls" : step.finish_reason.str());
  if (asked_a_model(turn) && step.usage)
    *reply.mutable_usage() = *step.usage;
  return reply;
}

v1::UsageRecord session_state::usage_of(const open_turn& turn, const v1::Turn& after) const {
  const auto& step = *turn.step;
  v1::UsageRecord usage;
  usage.set_request_id(after.id() + "/" + std::to_string(after.step()));
  usage.set_principal_id(after.principal_id());
  usage.set_model(after.model());
  usage.set_deployment(step.deployment.str());
  usage.set_upstream_model(step.model.str());
  usage.set_operation("chat");
  if (step.usage)
    *usage.mutable_usage() = *step.usage;
  usage.set_ending(after.status() == v1::TURN_STATUS_STOPPED  ? v1::ENDING_CLIENT_LEFT
                   : after.status() == v1::TURN_STATUS_FAILED ? v1::ENDING_UPSTREAM_FAILED
                                                              : v1::ENDING_FINISHED);
  usage.set_http_status(after.status() == v1::TURN_STATUS_FAILED ? after.failure().http_status()
                                                                 : 200);
  usage.set_streamed(true);
  usage.set_started_us(step.started_us);
  usage.set_first_byte_us(step.first_byte_us);
  usage.set_total_us(now_us() - step.started_us);
  usage.set_conversation_id(id_);
  usage.set_turn_id(after.id());
  return usage;
}

// Pieces of the answer, in order. A failure without any text says so: in a chat, silence is worse.
void session_state::add_outbox(const open_turn& turn, v1::AdvanceTurn& advance) const {
  auto to = turn.turn->reply_to();
  const auto& reply = advance.messages(0);
  auto shown = reply;
  shown.clear_parts();
  for (const auto& part : reply.parts())
    if (!part.has_reasoning() && !part.has_tool_call())
      *shown.add_parts() = part;
  if (shown.parts().empty() && advance.turn().status() == v1::TURN_STATUS_FAILED)
    shown.add_parts()->mutable_text()->set_text(advance.turn().failure().message());
  if (shown.parts().empty())
    return;
  std::vector<std::vector<v1::Part>> pieces;
  if (options_->split)
    pieces = options_->split(to, shown);
  else
    pieces.emplace_back(shown.parts().begin(), shown.parts().end());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto& row = *advance.add_outbox();
    row.set_id(derived_id(turn.id.str(), derived::outbox_row + static_cast<std::uint32_t>(i)));
    *row.mutable_to() = to;
    for (auto& part : pieces[i])
      *row.add_parts() = std::move(part);
    row.set_turn_id(turn.id.str());
    row.set_status(v1::OUTBOX_STATUS_PENDING);
    row.set_next_attempt_us(now_us());
    row.set_created_us(now_us());
    row.set_part_index(static_cast<std::int32_t>(i));
  }
}

v1::AdvanceTurn session_state::step_record(const open_turn& turn) const {
  v1::AdvanceTurn advance;
  *advance.mutable_context() = context_of(turn);
  *advance.mutable_claim() = options_->claim;
  auto& after = *advance.mutable_turn();
  after = *turn.turn;
  after.set_status(turn.ending->status);
  if (asked_a_model(turn))
    after.set_step(after.step() + 1);
  if (ends_turn(after.status())) {
    after.set_reply_id(turn.reply_id.str());
    after.set_finished_us(now_us());
  } else {
    after.set_reply_id(derived_id(after.id(), derived::step(after.step())));
  }
  if (after.status() == v1::TURN_STATUS_FAILED)
    *after.mutable_failure() = failure_of(turn.ending->reason);
  *advance.add_messages() = reply_of(turn, after);
  // A turn that was stopped before it began leaves the branch where it is.
  if (turn.moves_leaf && (turn.started || turn.restarted))
    advance.set_leaf_id(after.reply_id());
  if (asked_a_model(turn))
    *advance.mutable_usage() = usage_of(turn, after);
  if (ends_turn(after.status()) && !turn.turn->reply_to().channel().empty())
    add_outbox(turn, advance);
  auto asked = history_.index_of(turn.turn->message_id());
  if (turn.question || asked) {
    auto known = settings();
    if (known.title().empty() && known.session_key().empty())
      advance.set_title(title_from(turn.question ? *turn.question : history_.at(*asked)));
  }
  return advance;
}

void session_state::record(open_turn& turn, v1::AdvanceTurn advance, std::size_t stage) {
  const auto& all = options_->pipeline.record;
  if (stage >= all.size()) {
    turn.advance = std::make_unique<v1::AdvanceTurn>(std::move(advance));
    enter(turn, turn_phase::recording);
    store_step(turn);
    return;
  }
  auto serial = enter(turn, turn_phase::settling);
  std::weak_ptr<char> alive = work().watch();
  auto go_on = call_once<v1::AdvanceTurn>(
      [this, alive, serial, stage](v1::AdvanceTurn next) {
        auto* turn = alive.expired() ? nullptr : find(serial);
        if (turn != nullptr)
          record(*turn, std::move(next), stage + 1);
      },
      [advance] { return advance; });
  all[stage]->record(stages(), std::move(advance), std::move(go_on));
}

// Tried until the store takes it, at longer and longer distances of at most a second: the user has
// seen the text, and nothing is told as finished before it is durable.
void session_state::store_step(open_turn& turn) {
  if (!turn.moves_leaf)
    turn.advance->clear_leaf_id();
  auto serial = turn.serial;
  request(options_->store, store_limit(), AdvanceTurn{*turn.advance})
      .then(
          [this, serial](const TurnStored& stored) {
            auto* turn = find(serial);
            if (turn != nullptr && stored->duplicate())
              step_refused(*turn, make_error(ec::conflict, "the turn has ended already"));
            else if (turn != nullptr)
              step_stored(*turn);
          },
          [this, serial](const caf::error& err) {
            auto* turn = find(serial);
            if (turn != nullptr && !retry_later(*turn, err))
              step_refused(*turn, err);
          });
}

// The store says no. If an earlier try was taken all the same, the turn is there as it should be.
void session_state::step_refused(open_turn& turn, const caf::error& err) {
  auto serial = turn.serial;
  v1::GetTurn query;
  query.set_turn_id(turn.id.str());
  request(options_->store, store_limit(), GetTurn{std::move(query)})
      .then(
          [this, serial, err](const Turn& stored) {
            auto* turn = find(serial);
            if (turn == nullptr)
              return;
            const auto& wanted = turn->advance->turn();
            if (stored->status() == wanted.status() && stored->step() == wanted.step()
                && stored->reply_id() == wanted.reply_id())
              step_stored(*turn);
            else
              abandon(*turn, err);
          },
          [this, serial, err](const caf::error&) {
            if (auto* turn = find(serial))
              abandon(*turn, err);
          });
}

void session_state::step_stored(open_turn& turn) {
  *turn.turn = turn.advance->turn();
  std::vector<v1::TurnEvent> events;
  if (turn.advance->messages_size() > 0) {
    const auto& reply = turn.advance->messages(0);
    if (!reply.parts().empty())
      *events.emplace_back().mutable_message()->mutable_message() = reply;
    if (history_.tip() == turn.tip)
      history_.append(reply);
    turn.tip = reply.id();
  }
  if (!turn.advance->title().empty()) {
    auto known = settings();
    known.set_title(turn.advance->title());
    keep_settings(std::move(known));
  }
  if (!turn.turn->reply_to().channel().empty() && turn.advance->outbox_size() > 0
      && options_->outbox) {
    v1::OutboxChanged changed;
    changed.set_channel(turn.turn->reply_to().channel());
    changed.set_account(turn.turn->reply_to().account());
    self_->send(options_->outbox, OutboxChanged{std::move(changed)});
  }
  turn.ending.reset();
  if (ends_turn(turn.turn->status())) {
    end_turn(turn, std::move(events));
    return;
  }
  publish(turn, std::move(events));
  turn.advance.reset();
  turn.step.reset();
  wait_for_tools(turn);
  if (!turn.stoppers.empty())
    finish(turn, {v1::TURN_STATUS_STOPPED, {}});
}

void session_state::end_turn(open_turn& turn, std::vector<v1::TurnEvent> events) {
  auto& last = events.emplace_back();
  if (turn.turn->status() == v1::TURN_STATUS_FAILED) {
    *last.mutable_failed()->mutable_failure() = turn.turn->failure();
  } else {
    auto& finished = *last.mutable_finished();
    finished.set_status(turn.turn->status());
    finished.set_message_id(turn.turn->reply_id());
    if (turn.step)
      finished.set_finish_reason(turn.step->finish_reason.str());
    if (asked_a_model(turn) && turn.step->usage)
      *finished.mutable_usage() = *turn.step->usage;
  }
  publish(turn, std::move(events));
  for (const auto& stopper : turn.stoppers)
    stopper.give(Turn{*turn.turn});
  // A turn that was taken back before it began is no one's parent.
  if (!turn.started && !turn.restarted && next_parent_ == turn.reply_id)
    next_parent_ = turn.parent_id;
  keep_ended(turn);
  forget(turn);
  start_next();
  settle_down();
}

void session_state::keep_ended(open_turn& turn) {
  auto& w = work();
  turn.events.compact();
  if (w.ended.size() >= ended_max)
    w.ended.erase(w.ended.begin());
  w.ended.push_back(
      {*turn.turn, std::move(turn.events), now_us() + options_->config.replay_ms * 1'000});
  if (!w.replay_timer) {
    w.replay_timer = true;
    set_timer(replay_tick, options_->config.replay_ms, 0);
  }
}

// The turn is not this session's any more: its conversation is gone, or another owner ended it.
void session_state::abandon(open_turn& turn, const caf::error& reason) {
  log_error("turn_abandoned",
            {{"conversation_id", id_}, {"turn_id", turn.id.str()}, {"error", describe(reason)}});
  cancel_upstream(turn);
  flush(turn);
  v1::TurnEvent last;
  *last.mutable_failed()->mutable_failure() = failure_of(reason);
  publish(turn, {std::move(last)});
  for (const auto& stopper : turn.stoppers)
    stopper.fail(reason);
  forget(turn);
  if (work().open.empty() && !work().busy)
    memory_ = memory::empty; // what is in memory is old
  start_next();
  settle_down();
}

void session_state::forget(open_turn& turn) {
  count(turn, turn_count::none);
  options_->alarms->cancel(turn.limit);
  for (const auto& sink : turn.sinks)
    self_->demonitor(sink.address());
  auto& open = work().open;
  std::erase_if(open, [&](const auto& x) { return x.get() == &turn; });
}

void session_state::publish(open_turn& turn, std::vector<v1::TurnEvent> events) {
  if (events.empty())
    return;
  v1::TurnEvents batch;
  batch.set_conversation_id(id_);
  batch.set_turn_id(turn.id.str());
  for (auto& event : events) {
    turn.events.add(event);
    *batch.add_events() = std::move(event);
  }
  if (turn.sinks.empty())
    return;
  TurnEvents shared{std::move(batch)};
  for (const auto& sink : turn.sinks)
    self_->send(sink, shared);
}

} // namespace troupe
