#include "gateway/mock/mock_faults.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace troupe::gateway {

namespace {

constexpr std::size_t models_max = 1'000;
constexpr std::uint64_t flap = 5; // requests that fail, then as many that do not

mock_fault refusal(int status, std::string message, std::string code = {}) {
  mock_fault fault;
  fault.status = status;
  fault.error_message = std::move(message);
  fault.error_code = std::move(code);
  return fault;
}

/// `name` without its number at the end: fault-cut-40 is fault-cut and 40.
std::string_view split_number(std::string_view name, std::int64_t& number) {
  auto dash = name.rfind('-');
  if (dash == std::string_view::npos)
    return name;
  auto digits = name.substr(dash + 1);
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || value < 0
      || value > 3'600'000)
    return name;
  number = value;
  return name.substr(0, dash);
}

/// The faults that are answers of their own. `before`: how often the model was asked before.
std::optional<mock_fault> refusing_fault(const mock_request& request, std::uint64_t before) {
  auto model = request.model;
  const bool odd = before % 2 == 0; // the first, the third...
  if (model == "fault-429-retry-after") {
    auto fault = refusal(429, "slow down", "rate_limit_exceeded");
    fault.retry_after = "2";
    return odd ? fault : mock_fault{};
  }
  if (model == "fault-429")
    return refusal(429, "slow down", "rate_limit_exceeded");
  if (model == "fault-500-once")
    return odd ? refusal(500, "it happens") : mock_fault{};
  if (model == "fault-503")
    return refusal(503, "maintenance");
  if (model == "fault-flapping")
    return before / flap % 2 == 0 ? refusal(503, "flapping") : mock_fault{};
  if (model == "fault-401")
    return refusal(401, "Incorrect API key provided: " + std::string{request.authorization},
                   "invalid_api_key");
  if (model == "fault-context-length")
    return refusal(400, "This model's maximum context length is 8 tokens.",
                   "context_length_exceeded");
  if (model == "fault-content-filter")
    return refusal(400, "The prompt was refused.", "content_filter");
  if (model == "fault-prefill")
    return request.ends_with_assistant
               ? refusal(400, "The last message must not be the assistant's.")
               : mock_fault{};
  if (model == "fault-html-502") {
    auto fault = refusal(502, "<html><body>Bad Gateway</body></html>");
    fault.content_type = "text/html";
    return fault;
  }
  if (model == "fault-redirect") {
    auto fault = refusal(301, "moved");
    fault.location = "https://elsewhere.example/v1";
    return fault;
  }
  return std::nullopt;
}

/// The faults of an answer that begins well, or not at all.
std::optional<mock_fault> streaming_fault(std::string_view model) {
  mock_fault fault;
  std::int64_t number = -1;
  auto kind = split_number(model, number);
  auto measure = [&](std::int64_t otherwise) { return number < 0 ? otherwise : number; };
  if (kind == "fault-reset") {
    fault.reset = true;
  } else if (kind == "fault-silent") {
    fault.silent = true;
  } else if (kind == "fault-no-usage") {
    fault.no_usage = true;
  } else if (kind == "fault-error-first") {
    fault.error_first = true;
  } else if (kind == "fault-no-done" || kind == "fault-no-done-open") {
    fault.no_done = true;
    fault.leave_open = kind == "fault-no-done-open";
  } else if (kind == "fault-content-filter-late") {
    fault.finish_reason = "content_filter";
  } else if (kind == "fault-malformed") {
    fault.malformed_after = measure(5);
  } else if (kind == "fault-slow-first-token") {
    fault.first_token_ms = measure(20'000);
  } else if (kind == "fault-cut") {
    fault.cut_after = measure(40);
  } else if (kind == "fault-stall") {
    fault.stall_after = 10;
    fault.stall_ms = measure(30'000);
  } else if (kind == "fault-error") {
    fault.error_after = measure(10);
  } else {
    return std::nullopt;
  }
  return fault;
}

} // namespace

const std::vector<mock_fault_help>& mock_fault_list() {
  static const std::vector<mock_fault_help> list{
      {"fault-429-retry-after", "every other request: 429 with Retry-After: 2"},
      {"fault-429", "429, always, without Retry-After"},
      {"fault-500-once", "every other request: 500"},
      {"fault-503", "503, always"},
      {"fault-reset", "the connection is reset before an answer"},
      {"fault-silent", "accepted, never answered"},
      {"fault-slow-first-token", "the head at once, the first token after 20 s (-MS: after MS ms)"},
      {"fault-cut-40", "the connection breaks after 40 tokens (-N: after N)"},
      {"fault-stall", "silent for 30 s after 10 tokens (-MS: for MS ms), then goes on"},
      {"fault-malformed", "one event in the middle is no JSON"},
      {"fault-no-done", "a whole stream without data: [DONE]"},
      {"fault-no-done-open", "the same, and the connection stays open"},
      {"fault-context-length", "400 context_length_exceeded"},
      {"fault-content-filter", "400 content_filter"},
      {"fault-content-filter-late", "finish_reason content_filter"},
      {"fault-prefill", "400 when the last message is the assistant's"},
      {"fault-flapping", "5 requests get 503, the next 5 are answered, and so on"},
      {"fault-no-usage", "no usage, though asked for"},
      {"fault-401", "401 with the key in its message"},
      {"fault-html-502", "502 with an HTML page"},
      {"fault-error-first", "200, and an error object as the first event"},
      {"fault-error-10", "an error object after 10 tokens (-N: after N)"},
      {"fault-redirect", "301 to another place"},
  };
  return list;
}

std::uint64_t mock_faults::times_asked(std::string_view model) {
  std::lock_guard guard{mutex_};
  auto found = asked_.find(model);
  if (found == asked_.end()) {
    if (asked_.size() >= models_max)
      asked_.clear();
    found = asked_.emplace(model, 0).first;
  }
  return found->second++;
}

mock_fault mock_faults::next(const mock_request& request) {
  auto model = request.model;
  if (!model.starts_with("fault-"))
    return {};
  auto before = times_asked(model);
  if (auto fault = refusing_fault(request, before))
    return *fault;
  if (auto fault = streaming_fault(model))
    return *fault;
  return refusal(404, "no such fault; see troupe mock-upstream --help", "model_not_found");
}

} // namespace troupe::gateway
