// `troupe mock-upstream` as a process of its own, which outlives the nodes of a test.
#pragma once

#include "tests/support/process.hpp"

#include <string>
#include <vector>

namespace troupe::test {

class mock_process {
public:
  /// `options` as on the command line; `address` without a port. Waits until it listens; throws if
  /// it does not.
  mock_process(const temp_dir& dir, const std::vector<std::string>& options,
               const std::string& address = "127.0.0.1");

  /// http://address:port/v1
  const std::string& url() const { return url_; }
  /// A section of `upstreams:` in YAML that leads here, serving the model "mock".
  std::string yaml() const;

private:
  std::string log_file_;
  process child_;
  std::string url_;
};

} // namespace troupe::test
