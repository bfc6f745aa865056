// How the mock upstream misbehaves: a fault a model name. Pure: no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// What becomes of one request. Counts of tokens are those already sent when it happens; -1: never.
struct mock_fault {
  int status = 200;
  std::string error_message; // with a status that is no success
  std::string error_code;
  std::string content_type = "application/json";
  std::string retry_after;
  std::string location;
  std::string finish_reason = "stop";
  bool reset = false;  // the connection, before an answer
  bool silent = false; // accepted, never answered
  bool no_done = false;
  bool leave_open = false; // after the last event
  bool no_usage = false;
  bool error_first = false; // an error object as the first event
  std::int64_t first_token_ms = 0;
  std::int64_t cut_after = -1; // the connection breaks
  std::int64_t stall_after = -1;
  std::int64_t stall_ms = 0;
  std::int64_t malformed_after = -1;
  std::int64_t error_after = -1; // an error object, then the end
};

/// One line of --help and of docs/mock-upstream.md.
struct mock_fault_help {
  std::string_view model;
  std::string_view what;
};
const std::vector<mock_fault_help>& mock_fault_list();

/// What a request looks like to its fault.
struct mock_request {
  std::string_view model;
  std::string_view authorization;
  bool ends_with_assistant = false;
};

/// Names the fault of every request. Some remember how often their model was asked. Thread-safe.
class mock_faults {
public:
  /// No fault for a model whose name does not begin with `fault-`; an unknown one is a 404.
  mock_fault next(const mock_request& request);

private:
  std::uint64_t times_asked(std::string_view model);

  std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> asked_;
};

} // namespace troupe::gateway
