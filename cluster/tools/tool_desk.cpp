#include "cluster/tools/tool_desk.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>

namespace troupe {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

/// As `delegate`, but without naming the execution unit that runs this actor: the receiver wakes on
/// the scheduler's pool, and not on a request's I/O thread.
template <class Self, class Handle, class Message>
void hand_on(Self* self, const Handle& to, const Message& message) {
  auto* element = self->current_mailbox_element();
  caf::actor_cast<caf::abstract_actor*>(to)->enqueue(
      caf::make_mailbox_element(std::move(element->sender), element->mid,
                                std::move(element->stages), message),
      nullptr);
}

template <class Tool>
typename Tool::handle::behavior_type tool_calls(typename tool_calls_state<Tool>::pointer self,
                                                tool_desk_options<Tool> options) {
  auto& st = self->state;
  st.start(std::move(options));
  return {[&st](const typename Tool::query& x) { return st.take(x); }};
}

} // namespace

// -- the calls ------------------------------------------------------------------------------------

template <class Tool>
milliseconds tool_calls_state<Tool>::left(const call& x) const {
  return duration_cast<milliseconds>(x.deadline - self_->clock().now());
}

template <class Tool>
std::int64_t tool_calls_state<Tool>::now_us() const {
  return duration_cast<microseconds>(self_->clock().now().time_since_epoch()).count();
}

template <class Tool>
caf::result<typename Tool::answer> tool_calls_state<Tool>::take(const query& asked) {
  if (*open_ >= options_.limits.calls_max)
    return self_->delegate(options_.local, asked);
  // It is counted until its last copy goes: whoever drops it.
  ++*open_;
  call_ptr x{new call, [open = open_](call* gone) {
               --*open;
               delete gone;
             }};
  x->asked = asked;
  x->owes = owed<answer>{self_->template make_response_promise<answer>()};
  x->places = options_.places;
  x->bytes = Tool::bytes(*asked);
  microseconds limit = milliseconds{options_.limits.call_limit_ms};
  if (auto until = Tool::context(*asked).deadline_us(); until != 0)
    limit = std::min(limit, microseconds{until - options_.clock->now_us()});
  x->deadline = self_->clock().now() + limit;
  auto promise = x->owes.promise();
  go(x);
  return promise;
}

template <class Tool>
void tool_calls_state<Tool>::go(const call_ptr& x) {
  if (left(*x).count() <= 0) {
    x->owes.fail(make_error(ec::deadline_exceeded, "no node did the work in time; try again"));
    return;
  }
  const auto& limits = options_.limits;
  auto tries = x->bytes > limits.remote_bytes_max ? 0 : limits.tries_max;
  while (x->tried.size() < tries) {
    auto node = options_.places->choose(x->tried, now_us());
    if (node.empty())
      break;
    if (auto peer = options_.find_peer(node)) {
      begin(*x, std::move(node));
      ask_there(x, peer);
      return;
    }
    x->tried.push_back(std::move(node)); // its link broke this moment
  }
  begin(*x, {});
  ask_here(x);
}

template <class Tool>
void tool_calls_state<Tool>::begin(call& x, std::string at) {
  x.at = std::move(at);
  x.working = true;
  options_.places->begin(Tool::name, x.at, x.bytes);
}

template <class Tool>
void tool_calls_state<Tool>::ask_here(const call_ptr& x) {
  limited(options_.alarms, self_, options_.local, left(*x), x->asked)
      .then(
          [this, x](const answer& got) {
            x->working = false;
            options_.places->done(Tool::name, {}, x->bytes, {}, now_us());
            x->owes.give(got);
          },
          [x](const caf::error& err) { x->owes.fail(err); });
}

// A third of the time that is left stays for another node.
template <class Tool>
void tool_calls_state<Tool>::ask_there(const call_ptr& x, const peer_actor& peer) {
  auto limit =
      std::clamp(left(*x) * 2 / 3, milliseconds{1}, milliseconds{options_.limits.try_limit_ms});
  v1::RemoteRequest remote;
  Tool::put(remote, *x->asked);
  remote.set_limit_ms(limit.count());
  limited(options_.alarms, self_, peer, limit, RemoteRequest{std::move(remote)})
      .then(
          [this, x](const RemoteAnswer& remote) {
            const auto* got = Tool::get(*remote, *x->asked);
            if (got == nullptr) {
              failed_there(x, make_error(ec::unsupported));
              return;
            }
            x->working = false;
            options_.places->done(Tool::name, x->at, x->bytes, remote->load(), now_us());
            x->owes.give(answer{*got});
          },
          [this, x](const caf::error& err) { failed_there(x, err); });
}

template <class Tool>
void tool_calls_state<Tool>::failed_there(const call_ptr& x, const caf::error& err) {
  if (info(err).code == ec::invalid_argument) { // which it is anywhere
    x->owes.fail(err);
    return;
  }
  x->working = false;
  options_.places->failed(Tool::name, x->at, x->bytes, now_us());
  x->tried.push_back(std::move(x->at));
  go(x);
}

// -- the desk -------------------------------------------------------------------------------------

template <class Tool>
tool_desk_state<Tool>::~tool_desk_state() {
  if (calls_)
    caf::anon_send_exit(calls_, caf::exit_reason::user_shutdown);
}

template <class Tool>
void tool_desk_state<Tool>::start(tool_desk_options<Tool> options) {
  options_ = std::move(options);
  options_.host.probes->of_type(Tool::calls_name).mailbox_max = options_.limits.calls_max;
  if (!options_.alarms)
    options_.alarms = alarms::make(options_.host, milliseconds{10});
  self_->set_down_handler([this](const caf::down_msg& down) {
    if (calls_ && down.source == calls_.address())
      start_calls();
  });
  start_calls();
}

template <class Tool>
void tool_desk_state<Tool>::start_calls() {
  calls_ = troupe::spawn(options_.host, tool_calls<Tool>, options_);
  self_->monitor(calls_);
}

template <class Tool>
caf::result<typename Tool::answer> tool_desk_state<Tool>::take(const query& asked) {
  if (Tool::bytes(*asked) < options_.limits.remote_bytes_min) {
    options_.places->short_work(Tool::name);
    return self_->delegate(options_.local, asked);
  }
  hand_on(self_, calls_, asked);
  return caf::delegated<typename Tool::answer>{};
}

template <class Tool>
typename Tool::handle::behavior_type tool_desk(typename tool_desk_state<Tool>::pointer self,
                                               tool_desk_options<Tool> options) {
  auto& st = self->state;
  st.start(std::move(options));
  return {[&st](const typename Tool::query& x) { return st.take(x); }};
}

template class tool_calls_state<token_counting>;
template class tool_desk_state<token_counting>;
template token_counting::handle::behavior_type
    tool_desk<token_counting>(tool_desk_state<token_counting>::pointer,
                              tool_desk_options<token_counting>);

} // namespace troupe
