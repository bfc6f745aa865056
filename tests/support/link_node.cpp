#include "tests/support/link_node.hpp"

#include "messages/log.hpp"
#include "tests/support/script_server.hpp"

#include <cstdlib>
#include <stdexcept>

namespace troupe::test {

namespace {

using std::chrono::milliseconds;

struct stand_in_state {
  static inline const char* name = "stand_in";
};

using news_ptr = std::shared_ptr<link_news>;

membership_actor::behavior_type membership_stand_in(self_pointer<membership_actor, stand_in_state>,
                                                    news_ptr news) {
  auto not_here = [] { return make_error(ec::unsupported); };
  return {
      [news](const PeerSeen& x) { news->with([&](auto& n) { n.seen.push_back(x); }); },
      [news](const PeerLost& x) { news->with([&](auto& n) { n.lost.push_back(x); }); },
      [news](const ShardsChanged&) { news->with([](auto& n) { ++n.looks; }); },
      [not_here](const HandOverShards&) -> caf::result<ClusterView> { return not_here(); },
      [not_here](const LeaveCluster&) -> caf::result<Done> { return not_here(); },
      [not_here](const GetCluster&) -> caf::result<ClusterView> { return not_here(); },
  };
}

// The links only send it two of its many messages: an actor of just these does.
using region_news = caf::typed_actor<reacts_to<PeerSeen, peer_actor>, reacts_to<PeerLost>>;

region_news::behavior_type region_stand_in(self_pointer<region_news, stand_in_state>,
                                           news_ptr news) {
  return {
      [news](const PeerSeen& x, const peer_actor& handle) {
        news->with([&](auto& n) {
          n.linked.push_back(x);
          n.handles.push_back(handle);
        });
      },
      [news](const PeerLost& x) { news->with([&](auto& n) { n.unlinked.push_back(x); }); },
  };
}

peer_actor::behavior_type service_stand_in(self_pointer<peer_actor, stand_in_state>, news_ptr news,
                                           link_service serve) {
  auto answer = [news, serve](const RemoteRequest& x,
                              const turn_sink_actor& sink) -> caf::result<RemoteAnswer> {
    if (serve)
      return serve(x, sink);
    news->with([&](auto& n) { n.requests.push_back(x); });
    v1::RemoteAnswer out;
    out.mutable_conversation()->set_id(x->get().conversation_id());
    return RemoteAnswer{std::move(out)};
  };
  return {
      [answer](const RemoteRequest& x) { return answer(x, {}); },
      [answer](const RemoteRequest& x, const turn_sink_actor& sink) { return answer(x, sink); },
  };
}

} // namespace

link_limits quick_links() {
  link_limits out;
  out.hello_limit_ms = 500;
  out.beat_ms = 20;
  out.silence_limit_ms = 1'000; // a busy machine is no silence
  out.redial_first_ms = 20;
  out.redial_max_ms = 200;
  return out;
}

link_node::link_node(std::string name, const link_limits& limits, const link_tls& tls,
                     link_service service, std::int64_t incarnation,
                     const std::string& cluster_id) :
    name_(std::move(name)), cluster_id_(cluster_id), incarnation_(incarnation) {
  if (std::getenv("TROUPE_TEST_LOG") == nullptr)
    set_log_level(log_level::off);
  auto opened = link_listener::open("127.0.0.1:0", tls, limits);
  if (!opened)
    throw std::runtime_error(describe(opened.error()));
  listener_ = *opened;
  address_ = listener_->address();
  system_.emplace(config_);
  host_ = {&*system_, &probes_};
  links_options options;
  options.host = host_;
  options.identity = {cluster_id, name_, incarnation, "test"};
  options.service = troupe::spawn(host_, service_stand_in, news_, std::move(service));
  options.membership = troupe::spawn(host_, membership_stand_in, news_);
  auto region = troupe::spawn(host_, region_stand_in, news_);
  options.region = caf::actor_cast<shard_region_actor>(region);
  options.probe = probe_;
  options.peers = peers_;
  parts_ = {caf::actor_cast<caf::strong_actor_ptr>(options.service),
            caf::actor_cast<caf::strong_actor_ptr>(options.membership),
            caf::actor_cast<caf::strong_actor_ptr>(region)};
  links_ = listener_->start(std::move(options));
}

link_node::~link_node() {
  stop();
  news_->with([](auto& n) { n.handles.clear(); });
  for (auto& part : parts_)
    caf::anon_send_exit(part, caf::exit_reason::user_shutdown);
  parts_.clear();
}

bool link_node::stop(milliseconds limit) {
  if (!links_)
    return true;
  caf::scoped_actor self{*system_};
  self->monitor(links_);
  self->send_exit(links_, caf::exit_reason::user_shutdown);
  links_ = links_actor{};
  bool ended = false;
  self->receive([&](const caf::down_msg&) { ended = true; }, caf::after(limit) >> [] {});
  return ended;
}

std::uint16_t link_node::port() const {
  return static_cast<std::uint16_t>(std::stoi(address_.substr(address_.rfind(':') + 1)));
}

v1::Node link_node::row() const {
  v1::Node node;
  node.set_name(name_);
  node.set_incarnation(incarnation_);
  node.set_state(v1::NODE_STATE_UP);
  node.set_address(address_);
  return node;
}

void link_node::view(std::vector<v1::Node> nodes) {
  v1::ClusterView view;
  view.set_cluster_id(cluster_id_);
  view.set_version(++version_);
  for (auto& node : nodes)
    *view.add_nodes() = std::move(node);
  caf::anon_send(links_, ClusterView{std::move(view)});
}

peer_actor link_node::handle(const std::string& peer) {
  return news_->with([&](auto& n) {
    for (auto i = n.linked.size(); i-- > 0;)
      if (n.linked[i]->name() == peer)
        return n.handles[i];
    return peer_actor{};
  });
}

void link_node::forget_old_handles() {
  news_->with([](auto& n) {
    for (std::size_t i = 0; i + 1 < n.handles.size(); ++i)
      n.handles[i] = peer_actor{};
  });
}

std::optional<v1::LinkState> link_node::state(const std::string& peer) {
  caf::scoped_actor self{*system_};
  std::optional<v1::LinkState> out;
  self->request(links_, std::chrono::seconds{5}, GetLinks{})
      .receive(
          [&](const Links& all) {
            for (const auto& one : all->links())
              if (one.name() == peer)
                out = one;
          },
          [](const caf::error&) {});
  return out;
}

bool link_node::linked(const std::string& peer, milliseconds limit) {
  return eventually(
      [&] {
        auto now = state(peer);
        return now && now->up() && handle(peer);
      },
      limit);
}

caf::expected<RemoteAnswer> link_node::ask(const peer_actor& peer, v1::RemoteRequest request,
                                           milliseconds limit) {
  caf::scoped_actor self{*system_};
  caf::expected<RemoteAnswer> out{caf::error{}};
  self->request(peer, limit, RemoteRequest{std::move(request)})
      .receive([&](RemoteAnswer& x) { out = std::move(x); },
               [&](caf::error& e) { out = std::move(e); });
  return out;
}

bool join(link_node& a, link_node& b) {
  a.view({a.row(), b.row()});
  b.view({a.row(), b.row()});
  return a.linked(b.name()) && b.linked(a.name());
}

v1::RemoteRequest get_request(const std::string& conversation_id) {
  v1::RemoteRequest out;
  out.set_limit_ms(5'000);
  out.mutable_get()->set_conversation_id(conversation_id);
  return out;
}

} // namespace troupe::test
