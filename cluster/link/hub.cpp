#include "cluster/link/hub.hpp"

#include "cluster/link/peer.hpp"
#include "messages/log.hpp"

#include <boost/asio/post.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

namespace troupe::link {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::size_t neighbours_max = 1'024;
constexpr milliseconds alarm_grain{10};
constexpr milliseconds rest_after_failure{100};

} // namespace

hub::hub(hub_options options, std::shared_ptr<io_thread> io,
         std::unique_ptr<stream_factory> streams, tcp::acceptor acceptor) :
    options_(std::move(options)),
    io_(std::move(io)),
    streams_(std::move(streams)),
    acceptor_(std::move(acceptor)),
    rest_(io_->context()),
    alarms_(alarms::make(options_.links.host, alarm_grain)) {}

hub::~hub() = default;

void hub::start() { accept_more(); }

void hub::stop() {
  stopped_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  rest_.cancel();
  for (auto& stranger : std::exchange(strangers_, {}))
    stranger->close_quietly("this node ends");
  drop_all("this node ends");
  neighbours_.clear();
  for (const auto& address : retired_)
    if (auto handle = caf::actor_cast<caf::strong_actor_ptr>(address))
      caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
}

// -- who comes in ---------------------------------------------------------------------------------

void hub::accept_more() {
  acceptor_.async_accept([this](error_code e, tcp::socket socket) {
    if (stopped_)
      return;
    if (!e) {
      accepted(std::move(socket));
      accept_more();
      return;
    }
    if (e != asio::error::connection_aborted)
      log_warn("link_accept_failed", {{"error", e.message()}});
    rest_.expires_after(rest_after_failure);
    rest_.async_wait([this](error_code late) {
      if (!late && !stopped_)
        accept_more();
    });
  });
}

void hub::accepted(tcp::socket socket) {
  error_code e;
  auto remote = socket.remote_endpoint(e);
  if (e)
    return;
  if (streams_->plain() && !remote.address().is_loopback()) {
    probe().strangers_refused.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto stranger = std::make_shared<connection>(
      *this, io_, streams_->make(std::move(socket), side::accepted), std::string{});
  strangers_.push_back(stranger);
  if (strangers_.size() > static_cast<std::size_t>(limits().strangers_max)) {
    probe().strangers_refused.fetch_add(1, std::memory_order_relaxed);
    strangers_.front()->close_quietly("newer connections took its place");
    strangers_.pop_front();
  }
  stranger->accept();
}

v1::LinkHello hub::hello() const {
  v1::LinkHello out;
  out.set_protocol(protocol);
  out.set_protocol_min(protocol_min);
  out.set_cluster_id(self().cluster_id);
  out.set_name(self().name);
  out.set_incarnation(self().incarnation);
  out.set_version(self().version);
  out.set_address(options_.address);
  out.set_credit_bytes(limits().credit_bytes);
  return out;
}

std::optional<caf::error> hub::refusal(const connection& of, const v1::LinkHello& said) {
  if (!of.wanted().empty() && of.wanted() != said.name())
    return make_error(ec::conflict, fmt::format("node {} was dialled, and {} answered: one of them "
                                                "has a wrong address",
                                                of.wanted(), said.name()));
  if (auto why =
          refusal_of(said, self().cluster_id, self().name, known_, of.certified(said.name())))
    return why;
  auto found = neighbours_.find(said.name());
  if (found == neighbours_.end())
    return neighbours_.size() < neighbours_max
               ? std::nullopt
               : std::optional{make_error(ec::overloaded, "this node has too many links")};
  const auto& link = found->second.link;
  if (link && link->peer().incarnation() > said.incarnation())
    return make_error(ec::fenced, "a newer incarnation of this node is here already: it joins "
                                  "again by itself, or restart it");
  return std::nullopt;
}

// -- links ----------------------------------------------------------------------------------------

hub::neighbour& hub::neighbour_of(const std::string& name) {
  return neighbours_.try_emplace(name, io_->context()).first->second;
}

PeerSeen hub::seen(const connection& link) const {
  v1::PeerSeen out;
  out.set_name(link.peer().name());
  out.set_incarnation(link.peer().incarnation());
  out.set_round_trip_us(link.round_trip_us());
  return PeerSeen{std::move(out)};
}

void hub::up(const connection_ptr& link) {
  strangers_.remove(link);
  const auto& name = link->peer().name();
  // What was known when it said hello may have changed before it agreed.
  if (auto why = refusal(*link, link->peer())) {
    link->refuse(*why);
    return;
  }
  auto& one = neighbour_of(name);
  if (one.trying == link)
    one.trying = nullptr;
  if (one.link) {
    auto old = one.link;
    auto same = old->peer().incarnation() == link->peer().incarnation();
    old->close_quietly("a newer link took its place");
    ended(name, one, old->reason(), !same);
  }
  probe().links_made.fetch_add(1, std::memory_order_relaxed);
  one.link = link;
  one.pause_ms = 0;
  one.error.clear();
  peer_options options{
      options_.links.host,  name, limits(), link->out(), options_.links.service, alarms_,
      options_.links.probe, {}};
  options.same_version = link->peer().version() == self().version;
  options.end_link = [io = io_, weak = std::weak_ptr{link}](const std::string& reason) {
    asio::post(io->context(), [weak, reason] {
      if (auto here = weak.lock())
        here->close(reason);
    });
  };
  one.handle = troupe::spawn<caf::lazy_init>(options_.links.host, peer, std::move(options));
  options_.links.peers->put(name, one.handle);
  if (options_.links.on_up)
    options_.links.on_up();
  log_info("link_up", {{"peer", name}, {"incarnation", link->peer().incarnation()}});
  auto news = seen(*link);
  io_->send(options_.links.region, news, one.handle);
  io_->send(options_.links.membership, news);
  auto found = known_.find(name);
  if (found == known_.end() || found->second.incarnation < link->peer().incarnation())
    io_->send(options_.links.membership, ShardsChanged{});
}

void hub::beat(connection& link) { io_->send(options_.links.membership, seen(link)); }

void hub::take(connection& link, taken_frames frames) {
  auto found = neighbours_.find(link.peer().name());
  if (found == neighbours_.end() || found->second.link.get() != &link)
    return;
  // Before what actors of this node send to it, and never shed by its mailbox's bound.
  auto input = link_input{std::make_shared<taken_frames>(std::move(frames))};
  caf::actor_cast<caf::abstract_actor*>(found->second.handle)
      ->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                caf::make_message(std::move(input)), io_.get());
}

void hub::closed(const connection_ptr& link) {
  strangers_.remove(link);
  const auto& name = link->wanted().empty() ? link->peer().name() : link->wanted();
  auto found = neighbours_.find(name);
  if (found == neighbours_.end())
    return;
  auto& one = found->second;
  if (one.trying == link) {
    one.trying = nullptr;
    if (one.error != link->reason())
      log_warn("link_failed", {{"peer", name}, {"reason", link->reason()}});
    one.error = link->reason();
    if (link->refused())
      one.pause_ms = limits().redial_max_ms;
    dial_later(name);
  } else if (one.link == link) {
    one.error = link->reason();
    ended(name, one, link->reason(), true);
    dial_later(name);
    if (!one.present && !one.trying)
      neighbours_.erase(found);
  }
}

/// Its link is closed already.
void hub::ended(const std::string& name, neighbour& one, const std::string& reason, bool tell) {
  probe().links_lost.fetch_add(1, std::memory_order_relaxed);
  auto link = std::exchange(one.link, nullptr);
  log_warn("link_lost", {{"peer", name}, {"reason", reason}});
  options_.links.peers->erase(name, one.handle);
  retire(std::exchange(one.handle, peer_actor{}), reason);
  if (tell)
    tell_lost(name, link->peer().incarnation(), reason);
}

void hub::tell_lost(const std::string& name, std::int64_t incarnation, const std::string& reason) {
  v1::PeerLost out;
  out.set_name(name);
  out.set_incarnation(incarnation);
  out.set_reason(reason);
  PeerLost lost{std::move(out)};
  io_->send(options_.links.region, lost);
  io_->send(options_.links.membership, lost);
}

// It answers whoever still has it that the link broke, until nobody has.
void hub::retire(peer_actor handle, const std::string& reason) {
  caf::actor_cast<caf::abstract_actor*>(handle)->enqueue(
      nullptr, caf::make_message_id(caf::message_priority::high),
      caf::make_message(link_ended{reason}), stopped_ ? nullptr : io_.get());
  std::erase_if(retired_, [](const auto& address) {
    return caf::actor_cast<caf::strong_actor_ptr>(address) == nullptr;
  });
  retired_.push_back(handle.address());
}

void hub::drop(const std::string& name, neighbour& one, const std::string& reason) {
  one.redial.cancel();
  if (auto trying = std::exchange(one.trying, nullptr))
    trying->close_quietly(reason);
  if (one.link) {
    one.link->close_quietly(reason);
    one.error = reason;
    ended(name, one, reason, true);
  }
}

void hub::drop_all(const std::string& reason) {
  for (auto& [name, one] : neighbours_)
    drop(name, one, reason);
}

Links hub::links() const {
  v1::Links out;
  for (const auto& [name, one] : neighbours_) {
    auto& row = *out.add_links();
    row.set_name(name);
    row.set_address(one.address);
    row.set_error(one.error);
    if (!one.link)
      continue;
    row.set_up(true);
    row.set_incarnation(one.link->peer().incarnation());
    row.set_round_trip_us(one.link->round_trip_us());
    row.set_heard_ms_ago(
        duration_cast<milliseconds>(connection::clock::now() - one.link->heard()).count());
    row.set_queued_bytes(one.link->out()->queued_bytes());
    row.set_protocol(spoken_with(one.link->peer()));
    row.set_version(one.link->peer().version());
  }
  return Links{std::move(out)};
}

} // namespace troupe::link
