// A node's part in the cluster: joining, the links, the shards, leaving.
#include "actors/session/ids.hpp"
#include "actors/session/region.hpp"
#include "actors/store/authority.hpp"
#include "cluster/node_parts.hpp"
#include "cluster/notices.hpp"
#include "cluster/peer_service.hpp"
#include "config/forms.hpp"
#include "gateway/ops/ask.hpp"
#include "messages/log.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

using gateway::ops::ask_blocking;
using std::chrono::milliseconds;

constexpr milliseconds authority_limit{10'000};
constexpr milliseconds connect_limit{1'000}; // of the node named by --join

/// The default port may be another node's of this machine: then any free one will do.
caf::expected<std::shared_ptr<link_listener>> open_listener(const config::cluster_section& section,
                                                            const link_limits& limits) {
  link_tls tls{section.ca, section.certificate, section.key};
  auto opened = link_listener::open(section.listen, tls, limits);
  if (opened || section.listen != config::cluster_section{}.listen)
    return opened;
  log_info("cluster_port_taken",
           {{"listen", section.listen}, {"reason", describe(opened.error())}});
  return link_listener::open("127.0.0.1:0", tls, limits);
}

caf::error check_reachable(const std::string& address) {
  auto at = config::parse_listen(address); // the configuration was validated
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket{io};
  boost::system::error_code failed = boost::asio::error::timed_out;
  socket.async_connect({boost::asio::ip::make_address(at->host), at->port},
                       [&](const boost::system::error_code& e) { failed = e; });
  io.run_for(connect_limit);
  if (!failed)
    return caf::none;
  return make_error(ec::config_invalid,
                    fmt::format("no node answers at {} ({}): start that one first, or name one "
                                "that runs with --join",
                                address, failed.message()));
}

/// A node that answers may still be of another database.
caf::error check_same_cluster(const std::string& address, const v1::ClusterView& view) {
  bool known = std::any_of(view.nodes().begin(), view.nodes().end(), [&](const v1::Node& x) {
    return x.address() == address && x.state() == v1::NODE_STATE_UP;
  });
  if (known)
    return caf::none;
  return make_error(
      ec::config_invalid,
      fmt::format("the node at {} keeps its things in another database than this one: "
                  "give both the same store.url",
                  address));
}

member_options member_options_of(const config::node_config& config) {
  member_options out;
  out.name = config.node.name;
  out.lease_ms = config.cluster.lease_ms;
  out.renew_ms = config.cluster.lease_ms / 4;
  out.leader_lease_ms = config.cluster.lease_ms;
  out.fence_margin_ms = config.cluster.lease_ms / 6;
  out.suspect_ms = config.cluster.suspect_ms;
  out.placement.moves_max = static_cast<int>(config.cluster.moves_max);
  return out;
}

} // namespace

bool node::parts::has_role(std::string_view role) const {
  const auto& roles = config.cluster.roles;
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

void node::parts::join_cluster() {
  const auto& join = config.cluster.join;
  if (!join.empty())
    if (auto err = check_reachable(join))
      throw node_failure{err};
  auto opened = open_listener(config.cluster, link_limits{});
  if (!opened)
    throw node_failure{opened.error()};
  listener = *opened;
  authority = troupe::spawn<caf::detached>(host, troupe::authority, authority_options{database});
  membership_options options;
  options.host = host;
  options.authority = authority;
  options.member = member_options_of(config);
  auto& node = *options.join.mutable_node();
  node.set_name(config.node.name);
  node.set_address(config.cluster.advertise.empty() ? listener->address()
                                                    : config.cluster.advertise);
  for (const auto& role : config.cluster.roles)
    node.add_roles(role);
  node.set_capacity(config.cluster.capacity);
  node.set_version(TROUPE_VERSION);
  node.set_identity(identity);
  options.join.set_lease_ms(options.member.lease_ms);
  options.join.set_leader_lease_ms(options.member.leader_lease_ms);
  options.asked_us = boot_clock_us();
  auto joined =
      ask_blocking<ClusterJoined>(*system, authority, authority_limit, JoinCluster{options.join});
  if (!joined)
    throw node_failure{joined.error()};
  options.joined = **joined;
  self = options.joined.node();
  cluster_id = options.joined.view().cluster_id();
  if (auto err = join.empty() ? caf::error{} : check_same_cluster(join, options.joined.view())) {
    change_state(v1::NODE_STATE_LEFT);
    throw node_failure{err};
  }
  options.lease = lease;
  options.probe = member_probe;
  options.on_change = [all = peers](std::int64_t version) { tell_shards_changed(*all, version); };
  options.on_view = [relay = views](const ClusterView& view) { relay->tell(view); };
  membership = troupe::spawn(host, troupe::membership, std::move(options));
}

void node::parts::start_region(const session_options& sessions) {
  session_region_options each{host, sessions};
  each.session.alarms = alarms::make(host);
  auto reading = each;
  reading.resumes = false;
  queries = troupe::spawn(host, session_region, std::move(reading));
  shard_region_options options;
  options.host = host;
  options.node = config.node.name;
  options.open_shard = [each](const v1::ShardClaim& claim) {
    auto mine = each;
    mine.session.claim = claim;
    mine.session.counters = std::make_shared<session_counters>();
    return troupe::spawn(each.host, session_region, std::move(mine));
  };
  options.queries = queries;
  options.conversation_of = [](const v1::PostMessage& post) {
    const auto& key = post.create_if_missing().session_key();
    return post.conversation_id().empty() && !key.empty() ? conversation_id_of(key)
                                                          : post.conversation_id();
  };
  options.membership = membership;
  options.lease = lease;
  options.holder.leave_limit_ms = config.cluster.leave_limit_ms;
  options.route_limit_ms = config.cluster.route_limit_ms;
  options.probe = shards_probe;
  region = troupe::spawn(host, shard_region, std::move(options));
  views->attach([to = region](const ClusterView& view) { caf::anon_send(to, view); });
}

void node::parts::start_links() {
  peer_service_options serving;
  serving.host = host;
  serving.region = region;
  serving.membership = membership;
  serving.keyring = keyring;
  serving.outbox = outbox;
  serving.lexicons = moderation;
  serving.keyword_sets = keywords;
  serving.places = places;
  if (has_role("tools"))
    serving.tokenizer = tokenizer;
  serving.report = [this](const v1::GetNodeReport& query) { return report(query); };
  service = troupe::spawn(host, peer_service, std::move(serving));
  links_options options;
  options.host = host;
  options.identity = {cluster_id, self.name(), self.incarnation(), TROUPE_VERSION};
  options.service = service;
  options.membership = membership;
  options.region = region;
  options.peers = peers;
  options.on_up = [to = keyring] { caf::anon_send(to, KeyRevoked{}); };
  options.probe = links_probe;
  links = listener->start(std::move(options));
  views->attach([to = links](const ClusterView& view) { caf::anon_send(to, view); });
}

std::int64_t node::parts::current_incarnation() const {
  for (const auto& node : views->last()->nodes())
    if (node.name() == config.node.name)
      return node.incarnation();
  return self.incarnation();
}

void node::parts::change_state(v1::NodeState state) {
  v1::ChangeNodeState change;
  change.set_name(config.node.name);
  change.set_incarnation(current_incarnation());
  change.set_state(state);
  change.set_url(url);
  change.set_ops_url(ops_url);
  auto told =
      ask_blocking<ClusterView>(*system, authority, authority_limit, ChangeNodeState{change});
  if (!told)
    log_warn("node_state_not_told", {{"error", describe(told.error())}});
}

void node::parts::leave_cluster(std::int64_t deadline_us) {
  if (!membership)
    return;
  v1::LeaveCluster leave;
  leave.set_deadline_us(deadline_us);
  auto limit = milliseconds{config.node.drain_limit_ms + 1'000};
  auto left = ask_blocking<Done>(*system, membership, limit, LeaveCluster{leave});
  if (!left)
    log_warn("leave_failed", {{"error", describe(left.error())}});
}

} // namespace troupe
