#include "gateway/server/request_exchange.hpp"

#include "gateway/server/replies.hpp"
#include "gateway/server/streams.hpp"
#include "gateway/server/url.hpp"
#include "messages/clock.hpp"
#include "messages/id.hpp"

#include <algorithm>
#include <chrono>

namespace troupe::gateway {

namespace {

std::int64_t wall_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

// Who the client is behind the proxies that are trusted: the last address none of them is.
std::string behind_proxies(std::string_view forwarded, const admissions& doors,
                           const std::string& direct) {
  auto who = direct;
  while (!forwarded.empty()) {
    auto comma = forwarded.rfind(',');
    auto last = comma == forwarded.npos ? forwarded : forwarded.substr(comma + 1);
    forwarded = comma == forwarded.npos ? std::string_view{} : forwarded.substr(0, comma);
    auto begin = last.find_first_not_of(" \t");
    auto end = last.find_last_not_of(" \t");
    if (begin == last.npos)
      break;
    error_code e;
    auto address = asio::ip::make_address(std::string{last.substr(begin, end - begin + 1)}, e);
    if (e)
      break;
    who = address.to_string();
    if (!doors.trusted(address))
      break;
  }
  return who;
}

} // namespace

request_exchange::request_exchange(connection& c, request_head head) :
    c_(c),
    head_(std::move(head)),
    started_us_(wall_us()),
    began_us_(shard::now_us()),
    bytes_before_(c.bytes_out()) {
  if (head_.path().find('%') != std::string_view::npos)
    decoded_path_ = std::string_view{percent_decode(head_.path()).value_or("")};
  if (c.remote_trusted()) {
    auto given = head_.field("x-request-id");
    if (is_id(given))
      request_id_ = given;
    remote_ = behind_proxies(head_.field("x-forwarded-for"), *c.core().doors, c.remote());
  }
  if (request_id_.empty())
    request_id_ = new_id(started_us_);
}

request_exchange::~request_exchange() = default;

std::string_view request_exchange::path() const {
  return decoded_path_.empty() ? head_.path() : decoded_path_.view();
}

std::string_view request_exchange::query(std::string_view name) const {
  if (!query_)
    query_ = parse_query(head_.query());
  for (const auto& [key, value] : *query_)
    if (key == name)
      return value;
  return {};
}

std::string_view request_exchange::param(std::string_view name) const {
  for (const auto& [key, value] : params_)
    if (key == name)
      return value;
  return {};
}

std::string_view request_exchange::traceparent() const {
  if (traceparent_.empty())
    traceparent_ = child_traceparent(head_.field("traceparent"));
  return traceparent_;
}

v1::Context request_exchange::context() const {
  v1::Context context;
  context.set_request_id(request_id_.str());
  context.set_traceparent(std::string{traceparent()});
  context.set_deadline_us(deadline_us());
  if (principal_) {
    const auto& who = **principal_;
    context.set_principal_id(who.id());
    context.set_tenant_id(who.tenant_id());
    const auto& scopes = who.scopes();
    context.set_admin(std::find(scopes.begin(), scopes.end(), "admin") != scopes.end());
  }
  return context;
}

std::int64_t request_exchange::deadline_us() const {
  return started_us_ + c_.core().config.request_limit_ms * 1'000;
}

void request_exchange::on_disconnect(std::function<void()> handler) {
  on_disconnect_ = std::move(handler);
  if (!on_disconnect_)
    return;
  if (c_.gone())
    client_left();
  else
    c_.watch();
}

bool request_exchange::disconnected() const {
  c_.watch();
  return c_.gone();
}

void request_exchange::client_left() {
  if (state_ == answer::ended)
    return;
  if (auto handler = std::exchange(on_disconnect_, nullptr))
    handler();
}

void request_exchange::note(std::string_view key, std::string value) {
  if (c_.core().access_log)
    notes_.emplace_back(key, std::move(value));
}

void request_exchange::route(router::match& found) {
  options_ = found.options;
  params_ = std::move(found.params);
  openai_errors_ =
      options_ != nullptr ? options_->openai_errors : c_.core().routes.openai_errors(head_.path());
}

// -- answers --------------------------------------------------------------------------------------

std::string request_exchange::head_text(int status, std::string_view content_type,
                                        std::optional<std::uint64_t> length,
                                        const header_list& headers, bool chunked) {
  std::string out;
  out.reserve(256);
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += reason_of(status);
  out += "\r\nDate: ";
  out += c_.site().date_now();
  out += "\r\n";
  if (!content_type.empty())
    append_field(out, "Content-Type", content_type);
  if (length)
    append_clean_field(out, "Content-Length", std::to_string(*length));
  if (chunked)
    out += "Transfer-Encoding: chunked\r\n";
  append_clean_field(out, "X-Request-Id", request_id_);
  for (const auto& [name, value] : headers)
    if (is_token(name))
      append_field(out, name, value);
  append_cors(out, *this, c_.core().config);
  if (!c_.keeps())
    out += "Connection: close\r\n";
  out += "\r\n";
  return out;
}

void request_exchange::begin_answer(int status) {
  status_ = status;
  if (c_.core().draining)
    c_.close_after();
}

asio::awaitable<void> request_exchange::reply(int status, std::string_view content_type,
                                              std::string body, header_list headers) {
  if (state_ != answer::none)
    throw std::logic_error("a request was answered twice");
  begin_answer(status);
  state_ = answer::ended;
  bool bodyless = status == 204 || status == 304 || status < 200;
  std::optional<std::uint64_t> length;
  if (!bodyless)
    length = body.size();
  auto head = head_text(status, content_type, length, headers, false);
  std::string_view rest = bodyless || headless() ? std::string_view{} : std::string_view{body};
  if (!c_.send({head, rest}))
    co_await c_.written();
}

asio::awaitable<std::unique_ptr<body_stream>>
request_exchange::start_body(int status, std::string_view content_type, header_list headers) {
  if (state_ != answer::none)
    throw std::logic_error("a request was answered twice");
  begin_answer(status);
  std::optional<std::uint64_t> length;
  std::erase_if(headers, [&](const auto& h) {
    if (h.first != "Content-Length")
      return false;
    length = std::stoull(h.second);
    return true;
  });
  bool chunked = !length && !head_.http_1_0();
  if (!length && !chunked)
    c_.close_after();
  state_ = answer::streaming;
  streamed_ = true;
  c_.send({head_text(status, content_type, length, headers, chunked)});
  co_return make_body_stream(c_, *this, length, chunked);
}

void request_exchange::stream_events(std::shared_ptr<event_source> source, header_list headers) {
  if (state_ != answer::none)
    throw std::logic_error("a request was answered twice");
  begin_answer(200);
  bool chunked = !head_.http_1_0();
  if (!chunked)
    c_.close_after();
  if (!head_.field("traceparent").empty())
    traceparent(); // for the log
  headers.emplace_back("Cache-Control", "no-store");
  headers.emplace_back("X-Accel-Buffering", "no");
  state_ = answer::streaming;
  streamed_ = true;
  c_.send({head_text(200, "text/event-stream", {}, headers, chunked)});
  // What was asked is not needed any more.
  head_.forget_fields();
  std::string{}.swap(body_);
  decltype(params_){}.swap(params_);
  query_.reset();
  events_ = make_event_stream(c_, *this, chunked, source);
  source->begin(*events_);
}

void request_exchange::answer_too_long() {
  if (state_ != answer::none || c_.writing())
    return;
  c_.close_after();
  const auto& row = about(refusal::request_too_long);
  begin_answer(row.status);
  auto body = error_text(openai_errors_, row.name, "server_error", row.sentence, request_id_);
  auto head = head_text(row.status, "application/json", body.size(), {}, false);
  c_.send({head, headless() ? std::string_view{} : std::string_view{body}});
  state_ = answer::ended;
}

// -- what is left of it ---------------------------------------------------------------------------

void request_exchange::account(std::int64_t now_us, std::string_view ending) {
  auto took_us = now_us - began_us_;
  auto& probe = c_.core().probe_of(options_);
  auto status_class = static_cast<std::size_t>(status_ / 100);
  probe.by_class[status_class < probe.by_class.size() ? status_class : 0].fetch_add(
      1, std::memory_order_relaxed);
  probe.latency.add_ns(static_cast<std::uint64_t>(took_us) * 1'000);
  if (!c_.core().access_log || !log_enabled(log_level::info))
    return;
  std::vector<log_field> fields;
  fields.reserve(12 + notes_.size());
  fields.emplace_back("method", method());
  fields.emplace_back("path", path());
  fields.emplace_back("status", status_);
  fields.emplace_back("bytes", c_.bytes_out() - bytes_before_);
  fields.emplace_back("took_us", took_us);
  fields.emplace_back("remote", remote_address());
  fields.emplace_back("request_id", request_id_.view());
  if (!traceparent_.empty() || !head_.field("traceparent").empty())
    fields.emplace_back("trace_id", trace_id_of(traceparent()));
  if (principal_)
    fields.emplace_back("principal", (*principal_)->id());
  if (!ending.empty())
    fields.emplace_back("ending", ending);
  for (auto& n : notes_)
    fields.push_back(std::move(n));
  log_line(log_level::info, "request", fields);
}

} // namespace troupe::gateway
