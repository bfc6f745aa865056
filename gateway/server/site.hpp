// What the connections of a server share: all of them, and those of one shard.
#pragma once

#include "config/config.hpp"
#include "gateway/server/http_checks.hpp"
#include "gateway/server/probe.hpp"
#include "gateway/server/router.hpp"
#include "gateway/server/shard.hpp"
#include "gateway/server/transport.hpp"

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace troupe::gateway {

class connection;
class static_files;

/// Counts connections against the limits. Thread-safe.
class admissions {
public:
  admissions(const config::gateway_section& config, gateway_probe& probe);

  /// Leaves when it is destroyed.
  class ticket {
  public:
    ticket() = default;
    ticket(ticket&& other) noexcept :
        from_(std::exchange(other.from_, nullptr)),
        key_(std::move(other.key_)),
        counted_(other.counted_) {}
    ticket& operator=(ticket&&) = delete;
    ~ticket();

  private:
    friend class admissions;
    admissions* from_ = nullptr;
    asio::ip::address key_;
    bool counted_ = false;
  };

  /// Nothing if the address has too many. Trusted proxies have no limit of their own.
  std::optional<ticket> enter(const asio::ip::address& remote);
  /// True if a further connection would be over the total.
  bool full() const { return probe_.connections.load() >= connections_max_; }
  bool trusted(const asio::ip::address& remote) const { return trusted_.contains(remote); }

private:
  void leave(const ticket& t);

  gateway_probe& probe_;
  std::int64_t connections_max_;
  std::int64_t per_ip_max_;
  std::set<asio::ip::address> trusted_;
  std::mutex mutex_;
  std::map<asio::ip::address, std::int64_t> by_address_;
};

/// Read-only once the server runs, but for what is atomic.
struct server_core {
  config::gateway_section config;
  head_limits limits;
  router routes;
  gateway_probe& probe;
  actor_host host;
  bool access_log = true;
  std::unique_ptr<tls_context> tls;
  std::unique_ptr<static_files> files;
  std::unordered_map<const route_options*, route_probe*> route_probes;
  route_probe* other = nullptr; // of requests without a route
  std::unique_ptr<admissions> doors;
  std::atomic<bool> draining{false};

  route_probe& probe_of(const route_options* options) const {
    auto i = route_probes.find(options);
    return i == route_probes.end() ? *other : *i->second;
  }
};

/// Something that ends when the server does: a connection, or a WebSocket. In its site's list.
class guest {
public:
  guest() = default;
  guest(const guest&) = delete;
  guest& operator=(const guest&) = delete;
  virtual ~guest() = default;
  /// The node drains: end when idle.
  virtual void drain() = 0;
  /// End now. `reason` is a literal, for the log.
  virtual void cut(const char* reason) = 0;
  /// True if the drain waits for it.
  virtual bool busy() const = 0;
};

/// One shard's part of the server; all on the shard's thread.
struct shard_site {
  server_core& core;
  shard& io;
  std::unique_ptr<std::array<char, 65'536>> scratch = std::make_unique<std::array<char, 65'536>>();
  std::set<guest*> guests;
  std::string date; // of the Date field, this second
  std::int64_t date_second = 0;

  std::string_view date_now();
};

} // namespace troupe::gateway
