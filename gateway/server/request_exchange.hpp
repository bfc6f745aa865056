// The exchange of a request over a connection.
#pragma once

#include "gateway/server/connection.hpp"
#include "gateway/server/exchange.hpp"
#include "messages/log.hpp"
#include "messages/thin_string.hpp"

#include <optional>

namespace troupe::gateway {

class request_exchange final : public exchange {
public:
  request_exchange(connection& c, request_head head);
  ~request_exchange() override;

  std::string_view method() const override { return head_.method(); }
  std::string_view path() const override;
  std::string_view header(std::string_view name) const override { return head_.field(name); }
  std::string_view query(std::string_view name) const override;
  std::string_view param(std::string_view name) const override;
  const std::string& body() const override { return body_; }
  std::string_view remote_address() const override {
    return remote_.empty() ? std::string_view{c_.remote()} : remote_.view();
  }
  std::string_view request_id() const override { return request_id_; }
  std::string_view traceparent() const override;
  std::int64_t started_us() const override { return started_us_; }
  io_shard& shard() override { return c_.site().io; }
  bool openai_errors() const override { return openai_errors_; }
  v1::Context context() const override;
  void set_principal(Principal principal) override { principal_ = std::move(principal); }
  std::int64_t deadline_us() const override;
  void on_disconnect(std::function<void()> handler) override;
  bool disconnected() const override;
  asio::awaitable<void> reply(int status, std::string_view content_type, std::string body,
                              header_list headers) override;
  asio::awaitable<std::unique_ptr<body_stream>>
  start_body(int status, std::string_view content_type, header_list headers) override;
  void stream_events(std::shared_ptr<event_source> source, header_list headers) override;
  void note(std::string_view key, std::string value) override;

  void drop() override {
    state_ = answer::ended;
    c_.drop_client();
  }

  // For the connection.

  const request_head& head() const { return head_; }
  std::string& body_buffer() { return body_; }
  void route(router::match& found);
  const route_options* options() const { return options_; }
  /// Calls the handler of `on_disconnect`.
  void client_left();

  enum class answer : std::uint8_t { none, streaming, ended };
  answer state() const { return state_; }
  void ended() { state_ = answer::ended; }
  /// The answer is 101, by others.
  void accept_upgrade() {
    status_ = 101;
    state_ = answer::ended;
  }
  int status() const { return status_; }
  /// Answered by events: they go on without a coroutine.
  bool streams_events() const { return events_ != nullptr; }
  /// A bodyless answer follows: HEAD.
  bool headless() const { return head_.method() == "HEAD"; }
  /// How the request went, to the counters and the log.
  void account(std::int64_t now_us, std::string_view ending);
  std::int64_t began_us() const { return began_us_; }
  /// 504 without waiting, for a handler that takes too long.
  void answer_too_long();
  std::vector<std::pair<std::string, std::string>>& params() { return params_; }

private:
  friend class connection;
  std::string head_text(int status, std::string_view content_type,
                        std::optional<std::uint64_t> length, const header_list& headers,
                        bool chunked);
  void begin_answer(int status);

  connection& c_;
  request_head head_;
  thin_string decoded_path_; // empty: as sent
  std::string body_;
  thin_string remote_; // empty: the connection's
  thin_string request_id_;
  mutable thin_string traceparent_;
  mutable std::optional<std::vector<std::pair<std::string, std::string>>> query_;
  std::vector<std::pair<std::string, std::string>> params_;
  std::optional<Principal> principal_;
  std::vector<log_field> notes_;
  std::function<void()> on_disconnect_;
  std::unique_ptr<event_stream> events_;
  const route_options* options_ = nullptr;
  std::int64_t started_us_;
  std::int64_t began_us_; // monotonic
  std::uint64_t bytes_before_;
  int status_ = 0;
  answer state_ = answer::none;
  bool openai_errors_ = false;
  bool streamed_ = false;
};

} // namespace troupe::gateway
