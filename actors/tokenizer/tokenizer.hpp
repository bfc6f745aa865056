// The actor that counts tokens.
#pragma once

#include "actors/tokenizer/encoding.hpp"
#include "actors/tokenizer/worker_crew.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <atomic>
#include <cstdint>
#include <memory>

namespace troupe {

/// What a tokenizer and its workers counted, for metrics. Thread-safe.
struct tokenizer_probe {
  std::atomic<std::uint64_t> texts{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> tokens{0};
  std::atomic<std::uint64_t> handed_on{0}; // requests that were too long to be answered inline
  std::atomic<std::uint64_t> estimated{0}; // requests for a model that is not known
  std::atomic<std::uint64_t> refused{0};
};

struct tokenizer_options {
  actor_host host; // for the workers
  std::shared_ptr<tokens::library> library = std::make_shared<tokens::library>();
  std::shared_ptr<tokenizer_probe> probe = std::make_shared<tokenizer_probe>();
  wall_clock_ptr clock = system_clock();
  std::size_t workers = 2;
  std::size_t queue_max = 1'000;         // requests waiting at one worker
  std::int64_t inline_bytes_max = 4'096; // longer requests leave the caller's thread for the pool
  std::int64_t bytes_max = 32 * 1'024 * 1'024; // of one request's texts together
  std::int64_t texts_max = 100'000;            // in one request
};

struct tokenizer_worker_state {
  static inline const char* name = "tokenizer_worker";
};

/// Counts, on whatever thread it runs. The options' `host` is not used.
tokenizer_actor::behavior_type
tokenizer_worker(self_pointer<tokenizer_actor, tokenizer_worker_state> self,
                 tokenizer_options options);

struct tokenizer_state {
  static inline const char* name = "tokenizer";
  using self_type = self_pointer<tokenizer_actor, tokenizer_state>;

  explicit tokenizer_state(self_type self);
  void start(tokenizer_options given);
  caf::result<TokensCounted> count(const CountTokens& query);

private:
  self_type self_;
  tokenizer_options options_;
  worker_crew<tokenizer_actor> workers_;
};

/// Counts tokens. Of a request with a limit, the texts after the one that went over it count 0.
///
/// Short texts are counted at once, on the thread that runs it (a request's I/O shard), and long
/// ones by workers of its own on the scheduler's pool. Errors: `invalid_argument` for an unknown
/// vocabulary or neither vocabulary nor model, `too_large`, `overloaded` when the workers' queues
/// are full, `deadline_exceeded` when a request waited too long for them, `internal` when a
/// vocabulary's file is missing. A model that is not known is counted with o200k_base and the
/// answer says `estimated`.
tokenizer_actor::behavior_type tokenizer(self_pointer<tokenizer_actor, tokenizer_state> self,
                                         tokenizer_options options);

} // namespace troupe
