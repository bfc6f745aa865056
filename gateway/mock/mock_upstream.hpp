// An OpenAI-compatible upstream for tests and for trying Troupe out: deterministic answers, exact
// usage, set pace, faults by model name. docs/mock-upstream.md.
#pragma once

#include "gateway/mock/mock_faults.hpp"
#include "gateway/server/router.hpp"
#include "gateway/upstream/demo_answer.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::gateway {

struct mock_options {
  std::int64_t latency_ms = 0; // before the first byte
  double tokens_per_s = 0;     // of a stream; 0: all at once
  std::int64_t tokens = 60;    // of an answer, unless the request sets max_tokens lower
  std::function<std::int64_t()> connections_open; // for /mock/stats; may be empty
};

/// What it has seen. Thread-safe.
class mock_stats {
public:
  void begun(const std::string& model);
  void ended(const std::string& model, std::int64_t prompt_tokens, std::int64_t completion_tokens);
  /// The other side left before the answer was whole.
  void aborted(const std::string& model, std::int64_t at_us, std::int64_t tokens_sent);
  std::string json(std::int64_t connections_open) const;

private:
  struct abort_record {
    std::string model;
    std::int64_t at_us = 0;
    std::int64_t tokens_sent = 0;
  };
  mutable std::mutex mutex_;
  std::int64_t requests_ = 0;
  std::int64_t finished_ = 0;
  std::int64_t prompt_tokens_ = 0;
  std::int64_t completion_tokens_ = 0;
  std::int64_t aborts_ = 0;
  std::map<std::string, std::int64_t> by_model_;
  std::deque<abort_record> last_aborts_;
};

/// Adds POST /v1/chat/completions, /v1/completions and /v1/embeddings, GET /v1/models and
/// /mock/stats. What it keeps lives as long as the routes.
void add_mock_routes(router& routes, mock_options options);

/// The token at a place of the mock's answers: a word and a space.
std::string_view mock_token(std::int64_t index);

} // namespace troupe::gateway
