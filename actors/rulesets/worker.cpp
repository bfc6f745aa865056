#include "actors/rulesets/worker.hpp"

namespace troupe {

ruleset_worker_actor::behavior_type
ruleset_worker(self_pointer<ruleset_worker_actor, ruleset_worker_state>) {
  return {[](const ruleset_job_ptr& job) {
    try {
      job->work();
    } catch (const std::exception& error) {
      job->error = error.what();
    } catch (...) {
      job->error = "an exception of unknown type";
    }
    return Done{};
  }};
}

} // namespace troupe
