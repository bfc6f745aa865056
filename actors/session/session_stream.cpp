// What the model says: through the filters, to the readers, until the step is answered.
#include "actors/session/gate.hpp"
#include "messages/failure.hpp"

#include <caf/actor_cast.hpp>
#include <fmt/format.h>

namespace troupe {

namespace {

// Every piece of an answer costs its bound something, so that empty pieces do not go on for ever.
constexpr std::int64_t bytes_per_piece = 8;

} // namespace

/// Leads the text of filter `index` to the next one of its chain, or to the turn's readers.
class filter_output final : public stream_output {
public:
  filter_output(session_state* session, std::weak_ptr<char> alive, std::int64_t step,
                std::size_t index, bool thoughts) :
      session_(session),
      alive_(std::move(alive)),
      step_(step),
      index_(index),
      thoughts_(thoughts) {}

  void text(std::string_view text) override {
    auto* turn = live();
    if (turn == nullptr || text.empty())
      return;
    if (auto* next = next_of(*turn))
      next->text(text);
    else if (thoughts_)
      session_->show_thought(*turn, text);
    else
      session_->show_text(*turn, text);
  }

  void end() override {
    auto* turn = live();
    if (turn == nullptr || (!thoughts_ && turn->phase != turn_phase::draining))
      return;
    if (auto* next = next_of(*turn))
      next->end();
    else if (!thoughts_)
      session_->step_answered(*turn);
  }

  void block(caf::error reason) override {
    if (auto* turn = live())
      session_->finish(*turn, {v1::TURN_STATUS_FAILED, std::move(reason)});
  }

private:
  open_turn* live() const {
    auto* turn = alive_.expired() ? nullptr : session_->find_step(step_);
    bool takes = turn != nullptr
                 && (turn->phase == turn_phase::answering || turn->phase == turn_phase::draining);
    return takes ? turn : nullptr;
  }

  stream_filter* next_of(open_turn& turn) const {
    auto& chain = thoughts_ ? turn.step->thoughts : turn.step->answer;
    return index_ + 1 < chain.size() ? chain[index_ + 1].get() : nullptr;
  }

  session_state* session_;
  std::weak_ptr<char> alive_;
  std::int64_t step_;
  std::size_t index_;
  bool thoughts_;
};

filter_chain session_state::open_filters(open_turn& turn, bool thoughts) {
  filter_chain chain;
  for (const auto& stage : options_->pipeline.complete) {
    auto output = std::make_shared<filter_output>(this, work().watch(), turn.step->id, chain.size(),
                                                  thoughts);
    auto filter = thoughts ? stage->open_reasoning(stages(), *turn.turn, std::move(output))
                           : stage->open(stages(), *turn.turn, std::move(output));
    if (filter)
      chain.push_back(std::move(filter));
  }
  return chain;
}

void session_state::completion(const CompletionEvents& batch) {
  if (work_ == nullptr || work_->open.empty())
    return;
  auto* turn = work_->open.front().get();
  if (!turn->step || !turn->step->open || turn->step->completion_id != batch->completion_id())
    return; // of a completion that was cancelled, or of a state that is gone
  auto step = turn->step->id;
  turn->step->batching = true;
  for (const auto& event : batch->events()) {
    on_event(*turn, event);
    turn = find_step(step);
    if (turn == nullptr || !turn->step->open)
      break;
  }
  if (turn == nullptr)
    return;
  turn->step->batching = false;
  flush(*turn);
}

void session_state::on_event(open_turn& turn, const v1::CompletionEvent& event) {
  auto& step = *turn.step;
  switch (event.kind_case()) {
    case v1::CompletionEvent::kStarted:
      step.deployment = event.started().deployment();
      step.model = event.started().model();
      break;
    case v1::CompletionEvent::kDelta:
      on_delta(turn, event.delta());
      break;
    case v1::CompletionEvent::kToolCall:
      on_tool_call(turn, event.tool_call());
      break;
    case v1::CompletionEvent::kFinished:
      step.open = false;
      step.finish_reason = event.finished().finish_reason();
      step.usage = std::make_unique<v1::Usage>(event.finished().usage());
      if (!event.finished().model().empty())
        step.model = event.finished().model();
      model_ended(turn);
      return;
    case v1::CompletionEvent::kFailed:
      step.open = false;
      step.failure = error_of(event.failed().failure(), ec::upstream_broken);
      step.usage = std::make_unique<v1::Usage>(event.failed().usage());
      model_ended(turn);
      return;
    default:
      return;
  }
  if (turn.step->open && turn.step->bytes > options_->config.answer_bytes_max)
    finish(turn, {v1::TURN_STATUS_FAILED,
                  make_error(ec::too_large, fmt::format("the answer is over {} bytes and was cut",
                                                        options_->config.answer_bytes_max))});
}

void session_state::on_delta(open_turn& turn, const v1::CompletionDelta& delta) {
  auto& step = *turn.step;
  if (step.first_byte_us == 0)
    step.first_byte_us = std::max<std::int64_t>(now_us() - step.started_us, 1);
  step.bytes += static_cast<std::int64_t>(delta.text().size() + delta.reasoning().size());
  step.bytes += bytes_per_piece * (delta.text().empty() && delta.reasoning().empty() ? 1 : 0);
  if (!delta.reasoning().empty() && !think(turn, repair_utf8(delta.reasoning())))
    return;
  if (delta.text().empty() || !end_thoughts(turn))
    return;
  if (step.answer.empty())
    show_text(turn, repair_utf8(delta.text()));
  else
    step.answer.front()->text(repair_utf8(delta.text()));
}

/// Whether no filter blocked the step just now.
bool session_state::goes_on(std::int64_t step) const {
  const auto* turn = find_step(step);
  return turn != nullptr
         && (turn->phase == turn_phase::answering || turn->phase == turn_phase::draining);
}

/// Takes a piece of reasoning; false if a filter blocked it.
bool session_state::think(open_turn& turn, std::string text) {
  auto& step = *turn.step;
  if (!std::exchange(step.thinking, true))
    step.thoughts = open_filters(turn, true);
  if (step.thoughts.empty()) {
    show_thought(turn, text);
    return true;
  }
  auto id = step.id;
  step.thoughts.front()->text(text);
  return goes_on(id);
}

/// The model goes on to something else: what filters hold back of its reasoning comes before that.
bool session_state::end_thoughts(open_turn& turn) {
  auto& step = *turn.step;
  if (!std::exchange(step.thinking, false) || step.thoughts.empty())
    return true;
  auto id = step.id;
  step.thoughts.front()->end();
  return goes_on(id);
}

void session_state::on_tool_call(open_turn& turn, const v1::CompletionToolCall& piece) {
  if (!end_thoughts(turn))
    return;
  auto& step = *turn.step;
  if (step.first_byte_us == 0)
    step.first_byte_us = std::max<std::int64_t>(now_us() - step.started_us, 1);
  auto& call = step.calls[piece.index()];
  if (!piece.call_id().empty())
    call.set_call_id(repair_utf8(piece.call_id()));
  call.set_name(call.name() + repair_utf8(piece.name()));
  auto arguments = repair_utf8(piece.arguments());
  call.set_arguments_json(call.arguments_json() + arguments);
  step.bytes +=
      static_cast<std::int64_t>(piece.call_id().size() + piece.name().size() + arguments.size())
      + bytes_per_piece;
  v1::TurnEvent event;
  auto& delta = *event.mutable_tool_call();
  delta.set_index(piece.index());
  delta.set_call_id(repair_utf8(piece.call_id()));
  delta.set_name(repair_utf8(piece.name()));
  delta.set_arguments(std::move(arguments));
  show(turn, std::move(event));
}

void session_state::answer_ready(open_turn& turn, ready_answer ready) {
  enter(turn, turn_phase::answering);
  auto& step = *turn.step;
  step.answer = open_filters(turn, false);
  step.finish_reason = "stop";
  step.batching = true;
  auto id = step.id;
  step.images = std::move(ready.images);
  auto whole = repair_utf8(ready.text);
  if (!step.answer.empty())
    step.answer.front()->text(whole);
  else if (!whole.empty())
    show_text(turn, whole);
  auto* still = find_step(id);
  if (still == nullptr || still->phase != turn_phase::answering)
    return; // a filter blocked it
  still->step->batching = false;
  flush(*still);
  model_ended(*still);
}

void session_state::show_text(open_turn& turn, std::string_view text) {
  v1::TurnEvent event;
  event.mutable_delta()->set_text(std::string{text});
  show(turn, std::move(event));
}

void session_state::show_thought(open_turn& turn, std::string_view text) {
  turn.step->reasoning += text;
  v1::TurnEvent event;
  event.mutable_delta()->set_reasoning(std::string{text});
  show(turn, std::move(event));
}

// Text of one batch is one event: a reader cannot tell, and everyone on the way saves work.
void session_state::show(open_turn& turn, v1::TurnEvent event) {
  auto& pending = turn.step->pending;
  if (event.has_delta() && !pending.empty() && pending.back().has_delta()) {
    auto& last = *pending.back().mutable_delta();
    const auto& more = event.delta();
    if (last.text().empty() == more.text().empty()) {
      last.mutable_text()->append(more.text());
      last.mutable_reasoning()->append(more.reasoning());
      return;
    }
  }
  pending.push_back(std::move(event));
  if (!turn.step->batching)
    flush(turn);
}

void session_state::flush(open_turn& turn) {
  if (turn.step && !turn.step->pending.empty())
    publish(turn, std::exchange(turn.step->pending, {}));
}

void session_state::model_ended(open_turn& turn) {
  enter(turn, turn_phase::draining);
  if (!end_thoughts(turn))
    return;
  if (turn.step->answer.empty())
    step_answered(turn);
  else
    turn.step->answer.front()->end();
}

void session_state::step_answered(open_turn& turn) {
  auto& step = *turn.step;
  if (step.failure) {
    finish(turn, {v1::TURN_STATUS_FAILED, step.failure});
    return;
  }
  bool asks = !step.calls.empty() && step.finish_reason != "length"
              && step.finish_reason != "content_filter";
  if (!asks) {
    finish(turn, {v1::TURN_STATUS_FINISHED, {}});
  } else if (turn.turn->step() + 1 >= options_->config.steps_max) {
    finish(turn, {v1::TURN_STATUS_FAILED,
                  make_error(ec::too_large, fmt::format("the model asked for tools {} times in one "
                                                        "turn: ask for less at once",
                                                        turn.turn->step() + 1))});
  } else {
    finish(turn, {v1::TURN_STATUS_AWAITING_TOOLS, {}});
  }
}

void session_state::cancel_upstream(open_turn& turn) {
  if (!turn.step || !turn.step->open)
    return;
  turn.step->open = false;
  v1::CancelCompletion command;
  command.set_completion_id(turn.step->completion_id.str());
  self_->send(options_->upstream, CancelCompletion{std::move(command)});
}

} // namespace troupe
