// Accepts connections and hands them to the shards in turn.
#pragma once

#include "gateway/server/site.hpp"

#include <boost/asio/steady_timer.hpp>

namespace troupe::gateway {

class listener {
public:
  /// Binds and begins. Throws std::runtime_error with a sentence that names the address.
  listener(server_core& core, std::vector<std::unique_ptr<shard_site>>& sites);

  std::uint16_t port() const { return bound_.port(); }
  std::string address() const;
  /// Waits until it is closed; not on the first shard's thread.
  void close();

private:
  asio::awaitable<void> accept_all();
  void admit(tcp::socket socket, shard_site& site);
  asio::awaitable<void> rest(std::chrono::milliseconds time);
  void trouble(const error_code& e);

  server_core& core_;
  std::vector<std::unique_ptr<shard_site>>& sites_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  tcp::endpoint bound_;
  std::size_t next_ = 0;
  std::int64_t complained_us_ = 0;
};

} // namespace troupe::gateway
