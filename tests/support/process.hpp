// Processes for tests: started, waited for, killed; never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

/// A folder that is gone with the test.
class temp_dir {
public:
  temp_dir();
  ~temp_dir();
  temp_dir(const temp_dir&) = delete;
  temp_dir& operator=(const temp_dir&) = delete;
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const;

private:
  std::string path_;
};

/// A child process; killed with its group when the object goes.
class process {
public:
  /// Starts it with `env` on top of this process' environment; its output goes to `log_file`.
  process(std::vector<std::string> command, const std::map<std::string, std::string>& env,
          const std::string& log_file);
  ~process();
  process(process&&) noexcept;
  process& operator=(process&&) noexcept;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  /// Kills it with SIGKILL and waits for its end.
  void kill();
  /// Waits for its end; its exit status (128 + signal when killed), or nothing when the limit is
  /// over.
  std::optional<int> wait(std::chrono::milliseconds limit);

private:
  pid_t pid_ = -1;
};

/// One `troupe serve` of the build under test ($TROUPE_BINARY).
class troupe_node {
public:
  /// `config` is YAML; the ports are chosen by the system unless it names them. `prefix` goes
  /// before the command. Waits until it is ready; throws with the end of its log if it is not.
  troupe_node(const temp_dir& dir, const std::string& config,
              std::chrono::milliseconds ready_limit = std::chrono::seconds{20},
              const std::vector<std::string>& prefix = {});

  process& child() { return child_; }
  const std::string& url() const { return url_; }
  const std::string& ops_url() const { return ops_url_; }
  const std::string& token() const { return token_; }
  /// Host and port of `url()`, for clients that want them apart.
  std::string host() const;
  int port() const;
  std::string log() const;

private:
  std::string log_file_;
  process child_;
  std::string url_;
  std::string ops_url_;
  std::string token_;
};

/// A port of 127.0.0.1 that nobody has now; whoever takes it first makes a later bind fail.
std::uint16_t free_port();

/// The program under test.
std::string troupe_binary();

} // namespace troupe::test
