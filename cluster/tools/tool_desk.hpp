// A tool as those who need one see it: an actor with the tool's own interface, which has the work
// done here or at another node. Whom it asks, `tool_places` says.
#pragma once

#include "cluster/tools/tool_places.hpp"
#include "cluster/tools/tools.hpp"
#include "messages/actor.hpp"
#include "messages/alarms.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"
#include "messages/promises.hpp"

#include <caf/delegated.hpp>
#include <caf/mailbox_element.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct tool_desk_limits {
  std::int64_t remote_bytes_min = 16'384;     // less is done here at once, and not weighed
  std::int64_t remote_bytes_max = 16'777'216; // more does not fit a frame between nodes for sure
  std::int64_t try_limit_ms = 2'000;          // of one node, then another is asked
  std::int64_t call_limit_ms = 30'000;        // of all, for who named no deadline
  std::size_t tries_max = 3;                  // other nodes, then it is done here
  std::size_t calls_max = 10'000;             // at once; more are done here at once
};

template <class Tool>
struct tool_desk_options {
  actor_host host;
  typename Tool::handle local;
  std::shared_ptr<tool_places> places;
  std::function<peer_actor(const std::string& node)> find_peer; // empty handle: there is no link
  std::shared_ptr<troupe::alarms> alarms;
  wall_clock_ptr clock = system_clock();
  tool_desk_limits limits;
};

/// Has the work done that is worth a choice. Failures of other nodes are not told to who asked: the
/// next is asked, and this node does it last. Errors: those of the tool; `deadline_exceeded`.
template <class Tool>
class tool_calls_state {
public:
  using handle = typename Tool::handle;
  using query = typename Tool::query;
  using answer = typename Tool::answer;
  using pointer = self_pointer<handle, tool_calls_state>;
  static inline const char* name = Tool::calls_name;

  explicit tool_calls_state(pointer self) : self_(self) {}
  void start(tool_desk_options<Tool> options) { options_ = std::move(options); }
  caf::result<answer> take(const query& asked);

private:
  /// What is on its way when this actor fails ends with it.
  struct call {
    ~call() {
      if (working)
        places->gave_up(Tool::name, at, bytes);
    }
    query asked;
    owed<answer> owes;
    std::shared_ptr<tool_places> places;
    std::int64_t bytes = 0;
    caf::actor_clock::time_point deadline;
    std::vector<std::string> tried; // nodes that failed
    std::string at;                 // who does it; empty: this node
    bool working = false;
  };
  using call_ptr = std::shared_ptr<call>;

  void go(const call_ptr& x);
  void ask_here(const call_ptr& x);
  void ask_there(const call_ptr& x, const peer_actor& peer);
  void failed_there(const call_ptr& x, const caf::error& err);
  void begin(call& x, std::string at);
  std::chrono::milliseconds left(const call& x) const;
  std::int64_t now_us() const;

  pointer self_;
  tool_desk_options<Tool> options_;
  std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
};

/// The desk: what is short goes straight to the tool here, on the caller's thread; the rest to the
/// calls on the scheduler's pool, where copying it holds up no I/O thread.
template <class Tool>
class tool_desk_state {
public:
  using handle = typename Tool::handle;
  using query = typename Tool::query;
  using pointer = self_pointer<handle, tool_desk_state>;
  static inline const char* name = Tool::desk_name;

  explicit tool_desk_state(pointer self) : self_(self) {}
  ~tool_desk_state();
  void start(tool_desk_options<Tool> options);
  caf::result<typename Tool::answer> take(const query& asked);

private:
  void start_calls();

  pointer self_;
  tool_desk_options<Tool> options_;
  handle calls_;
};

template <class Tool>
typename Tool::handle::behavior_type tool_desk(typename tool_desk_state<Tool>::pointer self,
                                               tool_desk_options<Tool> options);

/// Work of another node that this one has in hand: until it is answered, or its actor is gone.
class served_work {
public:
  served_work(std::shared_ptr<tool_places> places, std::int64_t bytes) :
      places_(std::move(places)), bytes_(bytes) {}
  ~served_work() { end(); }
  served_work(const served_work&) = delete;
  served_work& operator=(const served_work&) = delete;
  void end() {
    if (places_)
      std::exchange(places_, nullptr)->served(bytes_);
  }

private:
  std::shared_ptr<tool_places> places_;
  std::int64_t bytes_;
};

/// Does work for another node with this one's tool; `self` asks it. `overloaded` when too much is
/// in hand here.
template <class Tool, class Self>
caf::result<RemoteAnswer> serve_tool(Self* self, const typename Tool::handle& tool,
                                     const std::shared_ptr<tool_places>& places,
                                     typename Tool::query asked, std::chrono::milliseconds limit) {
  auto bytes = Tool::bytes(*asked);
  if (!places->serve(Tool::name, bytes))
    return make_error(ec::overloaded, "this node has too much work in hand: ask another one");
  auto work = std::make_shared<served_work>(places, bytes);
  auto promise = self->template make_response_promise<RemoteAnswer>();
  self->request(tool, limit, std::move(asked))
      .then(
          [promise, places, work](const typename Tool::answer& got) mutable {
            work->end();
            v1::RemoteAnswer out;
            Tool::put(out, *got);
            *out.mutable_load() = places->load();
            promise.deliver(RemoteAnswer{std::move(out)});
          },
          [promise, work](const caf::error& err) mutable {
            work->end();
            promise.deliver(err);
          });
  return promise;
}

extern template class tool_calls_state<token_counting>;
extern template class tool_desk_state<token_counting>;

} // namespace troupe
