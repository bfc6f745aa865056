// Which sessions are in memory: started when they are asked for, taken out when they are idle or
// when others need the room, replaced when they die.
#include "actors/session/ids.hpp"
#include "actors/session/region.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t waiting_max = 256; // messages of one conversation, while it is not there
constexpr std::size_t room_waiting_max = 1'024; // conversations that wait for room
constexpr std::size_t refusals_max = 32;
constexpr std::size_t sweep_max = 1'000; // sessions asked to leave at once
constexpr std::chrono::seconds passivate_limit{60};

caf::error no_room() {
  return make_error(ec::overloaded,
                    "too many conversations are open on this node; try again in a moment");
}

} // namespace

session_region_state::entry* session_region_state::find(const std::string& id) {
  auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : &at->second;
}

session_region_state::entry& session_region_state::add(const std::string& id) {
  auto [at, made] = entries_.try_emplace(id);
  auto& x = at->second;
  x.id = &at->first;
  return x;
}

void session_region_state::spawn_into(entry& x) {
  x.session = troupe::spawn(options_.host, session, session_options_, *x.id);
  self_->monitor(x.session);
  x.place = by_use_.insert(by_use_.end(), &x);
  x.used = self_->clock().now();
  ++live_;
  ++*options_.live;
}

// Full is what all regions of the node have together; but each may have one.
bool session_region_state::has_room() const {
  return live_ == 0 || *options_.live < options_.session.config.live_max;
}

void session_region_state::touch(entry& x) {
  x.used = self_->clock().now();
  by_use_.splice(by_use_.end(), by_use_, x.place);
}

// Calls `what` with the session, now or when it is there.
void session_region_state::deliver(const std::string& id, delivery what) {
  auto* x = find(id);
  if (x == nullptr) {
    bool room = has_room();
    if (!room && waiting_for_room_.size() >= room_waiting_max) {
      what({}, no_room());
      return;
    }
    x = &add(id);
    if (room) {
      spawn_into(*x);
    } else {
      waiting_for_room_.push_back(id);
      x->waiting = std::make_unique<std::deque<delivery>>();
      x->waiting->push_back(std::move(what));
      make_room();
      return;
    }
  }
  if (x->session && !x->leaving) {
    touch(*x);
    what(x->session, {});
    return;
  }
  if (!x->waiting)
    x->waiting = std::make_unique<std::deque<delivery>>();
  if (x->waiting->size() >= waiting_max)
    what({}, make_error(ec::overloaded, "too many messages wait for this conversation; try again "
                                        "later"));
  else
    x->waiting->push_back(std::move(what));
}

void session_region_state::flush(entry& x, const caf::error& err) {
  if (!x.waiting)
    return;
  auto waiting = std::move(x.waiting);
  auto session = x.session;
  for (const auto& what : *waiting)
    what(session, err);
}

void session_region_state::remove_entry(entry& x) {
  if (x.session) {
    by_use_.erase(x.place);
    --live_;
    --*options_.live;
  }
  if (x.leaving)
    --leaving_;
  entries_.erase(std::string{*x.id});
}

void session_region_state::passivate(entry& x) {
  x.leaving = true;
  ++leaving_;
  touch(x);
  self_->request(x.session, passivate_limit, Passivate{})
      .then([this, id = *x.id](const Done&) { passivated(id, true); },
            [this, id = *x.id, asked = x.session.address()](const caf::error& err) {
              if (err == caf::sec::request_receiver_down)
                died(asked, err);
              else
                passivated(id, false);
            });
}

// What came for the session meanwhile waited here: it goes to the same one, or to a new one.
void session_region_state::passivated(const std::string& id, bool left) {
  auto* x = find(id);
  if (x == nullptr || !x->leaving)
    return; // it died meanwhile, and was replaced
  if (!left) {
    x->leaving = false;
    --leaving_;
    flush(*x, {});
    if (!waiting_for_room_.empty() && ++refusals_ > std::min(refusals_max, 2 * live_)) {
      refusals_ = 0;
      auto waiting = std::exchange(waiting_for_room_, {});
      for (const auto& refused : waiting)
        if (auto* y = find(refused)) {
          flush(*y, no_room());
          remove_entry(*y);
        }
    }
    make_room();
    return;
  }
  refusals_ = 0;
  self_->demonitor(x->session.address());
  auto waiting = std::move(x->waiting);
  remove_entry(*x);
  if (waiting)
    for (auto& what : *waiting)
      deliver(id, std::move(what));
  admit_waiting();
}

void session_region_state::make_room() {
  while (leaving_ < waiting_for_room_.size()) {
    auto at = std::find_if(by_use_.begin(), by_use_.end(), [](entry* x) { return !x->leaving; });
    if (at == by_use_.end())
      return;
    passivate(**at);
  }
}

void session_region_state::admit_waiting() {
  while (!waiting_for_room_.empty() && has_room()) {
    auto id = std::move(waiting_for_room_.front());
    waiting_for_room_.pop_front();
    if (auto* x = find(id); x != nullptr && !x->session) {
      spawn_into(*x);
      flush(*x, {});
    }
  }
  make_room();
}

void session_region_state::sweep() {
  auto now = self_->clock().now();
  auto idle = std::chrono::milliseconds{options_.session.config.idle_ms};
  for (auto i = sweep_max; i > 0 && leaving_ < sweep_max && !by_use_.empty(); --i) {
    auto& oldest = *by_use_.front();
    if (now - oldest.used < idle)
      break;
    if (oldest.leaving)
      touch(oldest);
    else
      passivate(oldest);
  }
  admit_waiting(); // another region may have made room
  std::erase_if(deaths_,
                [&](const auto& x) { return now - x.second.since > restart_limit::window; });
  set_timer(sweep_tick, options_.sweep_ms);
}

// Sessions that leave are no longer monitored: this one died.
void session_region_state::down(const caf::down_msg& message) {
  died(message.source, message.reason);
}

void session_region_state::died(const caf::actor_addr& who, const caf::error& reason) {
  auto at = std::find_if(entries_.begin(), entries_.end(), [&](const auto& x) {
    return x.second.session && x.second.session.address() == who;
  });
  if (at == entries_.end())
    return;
  auto id = at->first;
  log_error("session_died", {{"conversation_id", id}, {"error", describe(reason)}});
  auto waiting = std::move(at->second.waiting);
  remove_entry(at->second);
  replace(id);
  if (waiting)
    for (auto& what : *waiting)
      deliver(id, std::move(what));
  admit_waiting();
}

// Its unfinished turns are taken up by the next one, which starts at once; one that dies again and
// again waits for the next message.
void session_region_state::replace(const std::string& id) {
  auto now = self_->clock().now();
  auto& lately = deaths_[id];
  if (now - lately.since > restart_limit::window)
    lately = {0, now};
  if (++lately.count <= restart_limit::restarts_max)
    deliver(id, [](const session_actor&, const caf::error&) {});
}

} // namespace troupe
