#include "cluster/cli/interrupt.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace troupe::cli {

namespace {

int pipe_ends[2] = {-1, -1};
struct sigaction before {};

extern "C" void on_interrupt(int) {
  auto saved = errno;
  char byte = 1;
  [[maybe_unused]] auto written = ::write(pipe_ends[1], &byte, 1);
  errno = saved;
}

} // namespace

interrupt_guard::interrupt_guard() {
  if (::pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0)
    return;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  // No SA_RESTART: a prompt that waits for a line is woken.
  ::sigaction(SIGINT, &action, &before);
}

interrupt_guard::~interrupt_guard() {
  if (pipe_ends[0] < 0)
    return;
  ::sigaction(SIGINT, &before, nullptr);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  pipe_ends[0] = pipe_ends[1] = -1;
}

int interrupt_guard::fd() const { return pipe_ends[0]; }

bool interrupt_guard::take() {
  char bytes[64];
  bool any = false;
  while (pipe_ends[0] >= 0 && ::read(pipe_ends[0], bytes, sizeof bytes) > 0)
    any = true;
  return any;
}

} // namespace troupe::cli
