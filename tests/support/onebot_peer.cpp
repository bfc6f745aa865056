#include "tests/support/onebot_peer.hpp"

#include "actors/channels/onebot/protocol.hpp"
#include "tests/support/onebot_answers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace troupe::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ws = beast::websocket;
using boost::system::error_code;
using nlohmann::json;

namespace {

using stream = ws::stream<asio::ip::tcp::socket>;

// One connection. Only on the peer's thread.
struct connection {
  explicit connection(asio::io_context& io) : socket(io), heartbeat(io) {}
  stream socket;
  asio::steady_timer heartbeat;
  std::deque<std::string> queue;
  bool writing = false;
};
using connection_ptr = std::shared_ptr<connection>;

void write_next(const connection_ptr& c) {
  if (c->writing || c->queue.empty())
    return;
  c->writing = true;
  c->socket.async_write(asio::buffer(c->queue.front()), [c](error_code e, std::size_t) {
    c->writing = false;
    c->queue.pop_front();
    if (!e)
      write_next(c);
  });
}

void write(const connection_ptr& c, std::string text) {
  c->queue.push_back(std::move(text));
  write_next(c);
}

} // namespace

std::string onebot_text(const json& message) {
  if (message.is_string())
    return onebot_text(segments_of(onebot11::parse_cq(message.get<std::string>())));
  std::string out;
  for (const auto& segment : message)
    if (segment.value("type", "") == "text")
      out += segment["data"].value("text", "");
  out.erase(0, out.find_first_not_of(' '));
  return out;
}

struct onebot_peer::impl {
  explicit impl(onebot_peer_options o) : options(std::move(o)), thread([this] { io.run(); }) {}

  ~impl() {
    asio::post(io, [this] { abort(); });
    work.reset();
    thread.join();
  }

  void abort() {
    if (current == nullptr)
      return;
    error_code ignored;
    current->heartbeat.cancel();
    current->socket.next_layer().close(ignored);
  }

  // On the peer's thread, until the connection's end.
  asio::awaitable<void> run(connection_ptr c, onebot_peer_options o) {
    error_code e;
    auto token = asio::redirect_error(asio::use_awaitable, e);
    asio::ip::tcp::resolver resolver{io};
    auto found = co_await resolver.async_resolve(o.host, std::to_string(o.port), token);
    if (!e)
      co_await asio::async_connect(c->socket.next_layer(), found, token);
    if (e)
      co_return finish_dial(0);
    c->socket.next_layer().set_option(asio::ip::tcp::no_delay{true});
    c->socket.text(true);
    c->socket.set_option(ws::stream_base::decorator{[&o](ws::request_type& request) {
      request.set("User-Agent", "OneBot/11");
      request.set("X-Client-Role", o.role);
      if (!o.self_id.empty())
        request.set("X-Self-ID", o.self_id);
      if (!o.token.empty() && !o.token_in_query)
        request.set("Authorization", "Bearer " + o.token);
    }});
    auto target = o.path + (o.token_in_query ? "?access_token=" + o.token : "");
    ws::response_type response;
    co_await c->socket.async_handshake(response, o.host + ":" + std::to_string(o.port), target,
                                       token);
    if (e)
      co_return finish_dial(response.result_int() == 101 ? 0
                                                         : static_cast<int>(response.result_int()));
    finish_dial(101);
    if (o.role != "API")
      write(c, meta(o, "lifecycle", {{"sub_type", "connect"}}));
    beat(c, o);
    co_await read(c);
    c->heartbeat.cancel();
    std::lock_guard lock{mutex};
    if (current == c)
      open = false;
    changed.notify_all();
  }

  asio::awaitable<void> read(connection_ptr c) {
    error_code e;
    for (;;) {
      beast::flat_buffer buffer;
      co_await c->socket.async_read(buffer, asio::redirect_error(asio::use_awaitable, e));
      if (e)
        co_return;
      auto action = json::parse(beast::buffers_to_string(buffer.data()), nullptr, false);
      if (action.is_object())
        on_action(c, action);
    }
  }

  void on_action(const connection_ptr& c, const json& action) {
    std::lock_guard lock{mutex};
    received.push_back(action);
    changed.notify_all();
    if (!options.echo)
      return;
    onebot_world world{options.self_id,    options.nickname, options.send_retcode,
                       options.send_error, &messages,        &last_id};
    write(c, answer_action(world, action).dump());
  }

  static std::string meta(const onebot_peer_options& o, const char* type, json fields) {
    fields.update(event_of(o.self_id, "meta_event"));
    fields["meta_event_type"] = type;
    return fields.dump();
  }

  void beat(const connection_ptr& c, const onebot_peer_options& o) {
    if (o.heartbeat_ms == 0 || o.role == "API")
      return;
    c->heartbeat.expires_after(std::chrono::milliseconds{o.heartbeat_ms});
    c->heartbeat.async_wait([this, c, o](error_code e) {
      if (e)
        return;
      json status{{"online", true}, {"good", true}};
      write(c, meta(o, "heartbeat", {{"interval", o.heartbeat_ms}, {"status", status}}));
      beat(c, o);
    });
  }

  void finish_dial(int status) {
    std::lock_guard lock{mutex};
    dial_status = status;
    open = status == 101;
    changed.notify_all();
  }

  template <class Predicate>
  bool wait(std::chrono::milliseconds limit, Predicate predicate) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, limit, predicate);
  }

  void send(std::string text) {
    asio::post(io, [this, t = std::move(text)]() mutable {
      if (current != nullptr)
        write(current, std::move(t));
    });
  }

  std::int64_t say(json event, json message, std::int64_t id) {
    std::string text;
    {
      std::lock_guard lock{mutex};
      if (id == 0)
        id = ++last_id;
      event.update(event_of(options.self_id, "message"));
      event["message_id"] = id;
      event["raw_message"] =
          message.is_string() ? message.get<std::string>() : onebot_text(message);
      event["message"] = std::move(message);
      messages[id] = event;
      text = event.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    send(std::move(text));
    return id;
  }

  asio::io_context io; // outlives the connection, whose stream is known to it
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::mutex mutex; // all below but `current`
  std::condition_variable changed;
  onebot_peer_options options;
  std::vector<json> received;
  std::map<std::int64_t, json> messages; // by id
  std::int64_t last_id = 1'000;
  std::optional<int> dial_status;
  bool open = false;
  connection_ptr current; // the thread's
  std::thread thread;
};

onebot_peer::onebot_peer(onebot_peer_options options) :
    impl_(std::make_unique<impl>(std::move(options))) {}

onebot_peer::~onebot_peer() = default;

void onebot_peer::configure(const std::function<void(onebot_peer_options&)>& change) {
  std::lock_guard lock{impl_->mutex};
  change(impl_->options);
}

int onebot_peer::dial(std::chrono::milliseconds limit) {
  {
    std::lock_guard lock{impl_->mutex};
    impl_->dial_status.reset();
    impl_->open = false;
  }
  asio::post(impl_->io, [i = impl_.get()] {
    i->current = std::make_shared<connection>(i->io);
    onebot_peer_options options;
    {
      std::lock_guard lock{i->mutex};
      options = i->options;
    }
    asio::co_spawn(i->io, i->run(i->current, std::move(options)), asio::detached);
  });
  if (!impl_->wait(limit, [i = impl_.get()] { return i->dial_status.has_value(); }))
    hang_up();
  std::lock_guard lock{impl_->mutex};
  return impl_->dial_status.value_or(0);
}

bool onebot_peer::dial_until(std::chrono::milliseconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (dial() == 101)
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  return false;
}

bool onebot_peer::connected() const {
  std::lock_guard lock{impl_->mutex};
  return impl_->open;
}

void onebot_peer::hang_up() {
  asio::post(impl_->io, [i = impl_.get()] { i->abort(); });
  impl_->wait(std::chrono::seconds{5}, [i = impl_.get()] { return !i->open; });
}

bool onebot_peer::wait_closed(std::chrono::milliseconds limit) {
  return impl_->wait(limit, [i = impl_.get()] { return !i->open; });
}

std::int64_t onebot_peer::say_in_group(std::int64_t group, std::int64_t user, json message,
                                       std::int64_t id) {
  json event{{"message_type", "group"},  {"sub_type", "normal"}, {"group_id", group},
             {"user_id", user},          {"anonymous", nullptr}, {"font", 0},
             {"sender", sender_of(user)}};
  return impl_->say(std::move(event), std::move(message), id);
}

std::int64_t onebot_peer::say_in_private(std::int64_t user, json message, std::int64_t id) {
  json event{{"message_type", "private"},
             {"sub_type", "friend"},
             {"user_id", user},
             {"font", 0},
             {"sender", sender_of(user)}};
  return impl_->say(std::move(event), std::move(message), id);
}

void onebot_peer::send(const json& frame) { send_raw(frame.dump()); }

void onebot_peer::send_raw(std::string text) { impl_->send(std::move(text)); }

std::vector<json> onebot_peer::actions() const {
  std::lock_guard lock{impl_->mutex};
  return impl_->received;
}

std::vector<std::string> onebot_peer::said() const {
  std::vector<std::string> texts;
  for (const auto& action : actions())
    if (sends_message(action))
      texts.push_back(onebot_text(action["params"]["message"]));
  return texts;
}

bool onebot_peer::wait_said(std::size_t count, std::chrono::milliseconds limit) {
  return impl_->wait(limit, [i = impl_.get(), count] {
    auto sent = std::count_if(i->received.begin(), i->received.end(), sends_message);
    return static_cast<std::size_t>(sent) >= count;
  });
}

std::optional<json> onebot_peer::wait_action(const std::function<bool(const json&)>& fits,
                                             std::chrono::milliseconds limit) {
  std::optional<json> found;
  impl_->wait(limit, [&] {
    auto& all = impl_->received;
    auto it = std::find_if(all.begin(), all.end(), fits);
    if (it != all.end())
      found = *it;
    return found.has_value();
  });
  return found;
}

} // namespace troupe::test
