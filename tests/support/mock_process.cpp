#include "tests/support/mock_process.hpp"

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace troupe::test {

namespace {

std::vector<std::string> command_of(const std::vector<std::string>& options,
                                    const std::string& address) {
  std::vector<std::string> command{troupe_binary(), "mock-upstream", "--listen", address + ":0"};
  command.insert(command.end(), options.begin(), options.end());
  return command;
}

/// The URL in "mock upstream at http://127.0.0.1:9500/v1; ends with Ctrl-C".
std::string url_in(const std::string& log_file) {
  std::ifstream in{log_file};
  std::string log{std::istreambuf_iterator<char>{in}, {}};
  auto begin = log.find("http://");
  auto end = log.find(';', begin == std::string::npos ? 0 : begin);
  return begin == std::string::npos || end == std::string::npos ? std::string{}
                                                                : log.substr(begin, end - begin);
}

} // namespace

mock_process::mock_process(const temp_dir& dir, const std::vector<std::string>& options,
                           const std::string& address) :
    log_file_(dir.path() + "/mock.log"), child_(command_of(options, address), {}, log_file_) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while ((url_ = url_in(log_file_)).empty()) {
    if (!child_.running() || std::chrono::steady_clock::now() > until)
      throw std::runtime_error("the mock upstream did not start");
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

std::string mock_process::yaml() const {
  return "upstreams:\n  - {name: mock, models: [mock], allow_private: true, base_url: \"" + url_
         + "\"}\n";
}

} // namespace troupe::test
