// From a turn to a request: the route, the context window, the stages at `window`.
#include "actors/session/gate.hpp"
#include "actors/session/window.hpp"
#include "messages/id.hpp"

#include <caf/actor_cast.hpp>
#include <fmt/format.h>

namespace troupe {

namespace {

constexpr std::chrono::seconds route_limit{10};
constexpr std::chrono::seconds count_limit{30};
constexpr std::chrono::seconds start_limit{30};

v1::Message system_message(const std::string& prompt) {
  v1::Message message;
  message.set_role(v1::ROLE_SYSTEM);
  message.add_parts()->mutable_text()->set_text(prompt);
  return message;
}

} // namespace

std::string session_state::system_prompt() const {
  auto own = settings().system_prompt();
  return own.empty() ? options_->config.system_prompt : own;
}

void session_state::run_step(open_turn& turn) {
  turn.step = std::make_unique<model_step>();
  auto serial = enter(turn, turn_phase::routing);
  turn.step->id = serial;
  turn.step->started_us = now_us();
  turn.step->shown_from = turn.events.last_seq();
  v1::TurnEvent event;
  event.mutable_started()->set_model(turn.turn->model());
  event.mutable_started()->set_step(turn.turn->step());
  publish(turn, {std::move(event)});
  v1::GetRoute query;
  *query.mutable_context() = context_of(turn);
  query.set_model(turn.turn->model());
  query.set_operation(v1::OPERATION_CHAT);
  request(options_->router, route_limit, GetRoute{std::move(query)})
      .then(
          [this, serial](const Route& route) {
            if (auto* turn = find(serial)) {
              turn->step->route = std::make_unique<v1::Route>(*route);
              turn->step->vocabulary = route->vocabulary();
              count_window(*turn);
            }
          },
          [this, serial](const caf::error& err) {
            if (auto* turn = find(serial))
              finish(*turn, {v1::TURN_STATUS_FAILED, err});
          });
}

std::vector<std::size_t> session_state::uncounted(std::size_t first) const {
  std::vector<std::size_t> indices;
  for (auto i = first; i < history_.size(); ++i)
    if (history_.tokens(i) == history::not_counted)
      indices.push_back(i);
  return indices;
}

// Bytes bound tokens from above: what fits by its bytes is not counted. Otherwise every message is
// counted exactly, once for its vocabulary.
void session_state::count_window(open_turn& turn) {
  const auto& route = *turn.step->route;
  history_.use_vocabulary(route.vocabulary());
  auto system = system_prompt();
  auto fixed_at_most =
      tokens_before_reply + static_cast<std::int64_t>(turn.turn->tools_json().size());
  if (!system.empty())
    fixed_at_most += tokens_at_most(system_message(system));
  auto at_most = fixed_at_most;
  for (std::size_t i = 0; i < history_.size(); ++i)
    at_most += history_.tokens(i) != history::not_counted ? history_.tokens(i)
                                                          : tokens_at_most(history_.at(i));
  if (at_most <= prompt_budget(route.context_window_tokens(), options_->config.context_tokens_max,
                               options_->config.reply_tokens_reserved,
                               max_tokens_of(turn.turn->params_json()))) {
    choose(turn, 0);
    return;
  }
  auto serial = enter(turn, turn_phase::counting);
  auto frame = tokens_before_reply + (system.empty() ? 0 : tokens_per_message);
  count_tokens(turn, uncounted(0), {system, turn.turn->tools_json()},
               [this, serial, frame](caf::expected<std::vector<std::int64_t>> counts) {
                 auto* turn = find(serial);
                 if (turn == nullptr)
                   return;
                 if (!counts)
                   finish(*turn, {v1::TURN_STATUS_FAILED, std::move(counts.error())});
                 else
                   choose(*turn, frame + (*counts)[0] + (*counts)[1]);
               });
}

// Counts messages of the history, whose counts are kept, and other texts, whose counts go on.
void session_state::count_tokens(open_turn& turn, const std::vector<std::size_t>& messages,
                                 std::vector<std::string> more, counted go_on) {
  struct place {
    std::size_t message;
    int texts;
    std::int64_t fixed;
  };
  v1::CountTokens query;
  *query.mutable_context() = context_of(turn);
  query.set_vocabulary(turn.step->vocabulary.str());
  query.set_model(turn.turn->model());
  std::vector<place> places;
  for (auto i : messages) {
    auto message = history_.at(i);
    auto texts = countable_texts(message);
    places.push_back({i, static_cast<int>(texts.size()), fixed_tokens(message)});
    for (auto& text : texts)
      query.add_texts(std::move(text));
  }
  auto more_count = static_cast<int>(more.size());
  for (auto& text : more)
    query.add_texts(std::move(text));
  auto total = query.texts_size();
  request(options_->tokenizer, count_limit, CountTokens{std::move(query)})
      .then(
          [this, serial = turn.serial, places, more_count, total,
           go_on](const TokensCounted& answer) {
            if (find(serial) == nullptr)
              return;
            if (answer->counts_size() != total) {
              go_on(make_error(ec::internal, "the tokenizer did not count every text"));
              return;
            }
            int at = 0;
            for (const auto& x : places) {
              auto sum = x.fixed;
              for (int i = 0; i < x.texts; ++i)
                sum += answer->counts(at++);
              history_.set_tokens(x.message, static_cast<std::int32_t>(sum));
            }
            std::vector<std::int64_t> counts;
            for (int i = 0; i < more_count; ++i)
              counts.push_back(answer->counts(at++));
            go_on(std::move(counts));
          },
          [go_on](const caf::error& err) { go_on(err); });
}

// `fixed` 0: everything fits, as its bytes showed.
void session_state::choose(open_turn& turn, std::int64_t fixed) {
  std::vector<window_item> items;
  for (std::size_t i = 0; i < history_.size(); ++i)
    items.push_back({history_.role(i), fixed == 0 ? 0 : std::int64_t{history_.tokens(i)}});
  const auto& route = *turn.step->route;
  auto budget = prompt_budget(route.context_window_tokens(), options_->config.context_tokens_max,
                              options_->config.reply_tokens_reserved,
                              max_tokens_of(turn.turn->params_json()));
  auto choice = choose_window(items, fixed, budget, !history_.truncated());
  if (!choice.fits) {
    finish(turn, {v1::TURN_STATUS_FAILED,
                  make_error(ec::context_too_long,
                             fmt::format("the message has {} tokens with its system prompt and "
                                         "tools; {} takes at most {} beside its answer: send less",
                                         choice.tokens, turn.turn->model(), budget))});
    return;
  }
  turn.step->first = choice.first;
  examine(turn, request_of(turn), 0);
}

v1::StartCompletion session_state::request_of(const open_turn& turn) const {
  std::vector<v1::Message> messages;
  if (auto system = system_prompt(); !system.empty())
    messages.push_back(system_message(system));
  for (auto i = turn.step->first; i < history_.size(); ++i)
    messages.push_back(history_.at(i));
  prepare_for_model(messages);
  v1::StartCompletion request;
  *request.mutable_context() = context_of(turn);
  *request.mutable_route() = *turn.step->route;
  request.set_model(turn.turn->model());
  for (auto& message : messages)
    *request.add_messages() = std::move(message);
  request.set_params_json(turn.turn->params_json());
  request.set_tools_json(turn.turn->tools_json());
  request.set_max_answer_bytes(options_->config.answer_bytes_max);
  return request;
}

void session_state::examine(open_turn& turn, v1::StartCompletion request, std::size_t stage) {
  const auto& all = options_->pipeline.window;
  if (stage >= all.size()) {
    ask_model(turn, std::move(request));
    return;
  }
  auto serial = enter(turn, turn_phase::examining);
  std::weak_ptr<char> alive = work().watch();
  std::string name{all[stage]->name()};
  auto go_on = call_once<window_stage::verdict>(
      [this, alive, serial, stage](window_stage::verdict verdict) {
        if (alive.expired())
          return;
        if (auto* turn = find(serial))
          examined(*turn, std::move(verdict), stage);
      },
      [name]() -> window_stage::verdict {
        return make_error(ec::internal, "the stage " + name + " dropped the turn");
      });
  all[stage]->examine(stages(), *turn.turn, std::move(request), std::move(go_on));
}

void session_state::examined(open_turn& turn, window_stage::verdict verdict, std::size_t stage) {
  if (auto* request = std::get_if<v1::StartCompletion>(&verdict))
    examine(turn, std::move(*request), stage + 1);
  else if (auto* ready = std::get_if<ready_answer>(&verdict))
    answer_ready(turn, std::move(*ready));
  else
    finish(turn, {v1::TURN_STATUS_FAILED, std::get<caf::error>(verdict)});
}

void session_state::ask_model(open_turn& turn, v1::StartCompletion request) {
  auto serial = enter(turn, turn_phase::answering);
  turn.step->answer = open_filters(turn, false);
  auto& step = *turn.step;
  step.completion_id = new_id(now_us());
  step.open = true;
  request.set_completion_id(step.completion_id.str());
  // The longest part of a turn begins: it keeps only what it needs for that.
  step.route.reset();
  history_.compact();
  if (history_.index_of(turn.turn->message_id()))
    turn.question.reset();
  turn.turn.pack();
  this->request(options_->upstream, start_limit, StartCompletion{std::move(request)},
                caf::actor_cast<completion_sink_actor>(self_))
      .then([](const Done&) {},
            [this, serial](const caf::error& err) {
              auto* turn = find(serial);
              if (turn != nullptr && turn->phase == turn_phase::answering)
                finish(*turn, {v1::TURN_STATUS_FAILED, err});
            });
}

} // namespace troupe
