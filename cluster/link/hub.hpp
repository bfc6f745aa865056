// All links of this node: who is listened to, dialled, and told. Only on the links' thread, except
// where it says otherwise.
#pragma once

#include "cluster/link/connection.hpp"
#include "cluster/link/hello.hpp"
#include "cluster/link/links.hpp"
#include "cluster/link/stream.hpp"
#include "messages/alarms.hpp"

#include <boost/asio/steady_timer.hpp>
#include <caf/actor_addr.hpp>

#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace troupe::link {

struct hub_options {
  links_options links;
  link_limits limits;
  std::string address; // of the listener
};

class hub final : public connection_owner {
public:
  /// Before the thread runs; `acceptor` is open.
  hub(hub_options options, std::shared_ptr<io_thread> io, std::unique_ptr<stream_factory> streams,
      tcp::acceptor acceptor);
  ~hub() override;

  void start();
  /// Every link and the listener, for good.
  void stop();

  void view(const ClusterView& news);
  Links links() const;

  // For connections.
  const link_limits& limits() const override { return options_.limits; }
  link_probe& probe() override { return *options_.links.probe; }
  v1::LinkHello hello() const override;
  std::optional<caf::error> refusal(const connection& of, const v1::LinkHello& said) override;
  void up(const connection_ptr& link) override;
  void beat(connection& link) override;
  void take(connection& link, taken_frames frames) override;
  void closed(const connection_ptr& link) override;

private:
  /// Another node: known by a view, linked, or both.
  struct neighbour {
    explicit neighbour(asio::io_context& io) : redial(io) {}
    std::string address;
    bool present = false;  // by the view
    connection_ptr link;   // up
    connection_ptr trying; // dialled and not up yet
    peer_actor handle;     // of `link`
    asio::steady_timer redial;
    std::int64_t pause_ms = 0; // before the next try
    std::string error;         // of the last one
  };

  void accept_more();
  void accepted(tcp::socket socket);
  void admit(const connection_ptr& stranger);
  const link_identity& self() const { return options_.links.identity; }
  neighbour& neighbour_of(const std::string& name);
  bool dials(const std::string& name) const;
  void dial(const std::string& name);
  void dial_later(const std::string& name);
  caf::expected<tcp::endpoint> endpoint_of(const std::string& address) const;
  void drop(const std::string& name, neighbour& one, const std::string& reason);
  void drop_all(const std::string& reason);
  void ended(const std::string& name, neighbour& one, const std::string& reason, bool tell);
  void tell_lost(const std::string& name, std::int64_t incarnation, const std::string& reason);
  void retire(peer_actor handle, const std::string& reason);
  PeerSeen seen(const connection& link) const;

  hub_options options_;
  std::shared_ptr<io_thread> io_;
  std::unique_ptr<stream_factory> streams_;
  tcp::acceptor acceptor_;
  asio::steady_timer rest_; // after the listener failed
  std::shared_ptr<troupe::alarms> alarms_;
  known_nodes known_;
  std::int64_t version_ = -1;
  std::map<std::string, neighbour, std::less<>> neighbours_;
  std::list<connection_ptr> strangers_;  // the oldest first
  std::vector<caf::actor_addr> retired_; // handles that others may still hold
  std::minstd_rand random_{std::random_device{}()};
  bool stopped_ = false;
};

/// ADDRESS:PORT; the address is an IP address, in brackets if it is of version 6, or localhost.
caf::expected<tcp::endpoint> parse_endpoint(const std::string& address);

} // namespace troupe::link
