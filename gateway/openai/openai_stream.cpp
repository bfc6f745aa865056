// Streams of the OpenAI-compatible API: event by event from the upstream to the client.
#include "gateway/openai/openai_call.hpp"
#include "gateway/openai/shapes.hpp"
#include "gateway/upstream/token_count.hpp"
#include "messages/log.hpp"

namespace troupe::gateway::openai {

namespace {

constexpr int malformed_max = 8;
constexpr std::chrono::milliseconds end_grace{250};
constexpr std::chrono::milliseconds usage_grace{2'000};

void append_event(std::string& out, const sse_event& event) {
  if (!event.name.empty())
    out.append("event: ").append(event.name).push_back('\n');
  for (auto rest = event.data;;) {
    auto end = rest.find('\n');
    out.append("data: ").append(rest.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos)
      break;
    rest.remove_prefix(end + 1);
  }
  out.push_back('\n');
}

} // namespace

asio::awaitable<void> call::pass_stream() {
  header_list headers;
  headers.reserve(2);
  headers.emplace_back("Cache-Control", "no-cache");
  headers.emplace_back("X-Upstream", answer_->deployment());
  if (watches(v1::TEXT_DIRECTION_MODEL))
    guarded_ = std::make_unique<answer_guard>(options_->guard, origin());
  auto out = co_await x_.start_body(200, "text/event-stream; charset=utf-8", std::move(headers));
  if (co_await pass_events(*out)) {
    co_await end_stream(*out);
    co_return;
  }
  // The client left. What the model wrote until then was for it.
  answer_.reset();
  if (seen_.usage)
    note_usage(*seen_.usage);
  else if (received_)
    co_await count_usage_of(std::move(text_));
  settle(v1::ENDING_CLIENT_LEFT, 499);
}

/// Relays until the stream ends one way or the other; false once the client left.
asio::awaitable<bool> call::pass_events(body_stream& out) {
  auto comments = parser_.comments();
  while (!done_ && !failure_) {
    auto piece = co_await answer_->read();
    if (stop_.cancelled())
      co_return false;
    if (!piece) {
      failure_ = std::move(piece.error());
      break;
    }
    if (piece->empty())
      break;
    out_.reserve(piece->size() + 64);
    if (!parser_.feed(*piece, [this](const sse_event& event) { take_event(event); }))
      failure_ = make_error(ec::upstream_broken,
                            answer_->deployment() + ": an event of its stream is too long");
    if (out_.empty() && parser_.comments() != comments)
      out_ = ": keep-alive\n\n"; // it lives, and so does the client's connection
    comments = parser_.comments();
    if (!out_.empty())
      if (auto left = co_await out.write(out_))
        co_return false;
    std::string{}.swap(out_); // holds no memory while it waits
    if (text_.size() > options_->counted_bytes_max)
      co_await count_held_text();
    if (seen_.finished())
      answer_->expect_end_within(seen_.usage ? end_grace : usage_grace);
  }
  co_return true;
}

void call::take_event(const sse_event& event) {
  if (done_ || failure_)
    return;
  if (event.data == "[DONE]") {
    done_ = true;
    finish_guarded();
    return;
  }
  auto held = text_.size();
  said_.clear();
  switch (guarded_ ? read_chunk(event.data, seen_, text_, said_)
                   : read_chunk(event.data, seen_, text_)) {
    case chunk_kind::content:
      pass_chunk(event);
      break;
    case chunk_kind::usage:
      if (facts_.include_usage)
        append_event(out_, event);
      break;
    case chunk_kind::error:
      failure_ = read_error(502, event.data, answer_->deployment());
      break;
    case chunk_kind::malformed:
      log_warn("upstream_event_malformed", {{"upstream", answer_->deployment()},
                                            {"request_id", x_.request_id()},
                                            {"bytes", event.data.size()}});
      if (++malformed_ > malformed_max)
        failure_ =
            make_error(ec::upstream_broken, answer_->deployment() + ": its stream is no JSON");
      break;
  }
  received_ = received_ || text_.size() != held;
}

void call::pass_chunk(const sse_event& event) {
  if (guarded_)
    pass_guarded(event, guarded_->take(event.data, said_, instead_));
  else
    append_event(out_, event);
}

/// What was held back goes out before the end, if no choice said that it ends.
void call::finish_guarded() {
  if (guarded_)
    pass_guarded({}, guarded_->finish(instead_));
}

void call::pass_guarded(const sse_event& event, answer_guard::verdict verdict) {
  if (verdict == answer_guard::verdict::same) {
    if (!event.data.empty())
      append_event(out_, event);
    return;
  }
  for (const auto& chunk : instead_)
    append_event(out_, {event.name, chunk});
  instead_.clear();
  if (verdict == answer_guard::verdict::blocked) {
    blocked_ = done_ = true;
    x_.note("moderation", "blocked");
  }
}

/// The stream is over at the upstream's side, or was ended by the guard.
asio::awaitable<void> call::end_stream(body_stream& out) {
  if (blocked_)
    answer_.reset(); // what the model writes from now on is nobody's
  if (!failure_ && !done_ && !seen_.finished())
    failure_ = make_error(ec::upstream_broken,
                          answer_->deployment() + ": its stream ended before the answer did");
  bool usage_came = seen_.usage.has_value();
  if (usage_came)
    note_usage(*seen_.usage);
  else if (received_ || !failure_)
    co_await count_usage_of(std::move(text_));
  if (counted_tokens_ != 0 && !usage_came) {
    auto* usage = record_.mutable_usage();
    usage->set_completion_tokens(usage->completion_tokens() + counted_tokens_);
    usage->set_total_tokens(usage->total_tokens() + counted_tokens_);
  }
  if (failure_) {
    co_await break_stream(out, std::move(failure_));
    co_return;
  }
  out_.clear();
  if (facts_.include_usage && !usage_came) {
    answer_head head{seen_.id, seen_.model, record_.started_us() / 1'000'000,
                     what_.kind == v1::OPERATION_CHAT};
    append_usage_chunk(out_, head, record_.usage());
  }
  out_ += done_event;
  // Before its end leaves: a kill in between must not lose the line.
  settle(x_.disconnected() ? v1::ENDING_CLIENT_LEFT : v1::ENDING_FINISHED, 200);
  auto left = co_await out.write(out_);
  if (!left)
    co_await out.finish();
  if (answer_)
    co_await drain(*answer_);
}

/// Nothing that follows may look like a whole answer: an error event, no [DONE], and a connection
/// that breaks off.
asio::awaitable<void> call::break_stream(body_stream& out, caf::error err) {
  out_ = "data: ";
  out_ += error_json(err);
  out_ += "\n\n";
  x_.note("error", std::string{info(err).name});
  settle(v1::ENDING_UPSTREAM_FAILED, 200);
  co_await out.write(out_);
}

asio::awaitable<void> call::count_held_text() {
  auto context = x_.context();
  std::vector<std::string> none;
  auto text = std::exchange(text_, {});
  auto usage = co_await count_usage(x_.shard(), options_->tokenizer, context, route_->vocabulary(),
                                    facts_.model, std::move(none), std::move(text));
  counted_tokens_ += usage.completion_tokens();
}

} // namespace troupe::gateway::openai
