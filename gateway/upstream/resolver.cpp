#include "gateway/upstream/resolver.hpp"

#include "messages/error.hpp"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace troupe::gateway {

namespace ip = boost::asio::ip;
using clock = std::chrono::steady_clock;

struct resolver::state {
  struct entry {
    caf::expected<address_list> result{address_list{}};
    clock::time_point until;
  };

  resolver_options options;
  lookup how;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::string> queue;
  std::unordered_map<std::string, std::vector<callback>> waiting;
  std::unordered_map<std::string, entry> cache;
  bool closed = false;

  void remember(const std::string& host, const caf::expected<address_list>& result) {
    auto now = clock::now();
    if (cache.size() >= options.cache_max)
      std::erase_if(cache, [&](const auto& x) { return x.second.until <= now; });
    if (cache.size() >= options.cache_max)
      cache.erase(cache.begin());
    cache.insert_or_assign(
        host, entry{result, now + (result ? options.found_for : options.not_found_for)});
  }
};

resolver::resolver(resolver_options options, lookup how) : state_(std::make_shared<state>()) {
  state_->options = options;
  state_->how = std::move(how);
  for (std::size_t i = 0; i < options.threads; ++i)
    std::thread{work, state_}.detach();
}

resolver::~resolver() {
  std::unordered_map<std::string, std::vector<callback>> dropped;
  {
    std::lock_guard guard{state_->mutex};
    state_->closed = true;
    dropped.swap(state_->waiting);
  }
  state_->wake.notify_all();
}

void resolver::work(std::shared_ptr<state> shared) {
  for (;;) {
    std::string host;
    {
      std::unique_lock guard{shared->mutex};
      shared->wake.wait(guard, [&] { return shared->closed || !shared->queue.empty(); });
      if (shared->closed)
        return;
      host = std::move(shared->queue.front());
      shared->queue.pop_front();
    }
    auto result = shared->how(host);
    std::lock_guard guard{shared->mutex};
    if (shared->closed)
      return;
    shared->remember(host, result);
    auto callbacks = shared->waiting.extract(host);
    // Under the lock, so that none runs once the resolver is gone.
    for (auto& done : callbacks.mapped())
      done(result);
  }
}

void resolver::resolve(const std::string& host, callback done) {
  boost::system::error_code not_address;
  auto address = ip::make_address(host, not_address);
  if (!not_address) {
    done(address_list{address});
    return;
  }
  std::unique_lock guard{state_->mutex};
  auto cached = state_->cache.find(host);
  if (cached != state_->cache.end() && cached->second.until > clock::now()) {
    auto result = cached->second.result;
    guard.unlock();
    done(result);
    return;
  }
  auto found = state_->waiting.find(host);
  if (found == state_->waiting.end()) {
    if (state_->waiting.size() >= state_->options.queue_max) {
      guard.unlock();
      done(make_error(ec::overloaded, "too many host names wait to be looked up"));
      return;
    }
    found = state_->waiting.emplace(host, std::vector<callback>{}).first;
    state_->queue.push_back(host);
  }
  found->second.push_back(std::move(done));
  guard.unlock();
  state_->wake.notify_one();
}

caf::expected<address_list> resolver::system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int failed = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0)
    return make_error(ec::upstream_unavailable,
                      fmt::format("cannot look up {}: {}", host, gai_strerror(failed)));
  address_list addresses;
  for (auto* x = found; x != nullptr; x = x->ai_next) {
    if (x->ai_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, x->ai_addr, sizeof in);
      addresses.emplace_back(ip::address_v4{ntohl(in.sin_addr.s_addr)});
    } else if (x->ai_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, x->ai_addr, sizeof in);
      ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
      addresses.emplace_back(ip::address_v6{bytes, in.sin6_scope_id});
    }
  }
  freeaddrinfo(found);
  return addresses;
}

} // namespace troupe::gateway
