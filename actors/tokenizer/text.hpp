// The actor for what else is done with tokens and character sets.
#pragma once

#include "actors/tokenizer/text_work.hpp"
#include "actors/tokenizer/worker_crew.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <cstdint>
#include <memory>

namespace troupe {

struct text_options {
  actor_host host; // for the workers
  std::shared_ptr<tokens::library> library = std::make_shared<tokens::library>();
  wall_clock_ptr clock = system_clock();
  std::size_t workers = 2;
  std::size_t queue_max = 200;           // requests waiting at one worker
  std::int64_t inline_bytes_max = 4'096; // longer texts leave the caller's thread for the pool
  text_limits limits;
};

struct text_worker_state {
  static inline const char* name = "text_worker";
};

/// Works, on whatever thread it runs. The options' `host` is not used.
text_actor::behavior_type text_worker(self_pointer<text_actor, text_worker_state> self,
                                      text_options options);

struct text_state {
  static inline const char* name = "text";
  using self_type = self_pointer<text_actor, text_state>;

  explicit text_state(self_type self);
  void start(text_options given);

  template <class Answer, class Query>
  caf::result<Answer> answer(const Query& query);
  caf::result<VocabularyList> list(const ListVocabularies& query);

private:
  self_type self_;
  text_options options_;
  worker_crew<text_actor> workers_;
};

/// Answers short requests at once, on the thread that runs it, and has long ones done by workers of
/// its own on the scheduler's pool.
///
/// Errors: `invalid_argument` with what to do; `too_large` over a bound of text_limits, or when a
/// text grows beyond four times its size; `overloaded` when the workers' queues are full;
/// `deadline_exceeded` when a request waited too long for them; `internal` when a file of a
/// vocabulary or of OpenCC's is missing.
text_actor::behavior_type text_service(self_pointer<text_actor, text_state> self,
                                       text_options options);

} // namespace troupe
