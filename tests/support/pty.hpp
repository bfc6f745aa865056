// A program at a terminal of its own, as a user has it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

class pty_process {
public:
  using limit = std::chrono::milliseconds;

  /// Starts it with `env` on top of this process' environment, on a terminal of 100 x 30.
  pty_process(std::vector<std::string> command, const std::map<std::string, std::string>& env);
  /// Kills it, if it still runs.
  ~pty_process();
  pty_process(const pty_process&) = delete;
  pty_process& operator=(const pty_process&) = delete;

  /// Types.
  void type(const std::string& text);
  /// Reads until `text` was shown after what was waited for before; false when the time is over.
  bool shows(const std::string& text, limit within = std::chrono::seconds{10});
  /// All that was shown so far.
  const std::string& screen() const { return screen_; }
  /// Waits for its end; its exit status, or 128 and the signal.
  std::optional<int> wait(limit within = std::chrono::seconds{10});

private:
  bool read_some(std::chrono::steady_clock::time_point deadline);

  pid_t pid_ = -1;
  int fd_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

} // namespace troupe::test
