#include "gateway/upstream/completion_runner.hpp"

#include "gateway/upstream/token_count.hpp"
#include "messages/clock.hpp"
#include "messages/failure.hpp"
#include "messages/log.hpp"
#include "messages/thin_string.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

namespace troupe::gateway {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t error_body_bytes_max = 65'536;
/// How long an answer that is over may stay silent before its end mark is no longer waited for.
constexpr milliseconds end_grace{250};
constexpr milliseconds usage_grace{2'000};
constexpr std::int64_t answer_bytes_default = 8'388'608;

std::string last_user_text(const v1::StartCompletion& start) {
  for (int i = start.messages_size() - 1; i >= 0; --i) {
    const auto& message = start.messages(i);
    if (message.role() != v1::ROLE_USER)
      continue;
    std::string text;
    for (const auto& part : message.parts())
      text += part.text().text();
    return text;
  }
  return {};
}

std::int64_t demo_prompt_tokens(const v1::StartCompletion& start) {
  std::int64_t tokens = 0;
  for (const auto& text : prompt_texts(start))
    tokens += demo_reply::count_tokens(text);
  return tokens;
}

} // namespace

class demo_completion final : public running_completion,
                              public demo_run,
                              public std::enable_shared_from_this<demo_completion> {
public:
  demo_completion(completion_runner& runner, running_completion one,
                  const config::upstream_section& section) :
      running_completion(std::move(one)),
      demo_run(*runner.where_.shard, demo_reply{last_user_text(*start), demo_options_of(section)},
               demo_options_of(section)),
      runner_(runner),
      prompt_tokens_(demo_prompt_tokens(*start)),
      deployment_(start->route().targets(0).deployment()),
      model_(start->route().targets(0).upstream_model()) {
    start = {};
  }

private:
  void said(std::string text, bool ended) override {
    auto self = shared_from_this(); // it may be cancelled meanwhile
    auto events = runner_.events_for(*this);
    runner_.tell_started(*this, events, deployment_.str(), model_.str());
    if (!text.empty())
      events.add_events()->mutable_delta()->set_text(std::move(text));
    told_content = true;
    if (ended) {
      auto* finished = events.add_events()->mutable_finished();
      finished->set_finish_reason(std::string{reply().finish_reason()});
      *finished->mutable_usage() = reply().usage(prompt_tokens_);
      finished->set_model(model_.str());
    }
    runner_.send(*this, std::move(events));
    if (ended)
      runner_.end(*this);
  }

  completion_runner& runner_; // which owns this
  std::int64_t prompt_tokens_;
  thin_string deployment_;
  thin_string model_;
};

completion_runner::completion_runner(upstream_shard where, tokenizer_actor tokenizer,
                                     std::shared_ptr<std::atomic<std::size_t>> running) :
    where_(std::move(where)),
    tokenizer_(std::move(tokenizer)),
    count_running_(std::move(running)) {}

void completion_runner::start(StartCompletion command, completion_sink_actor sink) {
  auto id = command->completion_id();
  auto one = std::make_shared<running_completion>(
      running_completion{running_completion::counted{count_running_}, std::move(id),
                         std::move(command), std::move(sink)});
  asio::dispatch(where_.shard->context(),
                 [self = shared_from_this(), one = std::move(one)]() mutable {
                   self->launch(std::move(one));
                 });
}

void completion_runner::cancel(std::string completion_id) {
  asio::dispatch(where_.shard->context(),
                 [self = shared_from_this(), id = std::move(completion_id)] {
                   auto found = self->running_.find(std::string_view{id});
                   if (found == self->running_.end())
                     return;
                   auto one = *found;
                   self->running_.erase(found);
                   one->stop.cancel();
                 });
}

void completion_runner::launch(running_ptr one) {
  std::shared_ptr<demo_completion> demo;
  if (const auto* section = demo_of(*one))
    one = demo = std::make_shared<demo_completion>(*this, std::move(*one), *section);
  if (!running_.insert(one).second) {
    log_warn("completion_started_twice", {{"completion_id", one->id}});
    return;
  }
  if (demo) {
    demo->begin();
    return;
  }
  auto ended = [self = shared_from_this(), one](std::exception_ptr thrown) {
    self->end(*one);
    if (!thrown)
      return;
    log_error("completion_threw", {{"completion_id", one->id}});
    auto events = self->events_for(*one);
    auto* failed = events.add_events()->mutable_failed();
    *failed->mutable_failure() = failure_of(make_error(ec::internal));
    failed->set_after_first_byte(one->told_content);
    self->send(*one, std::move(events));
  };
  asio::co_spawn(where_.shard->context(), run_upstream(std::move(one)), std::move(ended));
}

/// The demo that answers in process, if the route begins with one.
const config::upstream_section* completion_runner::demo_of(const running_completion& one) const {
  const auto& targets = one.start->route().targets();
  const auto* first = targets.empty() ? nullptr : where_.calls->find(targets[0].deployment());
  return first != nullptr && first->dialect == "demo" ? first : nullptr;
}

asio::awaitable<void> completion_runner::run_upstream(running_ptr shared) {
  auto& one = *shared;
  const auto& start = *one.start;
  const dialect* speaks = find_dialect("openai");
  upstream_call request;
  request.path = speaks->chat_path();
  request.accept = "text/event-stream";
  request.traceparent = start.context().traceparent();
  request.request_id = start.context().request_id();
  request.deadline_us = start.context().deadline_us();
  // Made once for the first target: others as a rule call the model the same.
  const auto& first_model =
      start.route().targets_size() > 0 ? start.route().targets(0).upstream_model() : start.model();
  auto first_body = speaks->chat_body(start, first_model);
  if (!first_body) {
    co_await fail(one, std::move(first_body.error()), nullptr);
    co_return;
  }
  request.body_for = [&](const v1::RouteTarget& target, const config::upstream_section&) {
    if (target.upstream_model() == first_model)
      return upstream_body::borrow(*first_body);
    auto body = speaks->chat_body(start, target.upstream_model());
    return upstream_body{body ? std::move(*body) : std::string{}};
  };
  auto answer = co_await where_.calls->call(start.route(), std::move(request), one.stop);
  if (!answer) {
    co_await fail(one, std::move(answer.error()), nullptr);
    co_return;
  }
  auto& given = **answer;
  if (given.status() >= 400) {
    auto body = co_await given.read_all(error_body_bytes_max);
    std::string text = body ? std::move(*body) : std::string{};
    auto err = speaks->error_of(given.status(), text, given.deployment());
    co_await fail(one, std::move(err), nullptr);
    co_return;
  }
  auto decoder = speaks->decoder(given.deployment());
  co_await relay(one, given, *decoder);
}

asio::awaitable<void> completion_runner::relay(running_completion& one, upstream_answer& answer,
                                               completion_decoder& decoder) {
  auto bytes_max =
      one.start->max_answer_bytes() > 0 ? one.start->max_answer_bytes() : answer_bytes_default;
  while (!decoder.done()) {
    auto piece = co_await answer.read();
    if (!piece) {
      co_await fail(one, std::move(piece.error()), &decoder);
      co_return;
    }
    if (piece->empty())
      break;
    auto events = events_for(one);
    tell_started(one, events, answer.deployment(), answer.upstream_model());
    auto failed = decoder.feed(*piece, events);
    bool content = !decoder.text().empty();
    one.told_content = one.told_content || content;
    if (events.events_size() != 0)
      send(one, std::move(events));
    if (failed) {
      co_await fail(one, std::move(failed), &decoder);
      co_return;
    }
    if (static_cast<std::int64_t>(decoder.text().size()) > bytes_max) {
      co_await finish(one, decoder, "length"); // the answer's destructor hangs up
      co_return;
    }
    if (decoder.finished())
      answer.expect_end_within(decoder.usage() ? end_grace : usage_grace);
  }
  if (auto err = decoder.end())
    co_await fail(one, std::move(err), &decoder);
  else
    co_await finish(one, decoder, decoder.finish_reason());
  co_await drain(answer);
}

asio::awaitable<void> completion_runner::finish(running_completion& one,
                                                const completion_decoder& decoder,
                                                std::string_view finish_reason) {
  v1::Usage usage;
  if (decoder.usage())
    usage = *decoder.usage();
  else
    usage = co_await count(one, decoder.text());
  auto events = events_for(one);
  auto* finished = events.add_events()->mutable_finished();
  finished->set_finish_reason(finish_reason.empty() ? "stop" : std::string{finish_reason});
  *finished->mutable_usage() = std::move(usage);
  finished->set_model(decoder.model());
  send(one, std::move(events));
}

asio::awaitable<void> completion_runner::fail(running_completion& one, caf::error err,
                                              const completion_decoder* decoder) {
  // Cancelled, and not by the one who asked: the node goes away, and the turn is not over.
  if (one.stop.cancelled() || info(err).code == ec::cancelled)
    co_return;
  auto events = events_for(one);
  auto* failed = events.add_events()->mutable_failed();
  *failed->mutable_failure() = failure_of(err);
  failed->set_after_first_byte(one.told_content);
  if (decoder != nullptr && one.told_content) {
    v1::Usage usage;
    if (decoder->usage())
      usage = *decoder->usage();
    else
      usage = co_await count(one, decoder->text());
    *failed->mutable_usage() = std::move(usage);
  }
  send(one, std::move(events));
}

asio::awaitable<v1::Usage> completion_runner::count(const running_completion& one,
                                                    const std::string& text) {
  const auto& start = *one.start;
  auto prompt = prompt_texts(start);
  co_return co_await count_usage(*where_.shard, tokenizer_, start.context(),
                                 start.route().vocabulary(), start.model(), std::move(prompt),
                                 text);
}

/// Nothing more comes of it.
void completion_runner::end(const running_completion& one) {
  auto found = running_.find(std::string_view{one.id});
  if (found != running_.end() && found->get() == &one)
    running_.erase(found);
}

void completion_runner::let_go(std::shared_ptr<completion_runner> runner) {
  auto& io = runner->where_.shard->context();
  asio::post(io, [runner = std::move(runner)] {});
}

v1::CompletionEvents completion_runner::events_for(const running_completion& one) const {
  v1::CompletionEvents events;
  events.set_completion_id(one.id);
  return events;
}

void completion_runner::tell_started(running_completion& one, v1::CompletionEvents& events,
                                     const std::string& deployment, const std::string& model) {
  if (std::exchange(one.told_started, true))
    return;
  auto* started = events.add_events()->mutable_started();
  started->set_deployment(deployment);
  started->set_model(model);
}

void completion_runner::send(running_completion& one, v1::CompletionEvents events) {
  if (!one.stop.cancelled())
    tell(*where_.shard, one.sink, CompletionEvents{std::move(events)});
}

} // namespace troupe::gateway
