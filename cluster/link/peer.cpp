#include "cluster/link/peer.hpp"

#include "cluster/link/remote_sink.hpp"
#include "cluster/link/versions.hpp"
#include "messages/failure.hpp"
#include "messages/log.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace troupe::link {

namespace {

using std::chrono::milliseconds;

constexpr std::int64_t limit_default_ms = 15'000; // of a request that names none
constexpr std::int64_t limit_max_ms = 600'000;
constexpr std::uint64_t nobody_waits = 0; // as a request's id: it gets no answer

std::int64_t limit_of(const v1::RemoteRequest& request) {
  if (request.limit_ms() <= 0)
    return limit_default_ms;
  return std::min(request.limit_ms(), limit_max_ms);
}

std::string name_of(v1::RemoteRequest::WhatCase what) {
  const auto* field = v1::RemoteRequest::descriptor()->FindFieldByNumber(static_cast<int>(what));
  return field == nullptr ? "something" : field->name();
}

} // namespace

peer_state::~peer_state() {
  // When it failed, what the other node goes on sending would mean nothing to its successor.
  if (options_.out)
    options_.out->close();
  end("this node's end of it is gone");
  if (options_.end_link)
    options_.end_link(reason_);
}

void peer_state::start(peer_options options) {
  options_ = std::move(options);
  self_->set_down_handler([this](caf::down_msg& down) { sink_down(down.source); });
}

// -- for actors of this node ----------------------------------------------------------------------

std::string peer_state::broke(v1::RemoteRequest::WhatCase what) const {
  return fmt::format("the link to node {} broke while {} was asked ({}): look where the shard is "
                     "now, and ask again",
                     options_.node, name_of(what), reason_);
}

caf::result<RemoteAnswer> peer_state::ask(const RemoteRequest& request,
                                          const turn_sink_actor& sink) {
  auto waits = self_->current_mailbox_element()->mid.is_request();
  auto id = waits || request->has_subscribe() ? ++last_id_ : nobody_waits;
  auto err = send(id, *request, sink);
  // Who did not ask for an answer would take an error for its own.
  if (!waits)
    return caf::typed_response_promise<RemoteAnswer>{};
  if (err)
    return err;
  auto promise = self_->make_response_promise<RemoteAnswer>();
  auto timer =
      options_.alarms->tick(caf::strong_actor_ptr{self_->ctrl()}, milliseconds{limit_of(*request)},
                            0, static_cast<std::int64_t>(id));
  waiting_[id] = {promise, timer, request->what_case()};
  return promise;
}

caf::error peer_state::send(std::uint64_t id, const v1::RemoteRequest& request,
                            const turn_sink_actor& sink) {
  auto what = request.what_case();
  auto requests_max = static_cast<std::size_t>(options_.limits.requests_max);
  auto full = [this](std::string why) {
    options_.probe->refused_full.fetch_add(1, std::memory_order_relaxed);
    return make_error(ec::overloaded, why + " node " + options_.node + "; try again later");
  };
  if (ended_)
    return make_error(ec::not_owner, broke(what));
  if (waiting_.size() >= requests_max || subscriptions_.size() >= requests_max)
    return full("too many requests wait for answers of");
  std::uint64_t ends = 0;
  if (what == v1::RemoteRequest::kUnsubscribe)
    ends = subscription_of(request.unsubscribe(), sink);
  switch (options_.out->request(request, id, limit_of(request), ends)) {
    case outbox::result::closed:
      return make_error(ec::not_owner, broke(what));
    case outbox::result::too_long:
      return make_error(ec::too_large, "the request is longer than a frame between nodes may be");
    case outbox::result::full:
      return full("too much waits to be sent to");
    case outbox::result::put:
      break;
  }
  if (ends != 0)
    forget(ends);
  if (what == v1::RemoteRequest::kSubscribe && sink) {
    const auto& query = request.subscribe();
    self_->monitor(sink);
    by_sink_.emplace(sink.id(), id);
    // Its request's answer tells whether there is one; without a request, nothing will.
    bool accepted = !self_->current_mailbox_element()->mid.is_request();
    subscriptions_[id] = {sink, query.conversation_id(), query.turn_id(), query.after_seq(),
                          accepted};
  }
  return {};
}

void peer_state::time_is_up(std::uint64_t id) {
  auto found = waiting_.find(id);
  if (found == waiting_.end())
    return;
  auto one = std::move(found->second);
  waiting_.erase(found);
  one.promise.deliver(
      make_error(ec::deadline_exceeded, "node " + options_.node + " did not answer in time"));
  if (subscriptions_.count(id) > 0)
    unsubscribe(id);
}

void peer_state::answered(v1::RemoteAnswer& answer) {
  auto found = waiting_.find(answer.id());
  if (found == waiting_.end())
    return; // late
  auto one = std::move(found->second);
  waiting_.erase(found);
  options_.alarms->cancel(one.timer);
  if (answer.has_failure()) {
    forget(answer.id());
    one.promise.deliver(error_of(answer.failure()));
    return;
  }
  if (is_unknown(answer)) {
    options_.probe->unknown_answers.fetch_add(1, std::memory_order_relaxed);
    forget(answer.id());
    one.promise.deliver(make_error(ec::unsupported, "node " + options_.node
                                                        + " gave an answer that this node does "
                                                          "not know: upgrade this one"));
    return;
  }
  if (auto subscribed = subscriptions_.find(answer.id()); subscribed != subscriptions_.end())
    subscribed->second.accepted = true;
  one.promise.deliver(RemoteAnswer{std::move(answer)});
}

// -- subscriptions at the other node --------------------------------------------------------------

std::uint64_t peer_state::subscription_of(const v1::UnsubscribeTurn& query,
                                          const turn_sink_actor& sink) {
  if (!sink)
    return 0;
  auto [first, last] = by_sink_.equal_range(sink.id());
  for (; first != last; ++first)
    if (subscriptions_.at(first->second).turn_id == query.turn_id())
      return first->second;
  return 0;
}

void peer_state::forget(std::uint64_t subscription) {
  auto found = subscriptions_.find(subscription);
  if (found == subscriptions_.end())
    return;
  auto sink = std::move(found->second.sink);
  subscriptions_.erase(found);
  auto [first, last] = by_sink_.equal_range(sink.id());
  by_sink_.erase(std::find_if(first, last, [&](auto& x) { return x.second == subscription; }));
  if (by_sink_.count(sink.id()) == 0)
    self_->demonitor(sink.address());
}

void peer_state::unsubscribe(std::uint64_t subscription) {
  auto found = subscriptions_.find(subscription);
  v1::RemoteRequest request;
  request.mutable_unsubscribe()->set_conversation_id(found->second.conversation_id);
  request.mutable_unsubscribe()->set_turn_id(found->second.turn_id);
  forget(subscription);
  options_.out->request(request, nobody_waits, limit_default_ms, subscription);
}

void peer_state::sink_down(const caf::actor_addr& sink) {
  if (auto served = sink_ids_.find(sink.id()); served != sink_ids_.end()) {
    sinks_.erase(served->second);
    sink_ids_.erase(served);
    return;
  }
  std::vector<std::uint64_t> gone;
  for (auto [first, last] = by_sink_.equal_range(sink.id()); first != last; ++first)
    gone.push_back(first->second);
  for (auto id : gone)
    unsubscribe(id);
}

void peer_state::came(v1::RemoteEvents& events) {
  auto found = subscriptions_.find(events.id());
  if (found == subscriptions_.end())
    return; // sent before the other node knew that nobody reads them
  if (events.lost()) {
    break_off(events.id(), "node " + options_.node + " sent events faster than they were read");
    return;
  }
  auto& one = found->second;
  auto& batch = *events.mutable_events();
  if (!batch.events().empty())
    one.last_seq = batch.events().rbegin()->seq();
  auto sink = one.sink;
  if (is_end(batch))
    forget(events.id());
  self_->send(sink, TurnEvents{std::move(batch)});
}

void peer_state::break_off(std::uint64_t subscription, const std::string& why) {
  auto& one = subscriptions_.at(subscription);
  v1::TurnEvents last;
  last.set_conversation_id(one.conversation_id);
  last.set_turn_id(one.turn_id);
  auto& event = *last.add_events();
  event.set_seq(one.last_seq + 1);
  *event.mutable_failed()->mutable_failure() = failure_of(make_error(ec::not_owner, why));
  auto sink = one.sink;
  // Its request's error says it, as long as that was not answered.
  bool told = !one.accepted;
  forget(subscription);
  if (!told)
    self_->send(sink, TurnEvents{std::move(last)});
}

// -- from the link --------------------------------------------------------------------------------

void peer_state::take(const link_input& input) {
  for (auto& one : *input.frames) {
    if (ended_)
      return;
    if (!options_.same_version)
      count_unknown(one.frame);
    switch (one.frame.kind_case()) {
      case v1::LinkFrame::kRequest:
        serve(*one.frame.mutable_request(), one.bytes);
        break;
      case v1::LinkFrame::kAnswer:
        answered(*one.frame.mutable_answer());
        options_.out->handled(one.bytes);
        break;
      default:
        came(*one.frame.mutable_events());
        options_.out->handled(one.bytes);
    }
  }
}

// Looking through a message costs as much as reading it: only links between versions pay.
void peer_state::count_unknown(const v1::LinkFrame& frame) {
  if (has_unknown_fields(frame))
    options_.probe->unknown_fields.fetch_add(1, std::memory_order_relaxed);
}

void peer_state::end(const std::string& reason) {
  if (std::exchange(ended_, true))
    return;
  reason_ = reason;
  for (auto& [id, one] : std::exchange(waiting_, {})) {
    options_.alarms->cancel(one.timer);
    one.promise.deliver(make_error(ec::not_owner, broke(one.what)));
  }
  std::vector<std::uint64_t> broken;
  broken.reserve(subscriptions_.size());
  for (const auto& [id, one] : subscriptions_)
    broken.push_back(id);
  for (auto id : broken)
    break_off(id, "the link to node " + options_.node + " broke: " + reason);
  sink_ids_.clear();
  for (const auto& [id, sink] : std::exchange(sinks_, {}))
    self_->send_exit(sink, caf::exit_reason::user_shutdown);
}

// -- for the other node ---------------------------------------------------------------------------

void peer_state::reply(std::uint64_t id, caf::expected<RemoteAnswer> answer) {
  if (id == nobody_waits)
    return;
  if (answer && options_.out->answer(id, **answer) != outbox::result::too_long)
    return;
  auto err = answer ? make_error(ec::too_large, "the answer is longer than a frame between nodes "
                                                "may be: ask for less")
                    : answer.error();
  v1::RemoteAnswer failed;
  *failed.mutable_failure() = failure_of(err);
  options_.out->answer(id, failed);
}

void peer_state::serve(v1::RemoteRequest& request, std::int64_t bytes) {
  auto id = request.id();
  auto refuse = [&](ec code, const char* why) {
    reply(id, make_error(code, why));
    options_.out->handled(bytes);
  };
  switch (request.what_case()) {
    case v1::RemoteRequest::WHAT_NOT_SET:
      options_.probe->unknown_requests.fetch_add(1, std::memory_order_relaxed);
      refuse(ec::unsupported, "this node does not know such a request: upgrade it");
      return;
    case v1::RemoteRequest::kUnsubscribe: {
      auto found = sinks_.find(request.subscription());
      if (found == sinks_.end()) {
        reply(id, RemoteAnswer{});
        options_.out->handled(bytes);
        return;
      }
      auto sink = found->second;
      ask_service(RemoteRequest{std::move(request)}, bytes, sink);
      end_sink(found->first);
      return;
    }
    default:
      break;
  }
  if (serving_ >= options_.limits.requests_max) {
    refuse(ec::overloaded, "this node answers too many requests of yours; try again later");
    return;
  }
  if (!request.has_subscribe()) {
    ask_service(RemoteRequest{std::move(request)}, bytes);
    return;
  }
  if (id == nobody_waits || sinks_.count(id) > 0
      || sinks_.size() >= static_cast<std::size_t>(options_.limits.requests_max)) {
    refuse(ec::overloaded, "too many subscriptions are open; try again later");
    return;
  }
  auto sink = troupe::spawn(options_.host, remote_sink, remote_sink_options{options_.out, id});
  self_->monitor(sink);
  sinks_[id] = sink;
  sink_ids_[sink.id()] = id;
  ask_service(RemoteRequest{std::move(request)}, bytes, sink);
}

template <class... Sink>
void peer_state::ask_service(RemoteRequest request, std::int64_t bytes, Sink... sink) {
  ++serving_;
  auto id = request->id();
  auto subscribes = request->has_subscribe();
  auto limit = milliseconds{limit_of(*request)};
  auto done = [this, id, bytes, subscribes](caf::expected<RemoteAnswer> answer) {
    --serving_;
    if (subscribes && !answer)
      end_sink(id);
    reply(id, std::move(answer));
    options_.out->handled(bytes);
  };
  limited(options_.alarms, self_, options_.service, limit, std::move(request), std::move(sink)...)
      .then([done](const RemoteAnswer& answer) { done(answer); },
            [done](const caf::error& err) { done(err); });
}

void peer_state::end_sink(std::uint64_t id) {
  auto found = sinks_.find(id);
  if (found == sinks_.end())
    return;
  self_->demonitor(found->second.address());
  self_->send_exit(found->second, caf::exit_reason::user_shutdown);
  sink_ids_.erase(found->second.id());
  sinks_.erase(found);
}

peer_state::interface::behavior_type peer(peer_state::pointer self, peer_options options) {
  auto& st = self->state;
  st.start(std::move(options));
  return {
      [&st](const RemoteRequest& x) { return st.ask(x, {}); },
      [&st](const RemoteRequest& x, const turn_sink_actor& sink) { return st.ask(x, sink); },
      [&st](const link_input& x) { st.take(x); },
      [&st](const link_ended& x) { st.end(x.reason); },
      [&st](const Tick& x) { st.time_is_up(static_cast<std::uint64_t>(x->id())); },
  };
}

} // namespace troupe::link
