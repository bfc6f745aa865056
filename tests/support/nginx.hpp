// A real nginx, for tests that compare with it.
#pragma once

#include "tests/support/process.hpp"

#include <cstdint>
#include <optional>

namespace troupe::test {

/// nginx on a free port of 127.0.0.1: every path is passed on, with its body, to an upstream that
/// answers 200. Its limits are those of Troupe's defaults where it has them.
class nginx {
public:
  /// Throws std::runtime_error if there is none or it does not start.
  nginx();

  std::uint16_t port() const { return port_; }
  /// What it said of errors.
  std::string log() const;

private:
  temp_dir dir_;
  std::uint16_t port_ = 0;
  std::optional<process> child_;
};

} // namespace troupe::test
