// Whom this node dials: what the views say, and trying again.
#include "cluster/link/hub.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::link {

namespace {

using std::chrono::milliseconds;

} // namespace

void hub::view(const ClusterView& news) {
  if (news->nodes().empty()) {
    version_ = -1;
    known_.clear();
    drop_all("this node is no member of the cluster now");
    neighbours_.clear();
    return;
  }
  if (news->version() < version_)
    return;
  version_ = news->version();
  auto& incarnation = options_.links.identity.incarnation;
  for (const auto& node : news->nodes())
    if (node.name() == self().name && node.incarnation() > incarnation) {
      incarnation = node.incarnation();
      drop_all("this node joined anew");
    }
  known_ = nodes_of(*news, self().name);
  for (const auto& [name, node] : known_) {
    auto& one = neighbour_of(name);
    if (one.address != node.address)
      one.pause_ms = 0;
    one.address = node.address;
    one.present = node.present;
    auto stale = one.link && one.link->peer().incarnation() < node.incarnation;
    if (stale || !node.present)
      drop(name, one, stale ? "it joined anew" : "it is no member of the cluster any more");
    if (!node.present)
      neighbours_.erase(name);
    else if (!one.link && !one.trying && dials(name))
      dial(name);
  }
}

bool hub::dials(const std::string& name) const { return self().name < name; }

void hub::dial_later(const std::string& name) {
  auto& one = neighbours_.at(name);
  if (stopped_ || !one.present || !dials(name) || one.link || one.trying)
    return;
  one.pause_ms = one.pause_ms == 0 ? limits().redial_first_ms
                                   : std::min(2 * one.pause_ms, limits().redial_max_ms);
  // Half of it is chance, so that nodes that failed together do not return together.
  std::uniform_int_distribution<std::int64_t> some{one.pause_ms / 2, one.pause_ms};
  one.redial.expires_after(milliseconds{some(random_)});
  one.redial.async_wait([this, name](error_code e) {
    if (!e && !stopped_)
      dial(name);
  });
}

void hub::dial(const std::string& name) {
  auto found = neighbours_.find(name);
  if (found == neighbours_.end())
    return;
  auto& one = found->second;
  one.redial.cancel();
  if (one.link || one.trying || !one.present)
    return;
  auto where = endpoint_of(one.address);
  if (!where) {
    one.error = describe(where.error());
    dial_later(name);
    return;
  }
  one.trying = std::make_shared<connection>(
      *this, io_, streams_->make(tcp::socket{io_->context()}, side::dialled), name);
  one.trying->dial(*where);
}

caf::expected<tcp::endpoint> parse_endpoint(const std::string& address) {
  auto wrong = [&] {
    return make_error(ec::config_invalid,
                      fmt::format("\"{}\" is no ADDRESS:PORT, as 10.0.0.5:7400", address));
  };
  auto colon = address.rfind(':');
  if (colon == std::string::npos)
    return wrong();
  std::uint16_t port = 0;
  const auto* end = address.data() + address.size();
  auto [rest, bad] = std::from_chars(address.data() + colon + 1, end, port);
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  error_code e;
  auto ip = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, e);
  if (bad != std::errc{} || rest != end || e)
    return wrong();
  return tcp::endpoint{ip, port};
}

caf::expected<tcp::endpoint> hub::endpoint_of(const std::string& address) const {
  auto where = parse_endpoint(address);
  if (where && streams_->plain() && !where->address().is_loopback())
    return make_error(ec::config_invalid,
                      fmt::format("{} is not on this machine: links to other machines need TLS "
                                  "(`troupe cluster ca init`)",
                                  address));
  return where;
}

} // namespace troupe::link
