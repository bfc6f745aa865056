#include "gateway/upstream/upstream_service.hpp"

#include "gateway/upstream/completion_runner.hpp"

namespace troupe::gateway {

upstream_service_state::~upstream_service_state() {
  for (auto& runner : runners)
    completion_runner::let_go(std::move(runner));
}

void upstream_service_state::configure(const upstream_service_options& options) {
  running = std::make_shared<std::atomic<std::size_t>>(0);
  running_max = options.running_max;
  for (const auto& where : options.shards)
    runners.push_back(std::make_shared<completion_runner>(where, options.tokenizer, running));
}

caf::result<Done> upstream_service_state::start(const StartCompletion& command,
                                                const completion_sink_actor& sink) {
  if (command->completion_id().empty() || !sink)
    return make_error(ec::invalid_argument, "a completion needs an id and a sink");
  if (command->route().targets().empty())
    return make_error(ec::invalid_argument, "a completion needs a route");
  if (running->fetch_add(1) >= running_max) {
    running->fetch_sub(1);
    return make_error(ec::overloaded, "too many completions run; try again later");
  }
  auto* runner = &runners[next++ % runners.size()];
  for (auto& one : runners)
    if (one->on_thread())
      runner = &one;
  (*runner)->start(command, sink);
  return Done{};
}

void upstream_service_state::cancel(const CancelCompletion& command) {
  for (auto& runner : runners)
    runner->cancel(command->completion_id());
}

upstream_actor::behavior_type upstream_service(upstream_service_state::pointer self,
                                               upstream_service_options options) {
  self->state.configure(options);
  return {
      [self](const StartCompletion& x, const completion_sink_actor& sink) -> caf::result<Done> {
        return self->state.start(x, sink);
      },
      [self](const CancelCompletion& x) { self->state.cancel(x); },
  };
}

} // namespace troupe::gateway
