// Ctrl-C as something to wait for, instead of the end of the program.
#pragma once

namespace troupe::cli {

/// While it lives, SIGINT makes `fd` readable and ends nothing. One at a time.
class interrupt_guard {
public:
  interrupt_guard();
  ~interrupt_guard();
  interrupt_guard(const interrupt_guard&) = delete;
  interrupt_guard& operator=(const interrupt_guard&) = delete;

  /// Readable once Ctrl-C was pressed.
  int fd() const;
  /// True if it was pressed since the last call.
  bool take();
};

} // namespace troupe::cli
