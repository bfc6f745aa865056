#include "actors/channels/onebot/onebot.hpp"

#include "actors/channels/onebot/normalise.hpp"
#include "actors/channels/onebot/ticks.hpp"
#include "messages/id.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <bit>

namespace troupe {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds check_every{5'000};
constexpr milliseconds quote_limit{2'000};
constexpr milliseconds way_in_limit{180'000};
// A socket on which nothing came for so long is asked for a sign of life, and closed without one.
constexpr milliseconds quiet_limit{60'000};
constexpr milliseconds probe_limit{30'000};
constexpr milliseconds heartbeat_min{2'000};
constexpr int close_going_away = 1001;
constexpr int close_replaced = 4000;
constexpr int close_silent = 4001;

bool takes_actions(onebot11::socket_role role) { return role != onebot11::socket_role::event; }

// A universal socket replaces all of its peer's; another one that of its kind.
bool replaces(onebot11::socket_role fresh, onebot11::socket_role old) {
  return fresh == onebot11::socket_role::universal || fresh == old;
}

} // namespace

void onebot_state::start(onebot_options opts) {
  options = std::move(opts);
  const auto& section = options.section;
  rules = {section.private_chats, section.group_chats, section.trigger_mention,
           section.trigger_prefixes};
  echo_prefix = random_hex(4) + "-";
  inbound_options way;
  way.region = options.region;
  way.clock = options.clock;
  way.group_sessions = section.group_session == "shared" ? channels::group_sessions::shared
                                                         : channels::group_sessions::member;
  way.model = section.model;
  way.system_prompt = section.system_prompt;
  way.seed = options.seed;
  way_in = troupe::spawn(options.host, inbound, std::move(way));
  self->delayed_send(self, check_every, make_tick(onebot_tick::check, 0));
}

onebot_state::~onebot_state() {
  if (way_in)
    caf::anon_send_exit(way_in, caf::exit_reason::user_shutdown);
}

caf::result<SocketAccepted> onebot_state::open(const SocketOpened& opened,
                                               const socket_actor& socket) {
  auto read = onebot11::read_handshake(*opened, options.section.access_token);
  if (auto* no = std::get_if<onebot11::refusal>(&read)) {
    ++options.counts->refused;
    log_warn("onebot_peer_refused", {{"account", options.section.account},
                                     {"remote", opened->remote_address()},
                                     {"why", no->why}});
    return make_error(no->code, no->why);
  }
  const auto& peer = std::get<onebot11::peer>(read);
  if (!links.empty() && peer.self_id != self_id) {
    ++options.counts->refused;
    return make_error(ec::conflict, "another bot is connected to this account; give each bot an "
                                    "account of its own");
  }
  std::vector<std::string> old;
  for (const auto& [id, other] : links)
    if (replaces(peer.role, other.role))
      old.push_back(id);
  self_id = peer.self_id;
  online = true;
  auto& link = links[opened->socket_id()];
  link.socket = socket;
  link.role = peer.role;
  link.number = ++last_number;
  link.last_frame = link.last_probe = self->clock().now();
  for (const auto& id : old)
    drop(id, close_replaced, "replaced by a newer connection");
  ++options.counts->connected;
  log_info("onebot_peer_connected", {{"account", options.section.account},
                                     {"self_id", self_id},
                                     {"role", to_string(peer.role)},
                                     {"remote", opened->remote_address()}});
  announce();
  return SocketAccepted{};
}

void onebot_state::closed(const SocketClosed& closed) {
  forget(closed->socket_id(), closed->reason());
}

void onebot_state::drop(const std::string& socket_id, int code, const std::string& why) {
  auto it = links.find(socket_id);
  if (it == links.end())
    return;
  v1::CloseSocket command;
  command.set_code(code);
  command.set_reason(why);
  self->send(it->second.socket, CloseSocket{std::move(command)});
  forget(socket_id, why);
}

// What was written and not answered stays unknown: a new connection brings no old echo.
void onebot_state::forget(const std::string& socket_id, const std::string& why) {
  if (links.erase(socket_id) == 0)
    return;
  log_info("onebot_peer_gone", {{"account", options.section.account}, {"why", why}});
  announce();
  std::vector<std::int64_t> broken;
  for (const auto& [number, call] : calls)
    if (call.socket_id == socket_id)
      broken.push_back(number);
  for (auto number : broken)
    end_call(number, make_error(ec::upstream_broken, "the connection ended before the echo"));
}

onebot_state::link* onebot_state::api_link(std::string* socket_id) {
  link* newest = nullptr;
  for (auto& [id, link] : links)
    if (takes_actions(link.role) && (newest == nullptr || link.number > newest->number)) {
      newest = &link;
      if (socket_id != nullptr)
        *socket_id = id;
    }
  return newest;
}

// Tells the outbox whether deliveries are taken. Said again now and then: it may have restarted.
void onebot_state::announce() {
  bool takes = api_link() != nullptr && online;
  if (!takes && !announced)
    return;
  v1::OutboxChanged changed;
  changed.set_channel("onebot");
  changed.set_account(options.section.account);
  auto handle = takes ? caf::actor_cast<channel_actor>(self) : channel_actor{};
  self->send(options.outbox, OutboxChanged{std::move(changed)}, handle);
  announced = takes;
}

void onebot_state::check_link(const std::string& socket_id, link& link, time_point now) {
  auto quiet = now - link.last_frame;
  auto limit = link.heartbeat.count() != 0 ? std::max(link.heartbeat, heartbeat_min) * 5 / 2
                                           : quiet_limit + probe_limit;
  if (quiet > limit) {
    ++options.counts->half_open;
    drop(socket_id, close_silent, "nothing came for too long");
  } else if (takes_actions(link.role) && quiet > quiet_limit
             && now - link.last_probe > quiet_limit) {
    link.last_probe = now;
    v1::SendFrame probe;
    probe.set_text(onebot11::get_status(echo_prefix + "probe"));
    self->send(link.socket, SendFrame{std::move(probe)});
  }
}

void onebot_state::check_links() {
  self->delayed_send(self, check_every, make_tick(onebot_tick::check, 0));
  std::vector<std::string> ids;
  for (const auto& entry : links)
    ids.push_back(entry.first);
  for (const auto& id : ids)
    if (auto it = links.find(id); it != links.end())
      check_link(id, it->second, self->clock().now());
  announce();
}

void onebot_state::frame(const SocketFrame& frame) {
  auto it = links.find(frame->socket_id());
  if (it == links.end()) {
    // Of a connection that this actor forgot when it restarted: the peer must dial in again.
    if (auto sender = caf::actor_cast<socket_actor>(self->current_sender())) {
      v1::CloseSocket command;
      command.set_code(close_going_away);
      command.set_reason("please connect again");
      self->send(sender, CloseSocket{std::move(command)});
    }
    return;
  }
  it->second.last_frame = self->clock().now();
  ++options.counts->frames;
  auto limit = static_cast<std::size_t>(options.section.frame_bytes_max);
  if (frame->text().size() > limit)
    read(frame->socket_id(), onebot11::malformed_frame{"over frame_bytes_max"});
  else
    read(frame->socket_id(), onebot11::parse_frame(frame->text()));
}

void onebot_state::read(const std::string& socket_id, const onebot11::frame& frame) {
  if (const auto* event = std::get_if<onebot11::message_event>(&frame)) {
    on_message(*event);
  } else if (const auto* answer = std::get_if<onebot11::action_answer>(&frame)) {
    on_answer(*answer);
  } else if (const auto* beat = std::get_if<onebot11::heartbeat_event>(&frame)) {
    on_heartbeat(socket_id, *beat);
  } else if (const auto* bad = std::get_if<onebot11::malformed_frame>(&frame)) {
    // A peer gone mad must not fill the disk: the first, second, fourth, eighth... is logged.
    if (auto n = ++options.counts->malformed; std::has_single_bit(n))
      log_warn("onebot_frame_malformed",
               {{"account", options.section.account}, {"why", bad->why}, {"so_far", n}});
  } else if (const auto* other = std::get_if<onebot11::other_event>(&frame)) {
    log_debug("onebot_event_ignored",
              {{"account", options.section.account}, {"what", other->what}});
  }
}

void onebot_state::on_heartbeat(const std::string& socket_id,
                                const onebot11::heartbeat_event& beat) {
  auto interval = std::min<std::int64_t>(beat.interval_ms, 3'600'000);
  links.at(socket_id).heartbeat = milliseconds{interval};
  if (beat.online == online)
    return;
  online = beat.online;
  log_event(online ? log_level::info : log_level::warn, "onebot_account_online",
            {{"account", options.section.account}, {"online", online}});
  announce();
}

void onebot_state::on_message(const onebot11::message_event& event) {
  ++options.counts->messages;
  if (event.user_id == self_id || (!event.self_id.empty() && event.self_id != self_id))
    return;
  auto message = onebot11::inbound_message(event, self_id, options.section.account);
  if (channels::apply_trigger(rules, message) == channels::trigger::none)
    return;
  ++options.counts->triggered;
  auto& context = *message.mutable_context();
  context.set_request_id(new_id(options.clock->now_us()));
  context.set_traceparent(new_traceparent());
  if (message.quoted_message_id().empty() || api_link() == nullptr)
    hand_in(std::move(message));
  else
    fetch_quote(std::move(message));
}

void onebot_state::fetch_quote(v1::InboundMessage message) {
  auto id = message.quoted_message_id();
  request([id](std::string_view echo) { return onebot11::get_msg(id, echo); }, quote_limit,
          [this, message](const caf::expected<onebot11::action_answer>& answer) {
            auto whole = message;
            if (answer && answer->ok) {
              auto said = onebot11::read_segments(answer->message, self_id);
              whole.mutable_quoted_parts()->Swap(&said.parts);
              whole.set_quoted_author(channels::clipped(answer->sender_name, 64));
            }
            hand_in(std::move(whole));
          });
}

void onebot_state::hand_in(v1::InboundMessage message) {
  auto to = message.from();
  auto request_id = message.context().request_id();
  self->request(way_in, way_in_limit, InboundMessage{std::move(message)})
      .then(
          [this, to, request_id](const InboundHandled& handled) {
            if (handled->duplicate())
              ++options.counts->duplicates;
            log_info("onebot_message", {{"account", options.section.account},
                                        {"request_id", request_id},
                                        {"turn_id", handled->turn_id()},
                                        {"duplicate", handled->duplicate()}});
            if (!handled->say().empty())
              say(to, handled->say());
          },
          [this, request_id](const caf::error& err) {
            log_warn("onebot_message_left_out", {{"account", options.section.account},
                                                 {"request_id", request_id},
                                                 {"error", describe(err)}});
          });
}

void onebot_state::tick(const Tick& tick) {
  switch (static_cast<onebot_tick>(tick->kind())) {
    case onebot_tick::check:
      return check_links();
    case onebot_tick::echo_due:
      if (calls.count(tick->id()) != 0) {
        ++options.counts->unanswered;
        end_call(tick->id(), make_error(ec::deadline_exceeded, "no echo came in time"));
      }
  }
}

with_timer<channel_actor>::behavior_type onebot(onebot_self self, onebot_options options) {
  self->state.start(std::move(options));
  return {[self](const SocketOpened& opened, const socket_actor& socket) {
            return self->state.open(opened, socket);
          },
          [self](const SocketFrame& frame) { self->state.frame(frame); },
          [self](const SocketClosed& closed) { self->state.closed(closed); },
          [self](const OutboundReply& reply) { return self->state.deliver(reply); },
          [self](const Tick& tick) { self->state.tick(tick); }};
}

} // namespace troupe
