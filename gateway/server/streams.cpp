#include "gateway/server/streams.hpp"

#include "gateway/server/request_exchange.hpp"

#include <array>
#include <charconv>

namespace troupe::gateway {

namespace {

// "1f\r\n" of a chunk.
struct chunk_size {
  explicit chunk_size(std::size_t size) {
    auto end = std::to_chars(text.data(), text.data() + 16, size, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    length = static_cast<std::size_t>(end - text.data());
  }
  std::string_view view() const { return {text.data(), length}; }
  std::array<char, 20> text;
  std::size_t length;
};

constexpr std::string_view last_chunk = "0\r\n\r\n";

struct open_stream {
  explicit open_stream(gateway_probe& probe) : probe_(probe) { ++probe_.streams_open; }
  ~open_stream() { --probe_.streams_open; }
  open_stream(const open_stream&) = delete;
  open_stream& operator=(const open_stream&) = delete;
  gateway_probe& probe_;
};

caf::error client_gone() { return make_error(ec::cancelled, "the client left"); }

// -- bodies ---------------------------------------------------------------------------------------

class connection_body final : public body_stream {
public:
  connection_body(connection& c, request_exchange& x, std::optional<std::uint64_t> length,
                  bool chunked) :
      c_(c.shared_from_this()),
      x_(x),
      counted_(c.site().core.probe),
      left_(length.value_or(0)),
      counts_(length.has_value()),
      chunked_(chunked),
      silent_(x.headless()) {
    c.watch();
  }

  asio::awaitable<caf::error> write(std::string_view bytes) override {
    if (ended_ || c_->gone())
      co_return ended_ ? make_error(ec::internal, "a body was written after its end")
                       : client_gone();
    if (bytes.empty() || silent_)
      co_return caf::error{};
    if (counts_) {
      if (bytes.size() > left_)
        co_return make_error(ec::internal, "a body is longer than its Content-Length");
      left_ -= bytes.size();
    }
    bool done =
        chunked_ ? c_->send({chunk_size{bytes.size()}.view(), bytes, "\r\n"}) : c_->send({bytes});
    if (!done)
      done = co_await c_->written();
    co_return done ? caf::error{} : client_gone();
  }

  asio::awaitable<caf::error> finish() override {
    if (ended_)
      co_return caf::error{};
    if (counts_ && left_ > 0 && !silent_)
      co_return make_error(ec::internal, "a body is shorter than its Content-Length");
    ended_ = true;
    if (chunked_ && !silent_)
      c_->send({last_chunk});
    bool all = co_await c_->written();
    if (!all)
      co_return client_gone();
    x_.ended();
    co_return caf::error{};
  }

private:
  std::shared_ptr<connection> c_;
  request_exchange& x_;
  open_stream counted_;
  std::uint64_t left_;
  bool counts_;
  bool chunked_;
  bool silent_;
  bool ended_ = false;
};

// -- events ---------------------------------------------------------------------------------------

class connection_events final : public event_stream, private stream_hook {
public:
  connection_events(connection& c, request_exchange& x, bool chunked,
                    std::shared_ptr<event_source> source) :
      c_(c.shared_from_this()),
      x_(x),
      counted_(c.site().core.probe),
      source_(std::move(source)),
      chunked_(chunked),
      silent_(x.headless()) {
    c.hook(this);
    c.watch();
    beat_later();
  }

  ~connection_events() override { c_->hook(nullptr); }

  bool send(std::string_view event, std::string_view data, std::string_view id) override {
    if (!open())
      return false;
    if (!silent_)
      append_event(queue_, event, data, id);
    auto max = static_cast<std::size_t>(c_->core().config.stream_queue_bytes_max);
    if (queue_.size() + c_->unwritten() > max) {
      c_->site().core.probe.streams_overflown.fetch_add(1, std::memory_order_relaxed);
      x_.note("cut", "too slow a reader");
      c_->cut("overflow");
      return false;
    }
    schedule();
    return true;
  }

  bool open() const override { return !ended_ && !c_->gone(); }

  std::size_t waiting() const override { return queue_.size() + c_->unwritten(); }

  void finish() override {
    if (!open())
      return;
    ended_ = true;
    schedule();
  }

  void cut() override { c_->cut("unfinished"); }

private:
  // Several events of one turn of the loop go out in one write.
  void schedule() {
    if (scheduled_ || c_->writing())
      return;
    scheduled_ = true;
    c_->site().io.defer([c = c_] { c->flush_hook(); });
  }

  void flush() override {
    scheduled_ = false;
    if (c_->writing() || c_->gone())
      return;
    if (!queue_.empty()) {
      put_queue();
      beat_later();
    }
    if (c_->writing() || c_->gone())
      return;
    if (ended_)
      end();
    else
      source_->drained();
  }

  void put_queue() {
    // Out of the stream first: sending may call back.
    auto bytes = std::exchange(queue_, {});
    if (chunked_)
      c_->send({chunk_size{bytes.size()}.view(), bytes, "\r\n"});
    else
      c_->send({bytes});
  }

  void end() {
    if (!end_sent_ && chunked_ && !silent_) {
      end_sent_ = true;
      if (!c_->send({last_chunk}))
        return; // it comes back here once that is written
    }
    x_.ended();
    c_->stream_over();
  }

  void heartbeat() override {
    if (!open())
      return;
    if (!c_->writing())
      send("heartbeat", "{}", {});
    beat_later();
  }

  void beat_later() { c_->beat_in(std::chrono::milliseconds{c_->core().config.heartbeat_ms}); }

  std::shared_ptr<connection> c_;
  request_exchange& x_;
  open_stream counted_;
  std::shared_ptr<event_source> source_;
  std::string queue_;
  bool chunked_;
  bool silent_;
  bool ended_ = false;
  bool end_sent_ = false;
  bool scheduled_ = false;
};

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (char c : value)
    if (c != '\r' && c != '\n' && c != '\0')
      out += c;
  out += '\n';
}

} // namespace

void append_event(std::string& out, std::string_view event, std::string_view data,
                  std::string_view id) {
  if (!id.empty())
    append_line(out, "id", id);
  if (!event.empty())
    append_line(out, "event", event);
  for (;;) {
    auto end = data.find_first_of("\r\n");
    append_line(out, "data", data.substr(0, end));
    if (end == data.npos)
      break;
    bool both = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
    data.remove_prefix(end + (both ? 2 : 1));
  }
  out += '\n';
}

std::unique_ptr<body_stream> make_body_stream(connection& c, request_exchange& x,
                                              std::optional<std::uint64_t> length, bool chunked) {
  return std::make_unique<connection_body>(c, x, length, chunked);
}

std::unique_ptr<event_stream> make_event_stream(connection& c, request_exchange& x, bool chunked,
                                                std::shared_ptr<event_source> source) {
  return std::make_unique<connection_events>(c, x, chunked, std::move(source));
}

} // namespace troupe::gateway
