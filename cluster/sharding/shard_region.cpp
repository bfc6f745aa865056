#include "cluster/sharding/shard_region.hpp"

#include "messages/failure.hpp"
#include "messages/id.hpp"
#include "messages/log.hpp"

#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Errors that say nothing about the request itself: its shard was not where it was asked for.
bool may_be_elsewhere(ec code) {
  return code == ec::not_owner || code == ec::fenced || code == ec::draining;
}

/// What a request fails with when its session or its region ended meanwhile.
bool may_have_moved(const caf::error& err) {
  return err == caf::sec::request_receiver_down || info(err).code == ec::overloaded;
}

const v1::Context& context_of(const v1::RemoteRequest& x) {
  switch (x.what_case()) {
    case v1::RemoteRequest::kPost:
      return x.post().context();
    case v1::RemoteRequest::kSubscribe:
      return x.subscribe().context();
    case v1::RemoteRequest::kStop:
      return x.stop().context();
    case v1::RemoteRequest::kUpdate:
      return x.update().context();
    case v1::RemoteRequest::kRemove:
      return x.remove().context();
    default:
      return v1::Context::default_instance();
  }
}

} // namespace

shard_region_state::~shard_region_state() {
  for (int shard = 0; shard < shard_count; ++shard)
    close(shard);
  for (const auto& x : waiting_)
    x->fail(make_error(ec::draining, "the node is going away; try again in a moment"));
}

void shard_region_state::start(shard_region_options options) {
  options_ = std::move(options);
  holder_ = shard_holder{options_.holder};
  if (!options_.alarms)
    options_.alarms = alarms::make(options_.host, milliseconds{10});
}

const session_region_actor* shard_region_state::serving(int shard) const {
  const auto& region = regions_[static_cast<std::size_t>(shard)];
  bool serves = region && holder_.serves(shard, holder_.epoch(shard))
                && options_.lease->holds(options_.boot_clock(), holder_.incarnation());
  return serves ? &region : nullptr;
}

const v1::Shard* shard_region_state::shard_row(int shard) const {
  return shard < view_->shards_size() ? &view_->shards(shard) : nullptr;
}

bool shard_region_state::others_up() const {
  return std::any_of(view_->nodes().begin(), view_->nodes().end(), [&](const v1::Node& x) {
    return x.name() != options_.node && x.state() == v1::NODE_STATE_UP;
  });
}

// Whether a node of the cluster has the role `session`: one that is up, or any that ever was.
bool shard_region_state::any_takes_shards(bool up) const {
  return std::any_of(view_->nodes().begin(), view_->nodes().end(), [&](const v1::Node& x) {
    return (!up || x.state() == v1::NODE_STATE_UP)
           && std::find(x.roles().begin(), x.roles().end(), "session") != x.roles().end();
  });
}

// How long this node has been without a lease.
std::int64_t shard_region_state::apart_us() {
  auto now_us = options_.boot_clock();
  if (options_.lease->holds(now_us)) {
    apart_since_us_ = 0;
    return 0;
  }
  if (auto ended_us = options_.lease->until_us(); ended_us != 0)
    apart_since_us_ = ended_us;
  else if (apart_since_us_ == 0)
    apart_since_us_ = now_us;
  return now_us - apart_since_us_;
}

shard_region_state::time_point shard_region_state::deadline_of(const v1::Context& context) const {
  microseconds limit = milliseconds{options_.route_limit_ms};
  if (context.deadline_us() != 0)
    limit = std::min(limit, microseconds{context.deadline_us() - options_.clock->now_us()});
  return self_->clock().now() + limit;
}

milliseconds shard_region_state::left(const routed& x) const {
  auto left = std::chrono::duration_cast<milliseconds>(x.deadline - self_->clock().now());
  return std::max(left, milliseconds{1});
}

// -- requests of this node ----------------------------------------------------

template <class Answer, class Message>
caf::result<Answer> shard_region_state::route(const std::string& conversation_id,
                                              const Message& message, turn_sink_actor sink) {
  auto x = std::make_shared<routed>();
  x->shard = shard_of(conversation_id);
  put(x->remote, *message);
  x->deadline = deadline_of(context_of(x->remote));
  x->sink = std::move(sink);
  owed<Answer> answer{self_->template make_response_promise<Answer>()};
  auto promise = answer.promise();
  x->give = [answer](const v1::RemoteAnswer& remote) {
    typename Answer::proto_type got;
    if (get(remote, got))
      answer.give(Answer{std::move(got)});
    else
      answer.fail(make_error(ec::unsupported, "the conversation's node answered something that "
                                              "this one does not know: upgrade the older one"));
  };
  x->fail = [answer](caf::error err) { answer.fail(std::move(err)); };
  // The request holds what asks for it: not itself.
  x->ask_here = [this, message, answer, weak = std::weak_ptr{x}](const session_region_actor& to) {
    auto held = weak.lock();
    auto on_answer = [answer](const Answer& got) { answer.give(got); };
    auto on_error = [this, held](const caf::error& err) { failed(held, err); };
    if constexpr (std::is_same_v<Message, SubscribeTurn>)
      limited(options_.alarms, self_, to, left(*held), message, held->sink)
          .then(on_answer, on_error);
    else
      limited(options_.alarms, self_, to, left(*held), message).then(on_answer, on_error);
  };
  try_route(x);
  return promise;
}

caf::result<TurnAccepted> shard_region_state::post(const PostMessage& message) {
  auto id = options_.conversation_of(*message);
  if (!message->turn_id().empty())
    return route<TurnAccepted>(id, message);
  // Named here, so that it can be sent again when its answer was lost with a node.
  auto named = *message;
  named.set_turn_id(new_id(options_.clock->now_us()));
  return route<TurnAccepted>(id, PostMessage{std::move(named)});
}

void shard_region_state::unsubscribe(const UnsubscribeTurn& query, const turn_sink_actor& sink) {
  auto shard = shard_of(query->conversation_id());
  if (const auto& here = regions_[static_cast<std::size_t>(shard)]) {
    self_->send(here, query, sink);
    return;
  }
  const auto* row = shard_row(shard);
  auto found = row == nullptr ? peers_.end() : peers_.find(row->owner());
  if (found == peers_.end())
    return; // the subscription ended with the link
  v1::RemoteRequest remote;
  remote.mutable_shard()->set_shard(shard);
  remote.mutable_shard()->set_epoch(row->epoch());
  put(remote, *query);
  self_
      ->request(found->second.handle, milliseconds{options_.route_limit_ms},
                RemoteRequest{std::move(remote)}, sink)
      .then([](const RemoteAnswer&) {}, [](const caf::error&) {});
}

void shard_region_state::try_route(const routed_ptr& x) {
  if (const auto* here = serving(x->shard)) {
    apart_since_us_ = 0;
    x->epoch = holder_.epoch(x->shard);
    ++x->tries;
    x->ask_here(*here);
    return;
  }
  const auto* row = shard_row(x->shard);
  if (row != nullptr && !row->owner().empty() && row->owner() != options_.node) {
    auto found = peers_.find(row->owner());
    if (found != peers_.end() && found->second.incarnation == row->incarnation()) {
      ask_peer(x, *row, found->second.handle);
      return;
    }
  }
  wait(x);
}

void shard_region_state::ask_peer(const routed_ptr& x, const v1::Shard& shard,
                                  const peer_actor& to) {
  x->epoch = shard.epoch();
  if (x->tries++ > 0)
    options_.probe->redirects.fetch_add(1, std::memory_order_relaxed);
  options_.probe->requests_remote.fetch_add(1, std::memory_order_relaxed);
  auto remote = x->remote;
  remote.mutable_shard()->set_shard(shard.id());
  remote.mutable_shard()->set_epoch(shard.epoch());
  remote.set_limit_ms(left(*x).count());
  auto on_answer = [this, x](const RemoteAnswer& answer) {
    if (answer->has_failure())
      failed(x, error_of(answer->failure()));
    else
      x->give(*answer);
  };
  auto on_error = [this, x](const caf::error& err) { failed(x, err); };
  if (x->sink)
    limited(options_.alarms, self_, to, left(*x), RemoteRequest{std::move(remote)}, x->sink)
        .then(on_answer, on_error);
  else
    limited(options_.alarms, self_, to, left(*x), RemoteRequest{std::move(remote)})
        .then(on_answer, on_error);
}

void shard_region_state::failed(const routed_ptr& x, const caf::error& err) {
  auto code = info(err).code;
  bool moved = holder_.epoch(x->shard) != x->epoch || serving(x->shard) == nullptr;
  const auto* row = shard_row(x->shard);
  bool elsewhere = may_be_elsewhere(code) || (may_have_moved(err) && moved)
                   || (row != nullptr && row->epoch() != x->epoch && info(err).retryable);
  if (!elsewhere || self_->clock().now() >= x->deadline) {
    x->fail(err);
    return;
  }
  if (code == ec::draining && !others_up()) {
    x->fail(err);
    return;
  }
  look_again();
  wait(x);
}

// A node that is started anew is waited for; that one comes which never was is not likely.
void shard_region_state::wait(const routed_ptr& x) {
  bool late = self_->clock().now() >= x->deadline;
  if (view_->nodes_size() > 0 && !any_takes_shards(late)) {
    x->fail(make_error(ec::overloaded,
                       "no node of this cluster takes conversations: start one with the role "
                       "session, such as `troupe serve --roles gateway,session`"));
    return;
  }
  if (late) {
    x->fail(make_error(ec::deadline_exceeded,
                       "the node that has this conversation could not be reached in time; try "
                       "again"));
    return;
  }
  // Who asks can reach another node, which this one cannot.
  if (apart_us() >= options_.apart_limit_ms * 1'000) {
    x->fail(
        make_error(ec::store_unavailable,
                   fmt::format("this node cannot renew its lease at the database and answers "
                               "for no conversation: {}; ask another node, or try again",
                               x->tries == 0 ? "nothing was done" : "this may have been done")));
    return;
  }
  if (waiting_.size() >= options_.waiting_max) {
    x->fail(make_error(ec::overloaded, "too many requests wait for a node that is away; try again "
                                       "later"));
    return;
  }
  waiting_.push_back(x);
  count();
  arm();
}

void shard_region_state::route_waiting() {
  auto all = std::exchange(waiting_, {});
  for (const auto& x : all)
    try_route(x);
  count();
}

// -- requests of other nodes --------------------------------------------------

caf::result<RemoteAnswer> shard_region_state::serve(const RemoteRequest& request,
                                                    const turn_sink_actor& sink) {
  const auto& claim = request->shard();
  auto* region =
      claim.shard() >= 0 && claim.shard() < shard_count ? serving(claim.shard()) : nullptr;
  if (region == nullptr || !holder_.serves(claim.shard(), claim.epoch()))
    return make_error(ec::not_owner, "the shard is not served here under this epoch");
  options_.probe->requests_served.fetch_add(1, std::memory_order_relaxed);
  owed<RemoteAnswer> answer{self_->make_response_promise<RemoteAnswer>()};
  auto promise = answer.promise();
  auto limit =
      milliseconds{std::clamp<std::int64_t>(request->limit_ms(), 1, options_.route_limit_ms)};
  auto on_error = [this, answer, claim](const caf::error& err) {
    bool moved = !holder_.serves(claim.shard(), claim.epoch());
    answer.fail(moved ? make_error(ec::not_owner, "the shard left while it worked on this") : err);
  };
  auto ask = [&](auto tag, auto message, auto... more) {
    using answer_type = typename decltype(tag)::type;
    limited(options_.alarms, self_, *region, limit, std::move(message), std::move(more)...)
        .then(
            [answer](const answer_type& got) {
              v1::RemoteAnswer out;
              put(out, *got);
              answer.give(RemoteAnswer{std::move(out)});
            },
            on_error);
  };
  switch (request->what_case()) {
    case v1::RemoteRequest::kPost:
      ask(std::common_type<TurnAccepted>{}, PostMessage{request->post()});
      break;
    case v1::RemoteRequest::kSubscribe:
      ask(std::common_type<Turn>{}, SubscribeTurn{request->subscribe()}, sink);
      break;
    case v1::RemoteRequest::kUnsubscribe:
      self_->send(*region, UnsubscribeTurn{request->unsubscribe()}, sink);
      answer.give(RemoteAnswer{});
      break;
    case v1::RemoteRequest::kStop:
      ask(std::common_type<Turn>{}, StopTurn{request->stop()});
      break;
    case v1::RemoteRequest::kResume:
      ask(std::common_type<Done>{}, ResumeTurn{request->resume()});
      break;
    case v1::RemoteRequest::kUpdate:
      ask(std::common_type<Conversation>{}, UpdateConversation{request->update()});
      break;
    case v1::RemoteRequest::kRemove:
      ask(std::common_type<Done>{}, DeleteConversation{request->remove()});
      break;
    default:
      answer.fail(make_error(ec::unsupported, "this node does not know such a request"));
  }
  return promise;
}

// clang-format off
shard_region_state::interface::behavior_type shard_region(shard_region_state::pointer self,
                                                          shard_region_options options) {
  auto& st = self->state;
  st.start(std::move(options));
  return {
      [&st](const PostMessage& x) { return st.post(x); },
      [&st](const SubscribeTurn& x, const turn_sink_actor& sink) {
        return st.route<Turn>(x->conversation_id(), x, sink);
      },
      [&st](const UnsubscribeTurn& x, const turn_sink_actor& sink) { st.unsubscribe(x, sink); },
      [&st](const StopTurn& x) { return st.route<Turn>(x->conversation_id(), x); },
      [&st](const ResumeTurn& x) { return st.route<Done>(x->turn().conversation_id(), x); },
      [&st](const GetConversation& x) { return st.query(x); },
      [&st](const UpdateConversation& x) {
        return st.route<Conversation>(x->conversation_id(), x);
      },
      [&st](const DeleteConversation& x) { return st.route<Done>(x->conversation_id(), x); },
      [&st](const CreateConversation& x) { return st.query(x); },
      [&st](const ListConversations& x) { return st.query(x); },
      [&st](const ListMessages& x) { return st.query(x); },
      [&st](const GetRegionStatus&) { return st.status(); },
      [&st](const DrainRegion& x) { return st.drain(x); },
      [&st](const ClusterView& x) { st.view(x); },
      [&st](const PeerSeen& x, const peer_actor& handle) { st.peer_up(x, handle); },
      [&st](const PeerLost& x) { st.peer_lost(x); },
      [&st](const RemoteRequest& x) { return st.serve(x, {}); },
      [&st](const RemoteRequest& x, const turn_sink_actor& sink) { return st.serve(x, sink); },
      [&st](const Tick& x) { st.tick(x); },
  };
}
// clang-format on

} // namespace troupe
