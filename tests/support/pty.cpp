#include "tests/support/pty.hpp"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace troupe::test {

using steady = std::chrono::steady_clock;

pty_process::pty_process(std::vector<std::string> command,
                         const std::map<std::string, std::string>& env) {
  std::vector<char*> argv;
  for (auto& part : command)
    argv.push_back(part.data());
  argv.push_back(nullptr);
  winsize size{30, 100, 0, 0};
  pid_ = ::forkpty(&fd_, nullptr, nullptr, &size);
  if (pid_ < 0)
    throw std::runtime_error("cannot open a terminal");
  if (pid_ == 0) {
    for (const auto& [name, value] : env)
      ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
}

pty_process::~pty_process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(fd_);
}

void pty_process::type(const std::string& text) {
  if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("cannot type");
}

bool pty_process::read_some(steady::time_point deadline) {
  auto left = std::chrono::ceil<limit>(deadline - steady::now()).count();
  pollfd entry{fd_, POLLIN, 0};
  if (left <= 0 || ::poll(&entry, 1, static_cast<int>(left)) <= 0)
    return false;
  char bytes[4096];
  auto count = ::read(fd_, bytes, sizeof bytes);
  if (count <= 0)
    return false;
  screen_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool pty_process::shows(const std::string& text, limit within) {
  auto deadline = steady::now() + within;
  for (;;) {
    auto at = screen_.find(text, seen_);
    if (at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (!read_some(deadline))
      return false;
  }
}

std::optional<int> pty_process::wait(limit within) {
  auto deadline = steady::now() + within;
  while (read_some(deadline)) {
  }
  int status = 0;
  // The terminal closes with its last program.
  if (steady::now() >= deadline || ::waitpid(pid_, &status, 0) != pid_)
    return std::nullopt;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace troupe::test
