// One QQ account behind a OneBot v11 implementation (NapCat, Lagrange...) that dials in by reverse
// WebSocket.
#pragma once

#include "actors/channels/core/inbound.hpp"
#include "actors/channels/core/trigger.hpp"
#include "actors/channels/onebot/handshake.hpp"
#include "actors/channels/onebot/protocol.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <unordered_map>

namespace troupe {

/// What one account counted. Read by anybody.
struct onebot_counts {
  std::atomic<std::uint64_t> connected{0};
  std::atomic<std::uint64_t> refused{0};   // peers with a wrong token and the like
  std::atomic<std::uint64_t> half_open{0}; // sockets closed because nothing came
  std::atomic<std::uint64_t> frames{0};
  std::atomic<std::uint64_t> malformed{0};
  std::atomic<std::uint64_t> messages{0};   // events of messages
  std::atomic<std::uint64_t> triggered{0};  // those for the bot
  std::atomic<std::uint64_t> duplicates{0}; // delivered before
  std::atomic<std::uint64_t> sent{0};       // actions written
  std::atomic<std::uint64_t> failed{0};     // answered with a failure
  std::atomic<std::uint64_t> unanswered{0}; // no echo in time
};

struct onebot_options {
  config::onebot_section section;
  session_region_actor region;
  outbox_actor outbox;
  wall_clock_ptr clock;
  actor_host host; // for the account's inbound actor
  std::shared_ptr<onebot_counts> counts = std::make_shared<onebot_counts>();
  std::uint64_t seed = 0; // of the jitter; 0: random
};

struct onebot_state;
using onebot_self = with_timer<channel_actor>::stateful_pointer<onebot_state>;

struct onebot_state {
  static inline const char* name = "onebot";

  explicit onebot_state(onebot_self self) : self(self) {}
  ~onebot_state(); // its inbound actor ends with it

  void start(onebot_options opts);
  caf::result<SocketAccepted> open(const SocketOpened& opened, const socket_actor& socket);
  void frame(const SocketFrame& frame);
  void closed(const SocketClosed& closed);
  caf::result<ReplyDelivered> deliver(const OutboundReply& reply);
  void tick(const Tick& tick);

private:
  using time_point = caf::actor_clock::time_point;
  using answer_handler = std::function<void(caf::expected<onebot11::action_answer>)>;

  struct link {
    socket_actor socket;
    onebot11::socket_role role = onebot11::socket_role::universal;
    std::int64_t number = 0; // the newest has the greatest
    time_point last_frame;
    time_point last_probe;
    std::chrono::milliseconds heartbeat{0}; // 0: none seen
  };

  // An action whose answer has not come.
  struct call {
    std::string socket_id;
    answer_handler done;
  };

  // How far an answer got; kept of those to be tried again.
  struct progress {
    std::size_t next = 0;   // the first piece not sent
    bool uncertain = false; // of one before it nobody knows whether it arrived
    std::string first_id;
  };

  // An answer on its way, piece by piece.
  struct delivery {
    v1::OutboxRow row;
    std::vector<std::string> pieces;
    bool image = false; // the only piece is a picture's URL
    progress at;
    int unconfirmed = 0; // pieces in a row whose echo did not come
    caf::typed_response_promise<ReplyDelivered> promise;
  };
  using delivery_ptr = std::shared_ptr<delivery>;

  void read(const std::string& socket_id, const onebot11::frame& frame);
  void on_message(const onebot11::message_event& event);
  void on_heartbeat(const std::string& socket_id, const onebot11::heartbeat_event& beat);
  void on_answer(const onebot11::action_answer& answer);
  void fetch_quote(v1::InboundMessage message);
  void hand_in(v1::InboundMessage message);
  void say(const v1::ReplyAddress& to, const std::string& text);
  void send_piece(const delivery_ptr& delivery);
  void piece_answered(const delivery_ptr& delivery,
                      const caf::expected<onebot11::action_answer>& answer);
  void piece_unconfirmed(const delivery_ptr& delivery, const caf::error& err);
  void put_off(const delivery_ptr& delivery, caf::error err);

  using action_maker = std::function<std::string(std::string_view echo)>;
  void request(const action_maker& make, std::chrono::milliseconds limit, answer_handler done);
  link* api_link(std::string* socket_id = nullptr);
  void end_call(std::int64_t number, caf::expected<onebot11::action_answer> answer);
  void drop(const std::string& socket_id, int code, const std::string& why);
  void forget(const std::string& socket_id, const std::string& why);
  void check_link(const std::string& socket_id, link& link, time_point now);
  void check_links();
  void announce();

  onebot_self self;
  onebot_options options;
  channels::trigger_rules rules;
  inbound_actor way_in;
  std::map<std::string, link> links;
  std::unordered_map<std::int64_t, call> calls;    // by the number in their echo
  std::unordered_map<std::string, progress> begun; // by row id
  std::string self_id;
  std::string echo_prefix;
  std::int64_t last_number = 0;
  bool online = true;     // as the heartbeat says
  bool announced = false; // to the outbox: deliveries are taken
};

/// Its handle converts to `channel_actor`.
with_timer<channel_actor>::behavior_type onebot(onebot_self self, onebot_options options);

} // namespace troupe
