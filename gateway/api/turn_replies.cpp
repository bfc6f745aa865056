#include "gateway/api/turn_replies.hpp"

#include "gateway/api/json_reader.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

namespace troupe::gateway {

namespace {

using nlohmann::json;
using steady = std::chrono::steady_clock;

// A replay is given to a slow reader piece by piece.
constexpr std::size_t high_water_bytes = 65'536;
constexpr std::chrono::milliseconds slow_reader_pause{20};

/// Asks for the turn's status, which also takes the subscription up again where its session lost
/// it. True when the turn waits for tool results and nothing came meanwhile.
asio::awaitable<bool> is_paused(const api_request& r, turn_read& read) {
  auto context = r.x.context();
  auto turn = co_await read.feed->subscribe(std::move(context), 0, r.api->request_limit);
  bool waits = turn && (*turn)->status() == v1::TURN_STATUS_AWAITING_TOOLS;
  co_return waits&& read.reading.may_be_paused();
}

/// Takes events from the feed to an event stream as fast as its reader reads.
class event_pump {
public:
  event_pump(turn_read& read, event_stream& out) : read_(read), out_(out) {}

  /// True when the coroutine has something to do: the end, a pause, or a reader that lags.
  bool run() {
    while (out_.open() && !read_.reading.ended() && out_.waiting() < high_water_bytes) {
      const auto* event = read_.feed->next();
      if (event == nullptr)
        return read_.feed->broken() || read_.reading.may_be_paused();
      if (read_.reading.take(*event))
        send(*event);
    }
    lags_ = out_.open() && !read_.reading.ended();
    return true;
  }

  void send(const v1::TurnEvent& event) {
    auto text = to_event(event);
    out_.send(text.name, text.data, event_id(read_.turn_id, event.seq()));
  }

  /// True once after the reader could not take all there was.
  bool lags() { return std::exchange(lags_, false); }

private:
  turn_read& read_;
  event_stream& out_;
  bool lags_ = false;
};

/// Wakes a stream after a while, unless it is destroyed before.
class stream_alarm {
public:
  stream_alarm(io_shard& shard, event_stream& out) : timer_(shard.context()), out_(out) {}

  void set(std::chrono::milliseconds after) {
    rang_ = false;
    timer_.expires_after(after);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
      if (cancelled)
        return;
      rang_ = true;
      out_.wake();
    });
  }
  bool rang() { return std::exchange(rang_, false); }

private:
  asio::steady_timer timer_;
  event_stream& out_;
  bool rang_ = false;
};

/// Runs until the turn ended or paused (true), or the client is gone.
asio::awaitable<bool> pump_events(const api_request& r, turn_read& read, event_stream& out) {
  event_pump pump{read, out};
  stream_alarm alarm{r.x.shard(), out};
  read.feed->on_events([&] {
    if (pump.run())
      out.wake();
  });
  std::int64_t asked_at = -1; // the seq at which the status was asked for
  alarm.set(r.api->quiet_limit);
  while (out.open() && !read.feed->broken()) {
    pump.run();
    bool quiet = alarm.rang();
    if (quiet || (read.reading.may_be_paused() && asked_at != read.reading.last_seq())) {
      asked_at = read.reading.last_seq();
      auto paused = co_await is_paused(r, read);
      pump.run();
      if (paused && asked_at == read.reading.last_seq()) {
        pump.send(pause_event(read.reading));
        co_return true;
      }
      alarm.set(r.api->quiet_limit);
      continue;
    }
    if (read.reading.ended())
      co_return true;
    if (pump.lags())
      alarm.set(slow_reader_pause);
    co_await out.wait();
  }
  co_return false;
}

/// A whole answer in the making: the turn's messages and its end.
struct gathered {
  json messages = json::array();
  std::optional<v1::TurnEvent> end;

  void take(const v1::TurnEvent& event) {
    if (event.has_restarted())
      messages = json::array();
    else if (event.has_message())
      messages.push_back(to_json(event.message().message()));
    else if (ends_turn(event))
      end = event;
  }
};

asio::awaitable<void> reply_gathered(const api_request& r, const v1::TurnAccepted& accepted,
                                     gathered& all) {
  auto answer = to_json(accepted);
  answer["messages"] = std::move(all.messages);
  if (all.end->has_finished()) {
    const auto& end = all.end->finished();
    answer["status"] = name_of(end.status());
    if (!end.finish_reason().empty())
      answer["finish_reason"] = end.finish_reason();
    if (end.has_usage())
      answer["usage"] = to_json(end.usage());
    co_await reply_json(r.x, 200, answer);
    co_return;
  }
  const auto& failure = all.end->failed().failure();
  answer["status"] = "failed";
  answer["error"] = to_json(failure);
  answer["error"]["request_id"] = r.x.request_id();
  auto status = failure.http_status() >= 400 ? failure.http_status()
                                             : info(ec_from_name(failure.code())).http_status;
  co_await reply_json(r.x, status, answer);
}

/// Waits on a timer until something calls `cancel`, or for at most `limit`.
asio::awaitable<void> sleep_on(asio::steady_timer& alarm, std::chrono::milliseconds limit) {
  boost::system::error_code ignored;
  alarm.expires_after(limit);
  co_await alarm.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

/// Gathers until the turn ended or paused, the client left, or the time is over.
asio::awaitable<void> gather_events(const api_request& r, turn_read& read, gathered& all,
                                    const bool& left, asio::steady_timer& alarm) {
  auto deadline = steady::now() + r.api->turn_limit;
  std::int64_t asked_at = -1;
  for (;;) {
    while (const auto* event = read.feed->next())
      if (read.reading.take(*event))
        all.take(*event);
    auto now = steady::now();
    if (all.end || left || read.feed->broken() || now >= deadline)
      co_return;
    if (read.reading.may_be_paused() && asked_at != read.reading.last_seq()) {
      asked_at = read.reading.last_seq();
      auto paused = co_await is_paused(r, read);
      if (paused) {
        all.end = pause_event(read.reading);
        co_return;
      }
      continue;
    }
    auto before = read.reading.last_seq();
    auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
    co_await sleep_on(alarm, std::min(rest, r.api->quiet_limit));
    if (steady::now() - now >= r.api->quiet_limit && before == read.reading.last_seq())
      co_await is_paused(r, read);
  }
}

} // namespace

json to_json(const v1::TurnAccepted& accepted) {
  return {{"conversation_id", accepted.conversation_id()},
          {"turn_id", accepted.turn_id()},
          {"message_id", accepted.message_id()},
          {"duplicate", accepted.duplicate()}};
}

asio::awaitable<void> send_events(const api_request& r, turn_read& read) {
  auto stream = co_await r.x.start_events();
  if (read.accepted) {
    auto data = dump_json(to_json(*read.accepted));
    stream->send("accepted", data, event_id(read.turn_id, 0));
    read.accepted.reset();
  }
  auto over = co_await pump_events(r, read, *stream);
  read.feed->close();
  if (over)
    co_await stream->finish();
}

asio::awaitable<void> send_whole(const api_request& r, turn_read& read) {
  gathered all;
  bool left = false;
  asio::steady_timer alarm{r.x.shard().context()};
  r.x.on_disconnect([&] {
    left = true;
    alarm.cancel();
  });
  read.feed->on_events([&] { alarm.cancel(); });
  co_await gather_events(r, read, all, left, alarm);
  r.x.on_disconnect({});
  read.feed->close();
  if (left)
    co_return;
  if (all.end) {
    co_await reply_gathered(r, *read.accepted, all);
    co_return;
  }
  auto err = make_error(read.feed->broken() ? ec::overloaded : ec::deadline_exceeded,
                        "the answer did not end within this request; it goes on: read "
                        "/api/v1/conversations/"
                            + read.conversation_id + "/turns/" + read.turn_id + "/events");
  co_await reply_error(r.x, err);
}

} // namespace troupe::gateway
