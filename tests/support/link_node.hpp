// One side of links, without the rest of a node: its membership and region only remember, and its
// service answers as a test tells it to.
#pragma once

#include "cluster/link/links.hpp"
#include "messages/system.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

/// What the other parts of a node were told; shared with the actors that stand in for them.
struct link_news {
  std::mutex mutex;
  std::vector<PeerSeen> seen;          // by the membership
  std::vector<PeerLost> lost;          // by the membership
  std::vector<PeerSeen> linked;        // by the region
  std::vector<PeerLost> unlinked;      // by the region
  std::vector<peer_actor> handles;     // one for each of `linked`
  int looks = 0;                       // `ShardsChanged`
  std::vector<RemoteRequest> requests; // that the service was asked

  template <class F>
  auto with(F f) {
    std::lock_guard guard{mutex};
    return f(*this);
  }
};

/// Answers what the other node asks; the sink is empty unless the request subscribes. Called on the
/// service's thread.
using link_service =
    std::function<caf::result<RemoteAnswer>(const RemoteRequest& request, turn_sink_actor sink)>;

/// Limits short enough for tests.
link_limits quick_links();

class link_node {
public:
  explicit link_node(std::string name, const link_limits& limits = quick_links(),
                     const link_tls& tls = {}, link_service service = {},
                     std::int64_t incarnation = 1, const std::string& cluster_id = "cluster");
  ~link_node();

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }
  std::uint16_t port() const;
  v1::Node row() const;
  /// Tells the links who there is; versions grow by themselves.
  void view(std::vector<v1::Node> nodes);

  link_news& news() { return *news_; }
  link_probe& probe() { return *probe_; }
  caf::actor_system& system() { return *system_; }
  const actor_host& host() const { return host_; }
  const links_actor& links() const { return links_; }
  peer_table& peers() { return *peers_; }
  /// Live actors of a type.
  std::int64_t live(const std::string& type) { return probes_.of_type(type).live; }

  /// Waits for a link to `peer`; true when it is up.
  bool linked(const std::string& peer, std::chrono::milliseconds limit = std::chrono::seconds{5});
  /// The newest handle for `peer`; empty when there was none.
  peer_actor handle(const std::string& peer);
  /// All but the newest of all that came.
  void forget_old_handles();
  std::optional<v1::LinkState> state(const std::string& peer);

  /// Asks the peer and waits for its answer.
  caf::expected<RemoteAnswer> ask(const peer_actor& peer, v1::RemoteRequest request,
                                  std::chrono::milliseconds limit = std::chrono::seconds{10});

  /// Ends the links' actor, and waits for its end. False when that takes longer than `limit`.
  bool stop(std::chrono::milliseconds limit = std::chrono::seconds{5});

private:
  std::string name_;
  std::string cluster_id_;
  std::int64_t incarnation_;
  std::string address_;
  std::int64_t version_ = 0;
  std::shared_ptr<link_news> news_ = std::make_shared<link_news>();
  std::shared_ptr<link_probe> probe_ = std::make_shared<link_probe>();
  std::shared_ptr<peer_table> peers_ = std::make_shared<peer_table>();
  system_config config_{2};
  probes probes_;
  std::optional<caf::actor_system> system_;
  actor_host host_;
  std::shared_ptr<link_listener> listener_;
  links_actor links_;
  std::vector<caf::strong_actor_ptr> parts_;
};

/// Tells both of each other, and waits until each has the other's handle.
bool join(link_node& a, link_node& b);

/// A request for one conversation, with a limit of five seconds.
v1::RemoteRequest get_request(const std::string& conversation_id);

} // namespace troupe::test
