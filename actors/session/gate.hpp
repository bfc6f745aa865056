// How requests come into a session: when its conversation is in memory, and changes one at a time.
// Included by the session's own files only.
#pragma once

#include "actors/session/session.hpp"

#include <algorithm>

namespace troupe {

/// How many requests wait at most, beyond the turns that may.
inline constexpr std::size_t waiting_more_max = 16;

template <class Answer>
caf::result<Answer> session_state::when_loaded(std::function<void(owed<Answer>)> run) {
  owed<Answer> answer{self_->make_response_promise<Answer>()};
  auto promise = answer.promise();
  if (memory_ == memory::loaded) {
    run(std::move(answer));
    return promise;
  }
  auto& waiting = work().until_loaded;
  if (waiting.size() >= static_cast<std::size_t>(options_->config.queue_max) + waiting_more_max) {
    answer.fail(make_error(ec::overloaded,
                           "too many requests wait for this conversation; try again later"));
    return promise;
  }
  waiting.push_back([run = std::move(run), answer = std::move(answer)](const caf::error& err) {
    if (err)
      answer.fail(err);
    else
      run(answer);
  });
  load();
  return promise;
}

template <class Answer>
caf::result<Answer> session_state::when_free(std::function<void(owed<Answer>)> run) {
  return when_loaded<Answer>([this, run = std::move(run)](owed<Answer> answer) {
    auto& w = work();
    if (!w.busy) {
      w.busy = true;
      run(std::move(answer));
      return;
    }
    if (w.until_free.size()
        >= static_cast<std::size_t>(options_->config.queue_max) + waiting_more_max) {
      answer.fail(make_error(ec::overloaded, "too many changes of this conversation wait to be "
                                             "stored; try again later"));
      return;
    }
    w.until_free.push_back([run, answer = std::move(answer)](const caf::error& err) {
      if (err)
        answer.fail(err);
      else
        run(answer);
    });
  });
}

/// Asks, for at most `limit`.
template <class Handle, class... Args>
auto session_state::request(const Handle& receiver, std::chrono::milliseconds limit, Args... args) {
  return limited(options_->alarms, self_, receiver, limit, std::move(args)...);
}

/// The wait before another try: doubled each time, up to `max_ms`.
inline std::int64_t backoff_ms(int failures, std::int64_t first_ms, std::int64_t max_ms) {
  return std::min(first_ms << std::min(failures, 10), max_ms);
}

/// True for errors after which the store may or may not have done it, or may do it next time.
inline bool may_pass(const caf::error& err) {
  const auto& row = info(err);
  return row.retryable || row.code == ec::internal;
}

} // namespace troupe
