// Does what takes long for a ruleset service, on a thread of its own.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"
#include "messages/log.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace troupe {

/// One piece of work; who asks for it keeps what it makes among what `work` captured.
struct ruleset_job {
  std::function<void()> work;
  std::string error; // what it threw
};

using ruleset_job_ptr = std::shared_ptr<ruleset_job>;

using ruleset_worker_actor = caf::typed_actor<
    // Says Done once it is done, or failed.
    replies_to<ruleset_job_ptr>::with<Done>>;

struct ruleset_worker_state {
  static inline const char* name = "ruleset_worker";
};

ruleset_worker_actor::behavior_type
ruleset_worker(self_pointer<ruleset_worker_actor, ruleset_worker_state> self);

/// Has the worker do it, then tells `self` by `then`: without an error once it is done. What it
/// threw is in the log.
template <class Self>
void do_on_worker(Self self, const ruleset_worker_actor& worker, std::function<void()> work,
                  std::function<void(caf::error)> then) {
  auto job = std::make_shared<ruleset_job>();
  job->work = std::move(work);
  self->request(worker, caf::infinite, job)
      .then(
          [job, then](const Done&) {
            if (job->error.empty())
              return then({});
            log_error("ruleset_work_failed", {{"error", job->error}});
            then(make_error(ec::internal, "the request failed inside; it is in the log"));
          },
          [then](caf::error& error) { then(std::move(error)); });
}

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::ruleset_job_ptr)
