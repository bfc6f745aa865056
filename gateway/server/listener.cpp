#include "gateway/server/listener.hpp"

#include "gateway/server/connection.hpp"
#include "gateway/server/replies.hpp"
#include "messages/id.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <charconv>
#include <future>
#include <stdexcept>

namespace troupe::gateway {

namespace {

constexpr auto tuple = asio::as_tuple(asio::use_awaitable);
constexpr int backlog = 4'096;
constexpr std::int64_t complain_every_us = 1'000'000;

using namespace std::chrono_literals;

tcp::endpoint endpoint_of(asio::io_context& context, const std::string& listen) {
  auto colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == listen.size())
    throw std::runtime_error("gateway.listen: " + listen
                             + " is not address:port, as 127.0.0.1:8080");
  std::uint16_t port = 0; // the resolver would take a larger number as another port
  const auto* end = listen.data() + listen.size();
  auto [rest, wrong] = std::from_chars(listen.data() + colon + 1, end, port);
  if (wrong != std::errc{} || rest != end)
    throw std::runtime_error("gateway.listen: " + listen + " does not end in a port, 0 to 65535");
  auto host = listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  tcp::resolver resolver{context};
  error_code e;
  auto found = resolver.resolve(host, listen.substr(colon + 1),
                                tcp::resolver::passive | tcp::resolver::numeric_service, e);
  if (e || found.empty())
    throw std::runtime_error("gateway.listen: " + listen + ": " + e.message()
                             + ". Give an address of this machine and a port.");
  return *found.begin();
}

} // namespace

// -- who may come in ------------------------------------------------------------------------------

admissions::admissions(const config::gateway_section& config, gateway_probe& probe) :
    probe_(probe),
    connections_max_(config.connections_max),
    per_ip_max_(config.connections_per_ip_max) {
  for (const auto& text : config.trusted_proxies) {
    error_code e;
    auto address = asio::ip::make_address(text, e);
    if (e)
      throw std::runtime_error("gateway.trusted_proxies: " + text + " is no IP address");
    trusted_.insert(address);
  }
}

std::optional<admissions::ticket> admissions::enter(const asio::ip::address& remote) {
  ticket t;
  t.key_ = remote;
  t.counted_ = !trusted(remote);
  // A whole /64 of IPv6 is one customer.
  if (remote.is_v6() && !remote.to_v6().is_v4_mapped()) {
    auto bytes = remote.to_v6().to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), 0);
    t.key_ = asio::ip::address_v6{bytes};
  }
  if (t.counted_) {
    std::lock_guard guard{mutex_};
    auto& count = by_address_[t.key_];
    if (count >= per_ip_max_)
      return std::nullopt;
    ++count;
  }
  t.from_ = this;
  probe_.connections.fetch_add(1, std::memory_order_relaxed);
  probe_.connections_total.fetch_add(1, std::memory_order_relaxed);
  return t;
}

admissions::ticket::~ticket() {
  if (from_ != nullptr)
    from_->leave(*this);
}

void admissions::leave(const ticket& t) {
  probe_.connections.fetch_sub(1, std::memory_order_relaxed);
  if (!t.counted_)
    return;
  std::lock_guard guard{mutex_};
  auto i = by_address_.find(t.key_);
  if (i != by_address_.end() && --i->second <= 0)
    by_address_.erase(i);
}

// -- the listener ---------------------------------------------------------------------------------

listener::listener(server_core& core, std::vector<std::unique_ptr<shard_site>>& sites) :
    core_(core), sites_(sites), acceptor_(sites[0]->io.context()), pause_(sites[0]->io.context()) {
  auto where = endpoint_of(sites[0]->io.context(), core.config.listen);
  error_code e;
  acceptor_.open(where.protocol(), e);
  if (!e)
    acceptor_.set_option(tcp::acceptor::reuse_address{true}, e);
  if (!e)
    acceptor_.bind(where, e);
  if (!e)
    acceptor_.listen(backlog, e);
  if (e == asio::error::address_in_use)
    throw std::runtime_error("gateway.listen: " + core.config.listen
                             + " is in use. Stop what listens there, or give another port "
                               "(--http or gateway.listen).");
  if (e)
    throw std::runtime_error("gateway.listen: " + core.config.listen + ": " + e.message()
                             + ". Give an address of this machine and a port you may use.");
  bound_ = acceptor_.local_endpoint();
  asio::co_spawn(sites[0]->io.context(), accept_all(), asio::detached);
}

std::string listener::address() const {
  auto host = bound_.address().to_string();
  if (bound_.address().is_v6())
    host = "[" + host + "]";
  return host + ":" + std::to_string(bound_.port());
}

void listener::close() {
  std::promise<void> done;
  asio::post(acceptor_.get_executor(), [&] {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    done.set_value();
  });
  done.get_future().wait();
}

asio::awaitable<void> listener::rest(std::chrono::milliseconds time) {
  pause_.expires_after(time);
  co_await pause_.async_wait(tuple);
}

asio::awaitable<void> listener::accept_all() {
  while (acceptor_.is_open()) {
    // More wait in the backlog until there is room.
    if (core_.doors->full()) {
      co_await rest(10ms);
      continue;
    }
    auto& site = *sites_[next_++ % sites_.size()];
    auto [e, socket] = co_await acceptor_.async_accept(site.io.context(), tuple);
    if (e == asio::error::operation_aborted || e == asio::error::bad_descriptor)
      break;
    if (!e) {
      admit(std::move(socket), site);
    } else if (e != asio::error::connection_aborted) {
      trouble(e);
      co_await rest(100ms);
    }
  }
}

void listener::admit(tcp::socket socket, shard_site& site) {
  error_code e;
  auto remote = socket.remote_endpoint(e).address();
  if (e)
    return;
  if (remote.is_v6() && remote.to_v6().is_v4_mapped())
    remote = asio::ip::make_address_v4(asio::ip::v4_mapped, remote.to_v6());
  auto ticket = core_.doors->enter(remote);
  if (!ticket) {
    auto why = refusal::too_many_connections;
    core_.probe.refused[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
    if (!core_.tls) {
      socket.non_blocking(true, e);
      socket.write_some(asio::buffer(refusal_text(why, new_id(), sites_[0]->date_now())), e);
      socket.shutdown(tcp::socket::shutdown_send, e);
    }
    return;
  }
  asio::post(site.io.context(),
             [&site, remote, s = std::move(socket), t = std::move(*ticket)]() mutable {
               std::make_shared<connection>(site, std::move(s), remote, std::move(t))->start();
             });
}

void listener::trouble(const error_code& e) {
  auto now = shard::now_us();
  if (now - complained_us_ < complain_every_us)
    return;
  complained_us_ = now;
  log_warn("accept_failed", {{"address", address()}, {"error", e.message()}});
}

// -- the Date field -------------------------------------------------------------------------------

std::string_view shard_site::date_now() {
  auto now = std::time(nullptr);
  if (now != date_second) {
    date_second = now;
    std::tm tm{};
    gmtime_r(&now, &tm);
    char text[32];
    date.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm));
  }
  return date;
}

} // namespace troupe::gateway
