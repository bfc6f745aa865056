#include "gateway/api/turn_replies.hpp"

#include "gateway/api/json_reader.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
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

/// True when the turn waits for tool results, as its newest event let expect.
bool waits_for_tools(const caf::expected<Turn>& turn, const turn_reading& reading) {
  return turn && (*turn)->status() == v1::TURN_STATUS_AWAITING_TOOLS && reading.may_be_paused();
}

/// Asks for the turn's status, which also takes the subscription up again where its session lost
/// it. True when the turn waits for tool results and nothing came meanwhile.
asio::awaitable<bool> is_paused(const api_request& r, turn_read& read) {
  auto context = r.x.context();
  auto turn = co_await read.feed->subscribe(std::move(context), 0, r.api->request_limit);
  co_return waits_for_tools(turn, read.reading);
}

/// A turn's events on their way to an event stream, as fast as its reader reads.
class turn_source final : public event_source,
                          public std::enable_shared_from_this<turn_source>,
                          private timer {
public:
  turn_source(const api_request& r, turn_read read) :
      x_(r.x), api_(r.api), read_(std::move(read)) {}

  ~turn_source() override { read_.feed->close(); } // which may be in use yet, and calls this

  void begin(event_stream& out) override {
    out_ = &out;
    if (read_.accepted) {
      auto data = dump_json(to_json(*read_.accepted));
      out.send("accepted", data, event_id(read_.feed->turn_id(), 0));
      read_.accepted.reset();
    }
    read_.feed->on_events([this] { pump(); });
    x_.shard().set_timer(*this, api_->quiet_limit);
    pump();
  }

  void drained() override {
    if (lags_)
      pump();
  }

private:
  void pump() {
    take_events();
    if (!out_->open() || over_)
      return;
    if (read_.reading.ended())
      end();
    else if (read_.feed->broken())
      out_->cut();
    else if (!lags_ && read_.reading.may_be_paused() && asked_at_ != read_.reading.last_seq())
      ask();
  }

  void take_events() {
    lags_ = false;
    while (out_->open() && !read_.reading.ended()) {
      if (out_->waiting() >= high_water_bytes) {
        lags_ = true;
        return;
      }
      const auto* event = read_.feed->next();
      if (event == nullptr)
        return;
      if (read_.reading.take(*event))
        send(*event);
    }
  }

  void send(const v1::TurnEvent& event) {
    auto text = to_event(event);
    out_->send(text.name, text.data, event_id(read_.feed->turn_id(), event.seq()));
  }

  void end() {
    over_ = true;
    timer::cancel();
    read_.feed->close();
    out_->finish();
  }

  // Nothing came for long: the session may have lost its readers.
  void expired() override { ask(); }

  void ask() {
    if (std::exchange(asking_, true))
      return;
    asked_at_ = read_.reading.last_seq();
    auto looking = look_up(weak_from_this(), read_.feed, x_.context(), api_->request_limit);
    asio::co_spawn(x_.shard().context(), std::move(looking), asio::detached);
  }

  static asio::awaitable<void> look_up(std::weak_ptr<turn_source> who,
                                       std::shared_ptr<turn_feed> feed, v1::Context context,
                                       std::chrono::milliseconds limit) {
    auto turn = co_await feed->subscribe(std::move(context), 0, limit);
    if (auto self = who.lock())
      self->told(turn);
  }

  void told(const caf::expected<Turn>& turn) {
    asking_ = false;
    if (!out_->open() || over_)
      return;
    take_events();
    x_.shard().set_timer(*this, api_->quiet_limit);
    if (!lags_ && waits_for_tools(turn, read_.reading) && asked_at_ == read_.reading.last_seq()) {
      send(pause_event(read_.reading));
      end();
      return;
    }
    pump();
  }

  exchange& x_; // which owns this
  api_options_ptr api_;
  turn_read read_;
  event_stream* out_ = nullptr;
  std::int64_t asked_at_ = -1; // the seq at which the turn's status was asked for
  bool asking_ = false;
  bool lags_ = false; // the reader could not take all there was
  bool over_ = false;
};

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

void send_events(const api_request& r, turn_read read) {
  r.x.stream_events(std::make_shared<turn_source>(r, std::move(read)));
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
                            + std::string{read.feed->conversation_id()} + "/turns/"
                            + std::string{read.feed->turn_id()} + "/events");
  co_await reply_error(r.x, err);
}

} // namespace troupe::gateway
