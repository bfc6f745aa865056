#include "tests/support/fake_models.hpp"

#include <caf/send.hpp>

#include <sstream>

namespace troupe::test {

void fake_call::send(std::vector<v1::CompletionEvent> events) const {
  v1::CompletionEvents batch;
  batch.set_completion_id(request.completion_id());
  for (auto& event : events)
    *batch.add_events() = std::move(event);
  caf::anon_send(sink, CompletionEvents{std::move(batch)});
}

upstream_actor::behavior_type fake_upstream(self_pointer<upstream_actor, fake_upstream_state>,
                                            fake_upstream_ptr data) {
  return {
      [data](const StartCompletion& x, const completion_sink_actor& sink) -> caf::result<Done> {
        if (data->refuse)
          if (auto err = data->refuse(*x))
            return err;
        if (!data->keep_calls) {
          fake_call call{*x, sink};
          data->on_start(call);
          return Done{};
        }
        std::scoped_lock lock{data->mutex};
        data->calls.push_back({*x, sink});
        if (data->on_start)
          data->on_start(data->calls.back());
        return Done{};
      },
      [data](const CancelCompletion& x) {
        std::scoped_lock lock{data->mutex};
        for (auto& call : data->calls)
          if (call.request.completion_id() == x->completion_id())
            call.cancelled = true;
      },
  };
}

v1::CompletionEvent started(const std::string& model) {
  v1::CompletionEvent event;
  event.mutable_started()->set_deployment("fake");
  event.mutable_started()->set_model(model);
  return event;
}

v1::CompletionEvent said(const std::string& text) {
  v1::CompletionEvent event;
  event.mutable_delta()->set_text(text);
  return event;
}

v1::CompletionEvent thought(const std::string& text) {
  v1::CompletionEvent event;
  event.mutable_delta()->set_reasoning(text);
  return event;
}

v1::CompletionEvent called(std::int32_t index, const std::string& id, const std::string& name,
                           const std::string& arguments) {
  v1::CompletionEvent event;
  auto& call = *event.mutable_tool_call();
  call.set_index(index);
  call.set_call_id(id);
  call.set_name(name);
  call.set_arguments(arguments);
  return event;
}

v1::CompletionEvent finished(const std::string& reason, std::int64_t prompt,
                             std::int64_t completion) {
  v1::CompletionEvent event;
  auto& end = *event.mutable_finished();
  end.set_finish_reason(reason);
  end.mutable_usage()->set_prompt_tokens(prompt);
  end.mutable_usage()->set_completion_tokens(completion);
  end.mutable_usage()->set_total_tokens(prompt + completion);
  return event;
}

v1::CompletionEvent broke(ec code, const std::string& text) {
  v1::CompletionEvent event;
  auto& failure = *event.mutable_failed()->mutable_failure();
  failure.set_code(std::string{info(code).name});
  failure.set_message(text);
  event.mutable_failed()->set_after_first_byte(true);
  return event;
}

std::function<void(fake_call&)> echo() {
  return [](fake_call& call) {
    std::string text;
    for (const auto& part : call.request.messages().rbegin()->parts())
      text += part.text().text();
    call.send({started(), said("echo: "), said(text), finished()});
  };
}

tokenizer_actor::behavior_type fake_tokenizer(self_pointer<tokenizer_actor, fake_tokenizer_state>,
                                              std::shared_ptr<fake_tokenizer_data> data) {
  return {[data](const CountTokens& x) -> caf::result<TokensCounted> {
    if (data->fail)
      return data->fail;
    ++data->calls;
    data->vocabulary = x->vocabulary();
    v1::TokensCounted answer;
    std::int64_t total = 0;
    for (const auto& text : x->texts()) {
      ++data->texts;
      std::istringstream words{text};
      std::int64_t count = 0;
      for (std::string word; words >> word;)
        ++count;
      answer.add_counts(count);
      total += count;
    }
    answer.set_total(total);
    answer.set_vocabulary(x->vocabulary());
    return TokensCounted{std::move(answer)};
  }};
}

std::string reading::text() const {
  std::string text;
  for (const auto& event : events) {
    if (event.has_restarted())
      text.clear();
    text += event.delta().text();
  }
  return text;
}

bool reading::ended() const {
  return !events.empty() && (events.back().has_finished() || events.back().has_failed());
}

v1::TurnStatus reading::status() const {
  if (!ended())
    return v1::TURN_STATUS_RUNNING;
  return events.back().has_failed() ? v1::TURN_STATUS_FAILED : events.back().finished().status();
}

bool reading::in_order() const {
  std::int64_t last = 0;
  for (const auto& event : events) {
    bool joined = event.has_delta();
    bool jumps = event.has_restarted() || (event.seq() & 0xffff'ffff) == 1;
    if (event.seq() <= last || (event.seq() != last + 1 && !joined && !jumps))
      return false;
    last = event.seq();
  }
  return true;
}

const v1::Message* reading::message() const {
  for (auto i = events.rbegin(); i != events.rend(); ++i)
    if (i->has_message())
      return &i->message().message();
  return nullptr;
}

turn_sink_actor::behavior_type reader(self_pointer<turn_sink_actor, reader_state>,
                                      reading_ptr data) {
  return {[data](const TurnEvents& batch) {
    for (const auto& event : batch->events())
      data->events.push_back(event);
  }};
}

} // namespace troupe::test
