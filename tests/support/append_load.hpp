// Clients that append messages to conversations, each message once: what they did is a history for
// tests/support/history.hpp.
#pragma once

#include "persistence/database.hpp"
#include "tests/support/history.hpp"
#include "tests/support/process.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

/// A node as its clients know it.
struct append_target {
  std::string node;
  std::string host;
  int port = 0;
  std::string token;
};

append_target target_of(const std::string& name, const troupe_node& node);

/// Thread-safe.
class append_history {
public:
  /// Appends a message of a new text through the node, and keeps what became of it. One try: who
  /// has no answer after `limit` gives up.
  append_op append(const append_target& at, const std::string& conversation,
                   std::chrono::milliseconds limit);
  std::vector<append_op> ops() const;

private:
  mutable std::mutex mutex_;
  std::vector<append_op> ops_;
  std::atomic<int> count_{0};
};

/// Appends through the node until a message ends so; how long that took since `since`, in
/// milliseconds. Nothing if it does not within `limit` of now.
std::optional<double> time_to(append_outcome wanted, append_history& history,
                              const append_target& at, const std::string& conversation,
                              append_op::time_point since, std::chrono::milliseconds limit);

/// The messages of users in these conversations, each conversation's in its order.
std::vector<stored_append> stored_appends(persistence::database_factory& database,
                                          const std::vector<std::string>& conversations);

struct append_load_options {
  unsigned seed = 1;
  int clients_each = 4;                    // of a node
  std::chrono::milliseconds pause{80};     // at most, between two messages of a client
  std::chrono::milliseconds limit{20'000}; // of one request: longer than a node takes for it
};

/// Clients at every node, each on a thread of its own, until `finish`.
class append_load {
public:
  append_load(append_history& history, std::vector<append_target> targets,
              std::vector<std::string> conversations, append_load_options options);
  ~append_load();
  append_load(const append_load&) = delete;
  append_load& operator=(const append_load&) = delete;

  /// No new message; returns when all that were asked for are answered, or given up.
  void finish();

private:
  void run(const append_target& at, unsigned seed);

  append_history& history_;
  std::vector<std::string> conversations_;
  append_load_options options_;
  std::atomic<bool> finishing_{false};
  std::vector<std::thread> threads_;
};

} // namespace troupe::test
