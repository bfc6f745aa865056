// A model that says what it was told: for tests that look at whose context reached it.
#pragma once

#include "tests/support/script_server.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

/// An OpenAI-compatible upstream in this process. Its answer is the text of all user messages of
/// the request, each in square brackets: "[first question][second question]".
class echo_upstream {
public:
  echo_upstream();
  ~echo_upstream();

  /// A section of `upstreams:` in YAML that leads here.
  std::string yaml() const;
  /// From now on answers wait, until `release`.
  void hold();
  void release();
  /// How many requests came so far.
  std::size_t asked() const;
  bool wait_asked(std::size_t count, std::chrono::milliseconds limit);

private:
  void serve(peer& client);
  void answer(peer& client, const std::string& body);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::size_t asked_ = 0;
  std::unique_ptr<script_server> server_;
};

} // namespace troupe::test
