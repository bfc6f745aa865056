#include "gateway/openai/openai_call.hpp"

#include "config/assign.hpp"
#include "gateway/openai/shapes.hpp"
#include "gateway/upstream/token_count.hpp"
#include "messages/clock.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::gateway::openai {

namespace {

constexpr std::size_t error_body_bytes_max = 131'072;
constexpr std::string_view json_type = "application/json";

} // namespace

asio::awaitable<void> reply_failure(exchange& x, caf::error err, std::string_view retry_after) {
  const auto& row = info(err);
  auto body = error_json(err);
  header_list headers;
  if (!retry_after.empty())
    headers.emplace_back("Retry-After", retry_after);
  else if (row.code == ec::overloaded || row.code == ec::store_unavailable
           || row.code == ec::draining)
    headers.emplace_back("Retry-After", "1");
  if (row.code == ec::unauthenticated)
    headers.emplace_back("WWW-Authenticate", "Bearer");
  x.note("error", std::string{row.name});
  co_await x.reply(row.http_status, json_type, std::move(body), std::move(headers));
}

caf::error unknown_model(const std::string& model, const std::vector<std::string>& known) {
  auto text = fmt::format("The model \"{}\" does not exist here", model);
  auto left = known;
  std::vector<std::string> close;
  while (close.size() < 3) {
    auto name = config::nearest(model, left);
    if (name.empty())
      break;
    std::erase(left, name);
    close.push_back(std::move(name));
  }
  for (const auto& name : left) // gpt-4o for gpt-4o-2024-05-13, and the other way round
    if (close.size() < 3 && model.size() >= 3
        && (name.starts_with(model) || model.starts_with(name)))
      close.push_back(name);
  if (!close.empty())
    text += fmt::format(". Did you mean {}?", fmt::join(close, ", "));
  else if (!known.empty() && known.size() <= 10)
    text += fmt::format(". There are: {}.", fmt::join(known, ", "));
  else
    text += ". GET /v1/models lists those that do.";
  return make_error(ec::model_not_found, std::move(text));
}

call::call(site_ptr site, exchange& x, const operation& what) :
    site_(std::move(site)), options_(&site_->options), x_(x), what_(what) {
  record_.set_operation(std::string{what.name});
  record_.set_started_us(x.started_us());
  x_.on_disconnect([this] { stop_.cancel(); });
}

call::~call() {
  answer_.reset();
  x_.on_disconnect(nullptr);
}

asio::awaitable<void> call::serve() {
  bool goes_on = true;
  if (const auto* who = options_->who->recognise(x_, "openai"))
    know(**who);
  else
    goes_on = co_await authorize();
  if (goes_on)
    if (auto err = take_request()) {
      co_await reply_failure(x_, std::move(err));
      goes_on = false;
    }
  if (goes_on && watches(v1::TEXT_DIRECTION_USER))
    if (auto refused = is_short(x_.body()) ? moderate_request() : caf::error{}) {
      co_await reply_failure(x_, std::move(refused));
      goes_on = false;
    }
  if (goes_on && watches(v1::TEXT_DIRECTION_USER) && !is_short(x_.body()))
    goes_on = co_await moderate_long_request();
  if (goes_on && !know_route())
    goes_on = co_await find_route();
  if (goes_on)
    goes_on = co_await ask_upstream();
  if (!goes_on)
    co_return;
  if (answer_->status() >= 400)
    co_await pass_error();
  else if (facts_.stream && what_.streams)
    co_await pass_stream();
  else
    co_await pass_whole();
}

asio::awaitable<bool> call::authorize() {
  std::string scope{"openai"};
  auto who = co_await options_->who->authorize(x_, std::move(scope));
  if (who) {
    know(**who);
    co_return true;
  }
  co_await reply_failure(x_, std::move(who.error()));
  co_return false;
}

void call::know(const v1::Principal& who) {
  record_.set_principal_id(who.id());
  origin_.tenant_id = who.tenant_id();
}

caf::error call::take_request() {
  auto err = read_request(x_.body(), facts_);
  if (!err && options_->not_now)
    err = options_->not_now();
  if (!err)
    calls_ = options_->upstreams_of(x_.shard());
  if (!err && !calls_)
    err = make_error(ec::draining, "the node is not ready; try again later");
  if (err)
    return err;
  record_.set_model(facts_.model);
  record_.set_streamed(facts_.stream && what_.streams);
  record_.set_request_id(std::string{x_.request_id()});
  return {};
}

bool call::know_route() {
  route_name_.assign(what_.name).append("/").append(facts_.model);
  const auto* known = site_->routes.find(x_.shard(), route_name_, x_.started_us());
  if (known == nullptr)
    return false;
  if (options_->probe != nullptr)
    options_->probe->routes.fetch_add(1, std::memory_order_relaxed);
  route_ = *known;
  return true;
}

asio::awaitable<bool> call::find_route() {
  auto stamp = site_->routes.stamp();
  v1::GetRoute query;
  *query.mutable_context() = x_.context();
  query.set_model(facts_.model);
  query.set_operation(what_.kind);
  GetRoute message{std::move(query)};
  auto route = co_await ask<Route>(x_.shard(), options_->models, options_->ask_limit, message);
  if (route) {
    route_ = std::move(*route);
    site_->routes.keep(x_.shard(), route_name_, route_, stamp, x_.started_us());
    co_return true;
  }
  auto err = std::move(route.error());
  if (info(err).code == ec::model_not_found) {
    ListModels all;
    auto models = co_await ask<ModelList>(x_.shard(), options_->models, options_->ask_limit, all);
    std::vector<std::string> names;
    if (models)
      for (const auto& model : (*models)->models())
        names.push_back(model.id());
    err = unknown_model(facts_.model, names);
  }
  co_await reply_failure(x_, std::move(err));
  co_return false;
}

asio::awaitable<bool> call::ask_upstream() {
  upstream_call request;
  request.path = what_.upstream_path;
  request.accept = facts_.stream ? "text/event-stream" : json_type;
  request.traceparent = x_.traceparent();
  request.request_id = x_.request_id();
  request.deadline_us = x_.deadline_us();
  request.body_for = [this](const v1::RouteTarget& target, const config::upstream_section&) {
    auto edits = edits_for(facts_, target.upstream_model(), what_.streams);
    if (!text_edits_.empty()) {
      edits.insert(edits.end(), text_edits_.begin(), text_edits_.end());
      std::sort(edits.begin(), edits.end(),
                [](const body_edit& a, const body_edit& b) { return a.at < b.at; });
    }
    return edits.empty() ? upstream_body::borrow(x_.body())
                         : upstream_body{splice(x_.body(), edits)};
  };
  auto answer = co_await calls_->call(*route_, std::move(request), stop_);
  if (answer) {
    answer_ = std::move(*answer);
    record_.set_deployment(answer_->deployment());
    record_.set_upstream_model(answer_->upstream_model());
    record_.set_first_byte_us(answer_->first_byte_us());
    x_.note("upstream", answer_->deployment());
    co_return true;
  }
  auto err = std::move(answer.error());
  if (stop_.cancelled() || x_.disconnected()) {
    settle(v1::ENDING_CLIENT_LEFT, 499);
    co_return false;
  }
  settle(v1::ENDING_UPSTREAM_FAILED, info(err).http_status);
  co_await reply_failure(x_, std::move(err));
  co_return false;
}

/// An upstream's refusal, in OpenAI's shape: as it is if it has that already.
asio::awaitable<void> call::pass_error() {
  auto body = co_await answer_->read_all(error_body_bytes_max);
  auto status = answer_->status();
  std::string retry_after{answer_->header("retry-after")};
  settle(status >= 500 || status == 429 ? v1::ENDING_UPSTREAM_FAILED : v1::ENDING_FINISHED, status);
  if (!body || !is_error_object(*body)) {
    auto err = read_error(status, body ? *body : std::string{}, answer_->deployment());
    co_await reply_failure(x_, std::move(err), retry_after);
    co_return;
  }
  header_list headers;
  if (!retry_after.empty())
    headers.emplace_back("Retry-After", std::move(retry_after));
  co_await x_.reply(status, json_type, std::move(*body), std::move(headers));
}

asio::awaitable<void> call::pass_whole() {
  caf::expected<std::string> body{std::string{}};
  auto here = answer_->take_all(options_->answer_bytes_max);
  if (here) { // as a rule: without a coroutine
    body = std::move(*here);
  } else {
    auto read = co_await answer_->read_all(options_->answer_bytes_max);
    body = std::move(read);
  }
  std::optional<v1::Usage> usage;
  caf::error err;
  auto kind = whole_kind::malformed;
  auto looked_at = what_.streams && watches(v1::TEXT_DIRECTION_MODEL);
  if (!body)
    err = std::move(body.error());
  else if (looked_at)
    kind = read_whole(*body, usage, said_);
  else if (read_whole(*body, usage))
    kind = whole_kind::good;
  if (!err && kind == whole_kind::malformed)
    err = make_error(ec::upstream_broken, answer_->deployment() + ": its answer is no JSON object");
  if (err) {
    bool left = stop_.cancelled() || x_.disconnected();
    settle(left ? v1::ENDING_CLIENT_LEFT : v1::ENDING_UPSTREAM_FAILED,
           left ? 499 : info(err).http_status);
    co_await reply_failure(x_, std::move(err));
    co_return;
  }
  std::string uncounted; // the answer, whatever of it goes on
  if (usage)
    note_usage(*usage);
  else
    uncounted = *body;
  auto readable = kind == whole_kind::good;
  if (readable && looked_at && is_short(*body)) {
    readable = moderate_whole(*body);
  } else if (readable && looked_at) {
    auto read = co_await moderate_long_whole(*body);
    readable = read;
  }
  if (!usage) {
    auto text = texts_of_whole(uncounted);
    co_await count_usage_of(std::move(text));
  }
  if (!readable) { // what cannot be looked at does not go on
    err = make_error(ec::upstream_broken,
                     answer_->deployment() + ": its answer has texts that cannot be read");
    settle(v1::ENDING_UPSTREAM_FAILED, info(err).http_status);
    co_await reply_failure(x_, std::move(err));
    co_return;
  }
  auto status = answer_->status();
  header_list headers;
  headers.emplace_back("X-Upstream", answer_->deployment());
  settle(x_.disconnected() ? v1::ENDING_CLIENT_LEFT : v1::ENDING_FINISHED, status);
  co_await x_.reply(status, json_type, std::move(*body), std::move(headers));
}

asio::awaitable<void> call::count_usage_of(std::string answer_text) {
  auto context = x_.context();
  auto texts = text_edits_.empty() ? texts_of_request(x_.body())
                                   : texts_of_request(splice(x_.body(), text_edits_));
  auto usage = co_await count_usage(x_.shard(), options_->tokenizer, context, route_->vocabulary(),
                                    facts_.model, std::move(texts), std::move(answer_text));
  note_usage(usage);
}

void call::settle(v1::Ending ending, int status) {
  if (std::exchange(settled_, true))
    return;
  record_.set_ending(ending);
  record_.set_http_status(status);
  record_.set_total_us(system_clock()->now_us() - record_.started_us());
  options_->usage->put(std::move(record_));
}

} // namespace troupe::gateway::openai
