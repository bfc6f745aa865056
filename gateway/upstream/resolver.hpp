// Names to addresses, off the I/O threads, with a bounded cache.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <caf/expected.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::gateway {

using address_list = std::vector<boost::asio::ip::address>;

struct resolver_options {
  std::size_t threads = 2;
  std::size_t queue_max = 256; // names being looked up or waiting for it
  std::size_t cache_max = 1'024;
  std::chrono::milliseconds found_for{30'000}; // how long an answer is used again
  std::chrono::milliseconds not_found_for{2'000};
};

/// Looks names up with the system's resolver on threads of its own. Thread-safe; shared by all
/// shards. A name asked for by many at once is looked up once.
class resolver {
public:
  /// Blocks; called on the resolver's threads.
  using lookup = std::function<caf::expected<address_list>(const std::string& host)>;
  using callback = std::function<void(const caf::expected<address_list>&)>;

  explicit resolver(resolver_options options = {}, lookup how = system_lookup);
  /// Does not wait for look-ups that hang: they are abandoned, and their callbacks dropped.
  ~resolver();

  /// `done` is called once: at once for an address or a cached name, else on one of the resolver's
  /// threads, where it must neither wait nor call the resolver. Errors: `upstream_unavailable`;
  /// `overloaded` when too many wait.
  void resolve(const std::string& host, callback done);

  static caf::expected<address_list> system_lookup(const std::string& host);

private:
  struct state;
  static void work(std::shared_ptr<state> shared);
  std::shared_ptr<state> state_;
};

} // namespace troupe::gateway
