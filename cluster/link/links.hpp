// The links to other nodes: one TCP connection to each, mutual TLS or loopback, frames of
// troupe.v1.LinkFrame. docs/decisions/0013 says why they are not CAF's own.
//
// Frames are a length of four bytes (big-endian) and so many bytes of protobuf. Both sides begin
// with `hello`; until the other's was read and agreed with, a frame may have `hello_bytes_max` only
// and nothing is acted upon. Everything runs on one thread of the links' own; actors are reached by
// messages.
#pragma once

#include "cluster/link/peer_table.hpp"
#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <caf/expected.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe {

/// Who this node says it is. The incarnation follows the views: a new one makes every link anew.
struct link_identity {
  std::string cluster_id;
  std::string name;
  std::int64_t incarnation = 0;
  std::string version;
};

/// PEM files. All empty: plain TCP, which is refused unless both ends are loopback addresses.
struct link_tls {
  std::string ca; // of this cluster alone: whoever has a certificate of it is a node
  std::string certificate;
  std::string key;
};

struct link_limits {
  std::int64_t connect_limit_ms = 300;
  std::int64_t hello_limit_ms = 2'000; // TLS and hello of one connection
  std::int64_t beat_ms = 100;
  std::int64_t silence_limit_ms = 1'000; // without a frame: the link is dropped
  std::int64_t redial_first_ms = 100;    // doubled, with jitter
  std::int64_t redial_max_ms = 2'000;
  std::int64_t hello_bytes_max = 4'096;
  std::int64_t frame_bytes_max = 33'554'432; // a longer one ends the link
  std::int64_t strangers_max = 64;           // connections that have not said hello yet
  std::int64_t credit_bytes = 4'194'304;     // taken in and not yet handled, a link
  std::int64_t queue_bytes_max = 33'554'432; // waiting for credit: more requests are refused
  std::int64_t requests_max = 20'000;        // unanswered, a link and direction
};

/// What the links count; read by the node's metrics.
struct link_probe {
  std::atomic<std::uint64_t> frames_in{0};
  std::atomic<std::uint64_t> frames_out{0};
  std::atomic<std::uint64_t> bytes_in{0};
  std::atomic<std::uint64_t> bytes_out{0};
  std::atomic<std::uint64_t> links_made{0};
  std::atomic<std::uint64_t> links_lost{0};
  std::atomic<std::uint64_t> strangers_refused{0}; // wrong certificate, cluster, protocol or frame
  // Of another version: left alone, refused, or taken without what is not understood.
  std::atomic<std::uint64_t> unknown_frames{0};
  std::atomic<std::uint64_t> unknown_requests{0};
  std::atomic<std::uint64_t> unknown_answers{0};
  std::atomic<std::uint64_t> unknown_fields{0}; // messages that have some
  std::atomic<std::uint64_t> refused_full{0};   // requests, for want of credit
};

struct links_options {
  actor_host host;
  link_identity identity;
  peer_actor service;          // what this node does for others
  membership_actor membership; // told of `PeerSeen` with each beat and of `PeerLost`
  shard_region_actor region;   // told of `PeerSeen` with a handle when a link came up, and of
                               // `PeerLost`
  std::shared_ptr<peer_table> peers = std::make_shared<peer_table>(); // kept by the links
  std::function<void()> on_up; // a link came up: notices may have been missed while it was down
  std::shared_ptr<link_probe> probe = std::make_shared<link_probe>();
};

/// The listener and the thread of the links; made before the node joins, since the address it
/// listens at is part of what the node tells.
class link_listener {
public:
  /// Listens at once at ADDRESS:PORT; port 0: any. Errors: `config_invalid` with what to do (an
  /// address in use, a file that cannot be read, plain TCP beyond loopback).
  static caf::expected<std::shared_ptr<link_listener>>
  open(const std::string& listen, const link_tls& tls, const link_limits& limits);
  virtual ~link_listener() = default;
  /// ADDRESS:PORT, with the port that was given.
  virtual const std::string& address() const = 0;
  /// The links' actor; once. It ends with `exit`, and its links with it.
  virtual links_actor start(links_options options) = 0;
};

} // namespace troupe
