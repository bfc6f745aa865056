// The other end of a link as an actor of this node: one for each time a link came up.
#pragma once

#include "cluster/link/connection.hpp"
#include "cluster/link/links.hpp"
#include "cluster/link/outbox.hpp"
#include "messages/actor.hpp"
#include "messages/alarms.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_response_promise.hpp>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

namespace troupe::link {

/// Frames that came, in order; from the links' thread.
struct link_input {
  std::shared_ptr<taken_frames> frames;
};

/// The link is gone; nothing follows.
struct link_ended {
  std::string reason;
};

struct peer_options {
  actor_host host;
  std::string node; // the other one's name
  link_limits limits;
  std::shared_ptr<outbox> out;
  peer_actor service; // of this node, for the other
  std::shared_ptr<troupe::alarms> alarms;
  std::shared_ptr<link_probe> probe;
  std::function<void(std::string reason)> end_link; // from any thread
  bool same_version = true; // of the program: it sends nothing that this one does not know
};

class peer_state {
public:
  using interface = peer_actor::extend<caf::reacts_to<link_input>, caf::reacts_to<link_ended>,
                                       caf::reacts_to<Tick>>;
  using pointer = self_pointer<interface, peer_state>;
  static inline const char* name = "peer";

  explicit peer_state(pointer self) : self_(self) {}
  ~peer_state();
  void start(peer_options options);

  // For actors of this node.
  caf::result<RemoteAnswer> ask(const RemoteRequest& request, const turn_sink_actor& sink);

  // From the link.
  void take(const link_input& input);
  void end(const std::string& reason);
  void time_is_up(std::uint64_t id);

private:
  struct waiting {
    caf::typed_response_promise<RemoteAnswer> promise;
    alarms::ticket timer = 0;
    v1::RemoteRequest::WhatCase what = v1::RemoteRequest::WHAT_NOT_SET;
  };
  /// A subscription at the other node.
  struct subscription {
    turn_sink_actor sink;
    std::string conversation_id;
    std::string turn_id;
    std::int64_t last_seq = 0;
    bool accepted = false; // its request was answered
  };

  // What was asked of the other node.
  caf::error send(std::uint64_t id, const v1::RemoteRequest& request, const turn_sink_actor& sink);
  std::uint64_t subscription_of(const v1::UnsubscribeTurn& query, const turn_sink_actor& sink);
  void forget(std::uint64_t subscription);
  void unsubscribe(std::uint64_t subscription);
  void sink_down(const caf::actor_addr& sink);
  void answered(v1::RemoteAnswer& answer);
  void came(v1::RemoteEvents& events);
  void break_off(std::uint64_t subscription, const std::string& why);
  std::string broke(v1::RemoteRequest::WhatCase what) const;
  void count_unknown(const v1::LinkFrame& frame);

  // What the other node asks.
  void serve(v1::RemoteRequest& request, std::int64_t bytes);
  template <class... Sink>
  void ask_service(RemoteRequest request, std::int64_t bytes, Sink... sink);
  void reply(std::uint64_t id, caf::expected<RemoteAnswer> answer);
  void end_sink(std::uint64_t id);

  pointer self_;
  peer_options options_;
  std::uint64_t last_id_ = 0;
  bool ended_ = false;
  std::string reason_;
  std::unordered_map<std::uint64_t, waiting> waiting_;
  std::unordered_map<std::uint64_t, subscription> subscriptions_;
  std::unordered_multimap<caf::actor_id, std::uint64_t> by_sink_; // which of them it reads
  std::unordered_map<std::uint64_t, turn_sink_actor> sinks_;      // of the other's subscriptions
  std::unordered_map<caf::actor_id, std::uint64_t> sink_ids_;
  std::int64_t serving_ = 0;
};

peer_state::interface::behavior_type peer(peer_state::pointer self, peer_options options);

} // namespace troupe::link

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::link::link_input)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::link::link_ended)
