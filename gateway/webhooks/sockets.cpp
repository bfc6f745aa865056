#include "gateway/webhooks/sockets.hpp"

#include <caf/send.hpp>

#include <array>
#include <mutex>
#include <unordered_map>

namespace troupe::gateway {

namespace {

constexpr std::chrono::seconds open_limit{10};
constexpr std::size_t value_bytes_max = 1'024;
// What channels may want to know of a handshake.
constexpr std::array<const char*, 6> headers{"authorization", "x-self-id",
                                             "x-client-role", "x-signature",
                                             "user-agent",    "sec-websocket-protocol"};
constexpr std::array<const char*, 1> queries{"access_token"};

// The open sockets of all shards.
class open_sockets {
public:
  struct entry {
    channel_actor channel;
    socket_actor socket;
  };

  void add(const std::string& id, entry e) {
    std::lock_guard lock{mutex_};
    entries_[id] = std::move(e);
  }

  entry find(const std::string& id) {
    std::lock_guard lock{mutex_};
    auto it = entries_.find(id);
    return it == entries_.end() ? entry{} : it->second;
  }

  entry take(const std::string& id) {
    std::lock_guard lock{mutex_};
    auto node = entries_.extract(id);
    return node.empty() ? entry{} : std::move(node.mapped());
  }

private:
  std::mutex mutex_;
  std::unordered_map<std::string, entry> entries_;
};

// A header over the limit is left out: whoever needs it refuses.
void copy_value(google::protobuf::Map<std::string, std::string>& to, const char* name,
                std::string_view value) {
  if (!value.empty() && value.size() <= value_bytes_max)
    to[std::string{name}] = std::string{value};
}

v1::SocketOpened describe_handshake(const exchange& x, const std::string& socket_id) {
  v1::SocketOpened opened;
  opened.set_socket_id(socket_id);
  opened.set_channel(std::string{x.param("channel")});
  opened.set_account(std::string{x.param("account")});
  opened.set_remote_address(std::string{x.remote_address()});
  for (const char* name : headers)
    copy_value(*opened.mutable_headers(), name, x.header(name));
  for (const char* name : queries)
    copy_value(*opened.mutable_query(), name, x.query(name));
  return opened;
}

void tell_closed(const channel_actor& channel, const std::string& socket_id,
                 std::string_view reason) {
  v1::SocketClosed closed;
  closed.set_socket_id(socket_id);
  closed.set_reason(std::string{reason});
  caf::anon_send(channel, SocketClosed{std::move(closed)});
}

asio::awaitable<caf::error> open_socket(open_sockets& sockets, const channel_lookup& lookup,
                                        exchange& x, socket_actor socket, std::string id) {
  auto channel = lookup(x.param("channel"), x.param("account"));
  if (!channel)
    co_return make_error(ec::not_found, "no such channel account is configured on this node");
  x.note("account", std::string{x.param("account")});
  // Known before the channel is asked: its answer and the first frame must not cross.
  sockets.add(id, {channel, socket});
  auto accepted = co_await ask<SocketAccepted>(x.shard(), channel, open_limit,
                                               SocketOpened{describe_handshake(x, id)}, socket);
  if (accepted)
    co_return caf::error{};
  sockets.take(id);
  tell_closed(channel, id, "refused"); // it may have accepted, too late
  co_return std::move(accepted.error());
}

} // namespace

// Channels run on the actors' pool, not on the shard: a frame may be a megabyte of JSON.
void add_channel_sockets(router& routes, channel_lookup lookup) {
  auto sockets = std::make_shared<open_sockets>();
  socket_handler handle;
  handle.open = [sockets, lookup](exchange& x, socket_actor socket, std::string id) {
    return open_socket(*sockets, lookup, x, std::move(socket), std::move(id));
  };
  handle.frame = [sockets](const std::string& id, std::string text) {
    auto entry = sockets->find(id);
    if (!entry.channel)
      return;
    v1::SocketFrame frame;
    frame.set_socket_id(id);
    frame.set_text(std::move(text));
    caf::send_as(entry.socket, entry.channel, SocketFrame{std::move(frame)});
  };
  handle.closed = [sockets](const std::string& id, std::string_view reason) {
    auto entry = sockets->take(id);
    if (!entry.channel)
      return;
    tell_closed(entry.channel, id, reason);
  };
  routes.add_socket("/ws/{channel}/{account}", std::move(handle));
}

} // namespace troupe::gateway
