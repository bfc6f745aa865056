// A connection's requests: read, routed, handled, refused.
#include "gateway/server/connection.hpp"
#include "gateway/server/replies.hpp"
#include "gateway/server/request_exchange.hpp"
#include "gateway/server/static_files.hpp"
#include "gateway/server/websocket.hpp"
#include "messages/id.hpp"

#include <fmt/format.h>

namespace troupe::gateway {

namespace {

constexpr std::size_t body_reserve_max = 65'536; // before a byte of it has come

} // namespace

asio::awaitable<void> connection::serve_requests() {
  const auto& config = site_.core.config;
  auto idle_us = shard::now_us();
  while (!site_.core.draining) {
    phase_ = phase::idle;
    auto limit_ms = bytes_out_ == 0 ? config.header_limit_ms : config.idle_limit_ms;
    set_due(due_phase, idle_us + limit_ms * 1'000);
    auto why = refusal::none;
    auto what = co_await read_request(why);
    if (what == got::refused)
      refuse_head(why);
    if (what != got::request)
      break;
    auto found = begin_request();
    if (wants_socket(found)) {
      phase_ = phase::handling;
      due_[due_phase] = 0;
      upgraded_ = co_await serve_websocket(*this, *x_, *found.socket, carry_);
      keep_ = false;
    } else {
      co_await answer(found);
      parked_ = x_->streams_events() && !stream_over_ && !gone_;
      if (parked_) {
        if (carry_.empty())
          std::string{}.swap(carry_); // it may be long until it is used again
        co_return;
      }
    }
    idle_us = finish_request();
    if (!keep_ || gone_)
      break;
  }
}

asio::awaitable<connection::got> connection::read_request(refusal& why) {
  head_scanner scanner;
  bool in_carry = !carry_.empty();
  for (bool more = !in_carry;; more = true) {
    if (more) {
      bool received = co_await receive();
      if (!received) {
        why = slow_;
        co_return slow_ == refusal::none ? got::end : got::refused;
      }
      if (in_carry)
        carry_.append(fresh_);
    }
    std::string_view bytes = in_carry ? std::string_view{carry_} : fresh_;
    auto state = scanner.scan(bytes, site_.core.limits);
    if (state == head_scanner::state::refused) {
      why = scanner.why();
      co_return got::refused;
    }
    if (state == head_scanner::state::complete) {
      request_head head;
      why = read_head(bytes.substr(0, scanner.size()), site_.core.limits, head);
      if (in_carry)
        carry_.erase(0, scanner.size());
      else
        carry_.assign(bytes.substr(scanner.size()));
      if (why != refusal::none)
        co_return got::refused;
      x_ = std::make_unique<request_exchange>(*this, std::move(head));
      co_return got::request;
    }
    if (phase_ == phase::idle) {
      phase_ = phase::head;
      set_due_in(due_phase, site_.core.config.header_limit_ms);
    }
    if (!in_carry)
      carry_.assign(bytes);
    in_carry = true;
  }
}

router::match connection::begin_request() {
  auto& core = site_.core;
  core.probe.requests_total.fetch_add(1, std::memory_order_relaxed);
  core.probe.requests_running.fetch_add(1, std::memory_order_relaxed);
  phase_ = phase::body;
  keep_ = x_->head().keep_alive() && !core.draining;
  auto found = core.routes.find(x_->method(), x_->head().path());
  x_->route(found);
  set_due(due_request, x_->began_us() + core.config.request_limit_ms * 1'000);
  return found;
}

bool connection::wants_socket(const router::match& found) const {
  return x_->head().wants_websocket() && found.socket != nullptr && x_->method() == "GET"
         && x_->head().framing() == body_framing::none;
}

// Reads the body if somebody wants it, then has the request answered.
asio::awaitable<void> connection::answer(router::match& found) {
  const auto& head = x_->head();
  auto why = refusal::none;
  std::uint64_t max = 0;
  if (found.handle != nullptr) {
    auto own = static_cast<std::uint64_t>(found.options->body_bytes_max);
    max = own != 0 ? own : static_cast<std::uint64_t>(site_.core.config.body_bytes_max);
    bool all_here =
        head.framing() == body_framing::length && head.content_length() <= carry_.size();
    if (all_here && head.content_length() <= max) { // as most are: without a coroutine
      x_->body_buffer().assign(carry_, 0, head.content_length());
      carry_.erase(0, head.content_length());
    } else if (head.framing() != body_framing::none) {
      why = co_await read_body(head, max, x_->body_buffer());
    }
    if (gone_)
      co_return;
  }
  bool ignored = found.handle == nullptr && head.framing() != body_framing::none;
  if (why != refusal::none || ignored) {
    unread_ = true;
    keep_ = false;
  }
  phase_ = phase::handling;
  due_[due_phase] = 0;
  slow_ = refusal::none;
  if (why != refusal::none) {
    std::string detail;
    if (why == refusal::body_too_large)
      detail = fmt::format(": at most {} bytes are taken here", max);
    co_await refuse(why, std::move(detail));
  } else if (found.handle != nullptr) {
    co_await handle(found);
  } else if (!found.allowed.empty()) {
    co_await options_or_405(found);
  } else {
    co_await file_or_404();
  }
  if (!x_->streams_events() && writing_)
    co_await written();
}

asio::awaitable<void> connection::handle(const router::match& found) {
  std::string failed;
  try {
    co_await (*found.handle)(*x_);
    if (x_->state() == request_exchange::answer::none && !gone_)
      failed = "the handler gave no answer";
  } catch (const std::exception& e) {
    failed = e.what();
  } catch (...) {
    failed = "an exception of unknown type";
  }
  x_->on_disconnect({});
  if (!failed.empty()) {
    site_.core.probe.handlers_failed.fetch_add(1, std::memory_order_relaxed);
    log_error("http_handler_failed",
              {{"request_id", x_->request_id()}, {"path", x_->path()}, {"error", failed}});
    if (x_->state() == request_exchange::answer::none && !gone_)
      co_await reply_error(*x_,
                           make_error(ec::internal, "the request failed inside; the log has it "
                                                    "under its request id"));
  }
  // The client must see that this is not the whole of it.
  if (x_->state() == request_exchange::answer::streaming
      && (!x_->streams_events() || !failed.empty()))
    cut("unfinished");
}

std::int64_t connection::finish_request() {
  if (gone_ && x_->state() != request_exchange::answer::ended)
    site_.core.probe.clients_left.fetch_add(1, std::memory_order_relaxed);
  auto now_us = shard::now_us();
  x_->account(now_us, gone_ ? gone_why_ : "");
  x_.reset();
  hook_ = nullptr;
  stream_over_ = false;
  due_[due_request] = due_[due_beat] = 0;
  site_.core.probe.requests_running.fetch_sub(1, std::memory_order_relaxed);
  return now_us;
}

// -- bodies ---------------------------------------------------------------------------------------

asio::awaitable<refusal> connection::read_body(const request_head& head, std::uint64_t max,
                                               std::string& body) {
  if (head.framing() == body_framing::length && head.content_length() > max)
    co_return refusal::body_too_large;
  if (head.expects_continue() && carry_.empty())
    send({"HTTP/1.1 100 Continue\r\n\r\n"});
  body_began_us_ = x_->began_us();
  body_received_ = 0;
  body_progress(0);
  if (head.framing() == body_framing::chunked)
    co_return co_await read_chunks(max, body);
  co_return co_await read_length(head.content_length(), body);
}

asio::awaitable<refusal> connection::read_length(std::uint64_t length, std::string& body) {
  body.reserve(std::min<std::uint64_t>(length, body_reserve_max));
  auto early = std::min<std::uint64_t>(length, carry_.size());
  body.append(carry_, 0, early);
  carry_.erase(0, early);
  while (body.size() < length) {
    bool received = co_await receive();
    if (!received)
      co_return slow_;
    auto take = std::min<std::uint64_t>(length - body.size(), fresh_.size());
    body.append(fresh_.substr(0, take));
    carry_.assign(fresh_.substr(take));
    body_progress(take);
  }
  co_return refusal::none;
}

asio::awaitable<refusal> connection::read_chunks(std::uint64_t max, std::string& body) {
  chunked_decoder decoder{max};
  std::string early = std::exchange(carry_, {});
  for (std::string_view bytes = early;;) {
    auto before = body.size();
    auto why = decoder.feed(bytes, body);
    if (why != refusal::none)
      co_return why;
    if (decoder.done()) {
      carry_.assign(bytes);
      co_return refusal::none;
    }
    body_progress(body.size() - before);
    bool received = co_await receive();
    if (!received)
      co_return slow_;
    bytes = fresh_;
  }
}

// -- answers of the server's own ------------------------------------------------------------------

asio::awaitable<void> connection::refuse(refusal why, std::string detail) {
  site_.core.probe.refused[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  x_->note("refused", std::string{about(why).name});
  header_list no_more;
  co_await reply_refusal(*x_, why, std::move(no_more), std::move(detail));
}

void connection::refuse_head(refusal why) {
  auto& core = site_.core;
  core.probe.requests_total.fetch_add(1, std::memory_order_relaxed);
  core.probe.refused[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  core.other->by_class[static_cast<std::size_t>(about(why).status / 100)].fetch_add(1);
  keep_ = false;
  unread_ = true;
  slow_ = refusal::none;
  auto id = new_id();
  send({refusal_text(why, id, site_.date_now())});
  if (core.access_log)
    log_info("request_refused", {{"refused", about(why).name},
                                 {"status", about(why).status},
                                 {"remote", remote_},
                                 {"request_id", id}});
}

asio::awaitable<void> connection::options_or_405(const router::match& found) {
  std::string allow;
  for (const auto& method : found.allowed)
    allow += (allow.empty() ? "" : ", ") + method;
  if (x_->method() == "OPTIONS") {
    header_list headers{{"Allow", allow}};
    add_preflight(*x_, site_.core.config, allow, headers);
    co_await x_->reply(204, "", {}, std::move(headers));
    co_return;
  }
  if (found.socket != nullptr && x_->method() == "GET") {
    co_await refuse(refusal::bad_upgrade);
    co_return;
  }
  site_.core.probe.refused[static_cast<std::size_t>(refusal::method_not_allowed)].fetch_add(1);
  header_list headers;
  headers.emplace_back("Allow", allow);
  co_await reply_refusal(*x_, refusal::method_not_allowed, std::move(headers));
}

asio::awaitable<void> connection::file_or_404() {
  auto& core = site_.core;
  bool served = false;
  bool may = core.files && (x_->method() == "GET" || x_->method() == "HEAD")
             && !core.routes.owns(x_->head().path());
  try {
    if (may)
      served = co_await core.files->serve(*x_);
  } catch (const std::exception& e) {
    log_error("static_file_failed", {{"path", x_->path()}, {"error", e.what()}});
  }
  if (x_->state() == request_exchange::answer::streaming)
    cut("unfinished");
  else if (!served && x_->state() == request_exchange::answer::none)
    co_await refuse(refusal::not_found);
}

} // namespace troupe::gateway
