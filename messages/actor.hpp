// The base of every actor type of Troupe: counts, a mailbox bound, and restarts in place.
#pragma once

#include "messages/error.hpp"
#include "messages/log.hpp"
#include "messages/probe.hpp"

#include <caf/actor_system.hpp>
#include <caf/infer_handle.hpp>
#include <caf/make_message.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/system_messages.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace troupe {

/// The pointer a typed actor function gets: `session_actor::stateful_pointer` by another name.
template <class Handle, class State>
using self_pointer = typename Handle::template stateful_pointer<State>;

/// Where and how actors are made. Copied freely; both referents outlive the actors.
struct actor_host {
  caf::actor_system* system = nullptr;
  troupe::probes* probes = nullptr;
};

/// How often an actor may fail before it ends: rule 12.
struct restart_limit {
  static constexpr int restarts_max = 3;
  static constexpr std::chrono::seconds window{5};
};

/// Wraps `Base`, a stateful typed actor. A handler that throws does not end the actor: the sender
/// gets `ec::internal`, the state is made anew and the behaviour with it, so that handles stay
/// good. More than three throws in five seconds end it with `ec::internal`: its supervisor sees it
/// go.
template <class Base>
class instrumented final : public Base {
public:
  /// Makes the behaviour, and makes it again after a restart.
  class behavior_factory {
  public:
    virtual ~behavior_factory() = default;
    virtual typename Base::behavior_type make(Base* self) = 0;
  };
  using state_type = std::remove_reference_t<decltype(std::declval<Base&>().state)>;

  template <class F>
  static std::unique_ptr<behavior_factory> factory_of(F make) {
    struct holder final : behavior_factory {
      explicit holder(F f) : call(std::move(f)) {}
      typename Base::behavior_type make(Base* self) override { return call(self); }
      F call;
    };
    return std::make_unique<holder>(std::move(make));
  }

  instrumented(caf::actor_config& cfg, troupe::probes& all, actor_type_probe& type,
               std::unique_ptr<behavior_factory> factory) :
      Base(cfg), probes_(all), factory_(std::move(factory)) {
    probe_.type = &type;
    probe_.actor_id = this->id();
    probes_.enter(probe_);
  }

  ~instrumented() override { probes_.leave(probe_); }

  using Base::enqueue;

  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override {
    auto depth = probe_.depth.fetch_add(1, std::memory_order_relaxed) + 1;
    auto bound = probe_.type->mailbox_max.load(std::memory_order_relaxed);
    if (bound != 0 && depth > bound && may_shed(*element)) {
      probe_.depth.fetch_sub(1, std::memory_order_relaxed);
      probe_.type->shed.fetch_add(1, std::memory_order_relaxed);
      answer(*element,
             make_error(ec::overloaded,
                        "too many messages wait for " + probe_.type->name + "; try again later"),
             unit);
      return;
    }
    probe_.type->depth.fetch_add(1, std::memory_order_relaxed);
    Base::enqueue(std::move(element), unit);
  }

protected:
  typename Base::behavior_type make_behavior() override { return factory_->make(this); }

  caf::invoke_message_result consume(caf::mailbox_element& element) override {
    auto start = std::chrono::steady_clock::now();
    auto result = caf::invoke_message_result::consumed;
    try {
      result = Base::consume(element);
    } catch (const std::exception& e) {
      recover(element, e.what());
    } catch (...) {
      recover(element, "an exception of unknown type");
    }
    if (result != caf::invoke_message_result::skipped) {
      auto took = std::chrono::steady_clock::now() - start;
      auto ns = static_cast<std::uint64_t>(std::chrono::nanoseconds{took}.count());
      left_mailbox(1);
      probe_.handled.fetch_add(1, std::memory_order_relaxed);
      probe_.busy_ns.fetch_add(ns, std::memory_order_relaxed);
      probe_.type->handled.fetch_add(1, std::memory_order_relaxed);
      probe_.type->latency.add_ns(ns);
    }
    return result;
  }

  bool cleanup(caf::error&& reason, caf::execution_unit* unit) override {
    left_mailbox(probe_.depth.load(std::memory_order_relaxed));
    // A timer may keep an ended actor for a while; the handles among its arguments must not stay.
    factory_.reset();
    return Base::cleanup(std::move(reason), unit);
  }

private:
  struct recent_restarts {
    caf::actor_clock::time_point since;
    int count;
  };

  static bool may_shed(const caf::mailbox_element& element) {
    return !element.mid.is_response() && element.mid.is_normal_message()
           && !element.content().template match_elements<caf::down_msg>()
           && !element.content().template match_elements<caf::exit_msg>();
  }

  static void answer(const caf::mailbox_element& element, caf::error err,
                     caf::execution_unit* unit) {
    if (element.sender != nullptr && element.mid.is_request() && !element.mid.is_answered())
      element.sender->enqueue(nullptr, element.mid.response_id(), caf::make_message(std::move(err)),
                              unit);
  }

  void left_mailbox(std::uint32_t count) {
    probe_.depth.fetch_sub(count, std::memory_order_relaxed);
    probe_.type->depth.fetch_sub(count, std::memory_order_relaxed);
  }

  void recover(caf::mailbox_element& element, const char* what) {
    probe_.type->failed.fetch_add(1, std::memory_order_relaxed);
    log_error("actor_handler_threw", {{"actor_type", probe_.type->name}, {"error", what}});
    answer(element, make_error(ec::internal, "the request failed inside; it is in the log"),
           this->context());
    auto now = this->clock().now();
    if (!recent_ || now - recent_->since > restart_limit::window)
      recent_ = std::make_unique<recent_restarts>(recent_restarts{now, 0});
    if (++recent_->count > restart_limit::restarts_max) {
      this->quit(make_error(ec::internal, probe_.type->name + " failed too often: " + what));
      return;
    }
    restart();
  }

  void restart() {
    probe_.type->restarted.fetch_add(1, std::memory_order_relaxed);
    // Answers still to come belong to the state that is gone.
    this->awaited_responses_.clear();
    this->multiplexed_responses_.clear();
    auto* state = &this->state;
    state->~state_type();
    if constexpr (std::is_constructible_v<state_type, Base*>)
      new (state) state_type(static_cast<Base*>(this));
    else
      new (state) state_type();
    this->do_become(std::move(factory_->make(this).unbox()), true);
  }

  troupe::probes& probes_;
  actor_probe probe_;
  // Pointers: there may be a million actors, and few of them fail.
  std::unique_ptr<behavior_factory> factory_;
  std::unique_ptr<recent_restarts> recent_;
};

namespace detail {

template <class Function>
struct actor_function;

template <class Behavior, class Base, class... Args>
struct actor_function<Behavior (*)(Base*, Args...)> {
  using base = Base;
};

} // namespace detail

/// Spawns the actor that `function` describes, instrumented under its state's `name`. The arguments
/// are copied: a restart calls `function` with them again.
///
/// `spawn(host, session, options)` where `session_actor::behavior_type session(self_pointer<...>,
/// options)`.
template <caf::spawn_options Options = caf::no_spawn_options, class Function, class... Args>
auto spawn(const actor_host& host, Function function, Args... args) {
  using base = typename detail::actor_function<Function>::base;
  using impl = instrumented<base>;
  using state_type = typename impl::state_type;
  auto& type = host.probes->of_type(state_type::name);
  auto make = [function, ... args = std::move(args)](base* self) {
    return function(self, args...);
  };
  auto factory = impl::factory_of(std::move(make));
  caf::actor_config cfg;
  return host.system->spawn_class<impl, Options>(cfg, *host.probes, type, std::move(factory));
}

} // namespace troupe
