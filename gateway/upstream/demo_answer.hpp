// The built-in demo as an upstream of the /v1 routes: it speaks the OpenAI protocol, in process.
#pragma once

#include "gateway/upstream/upstreams.hpp"

#include <memory>
#include <string_view>

namespace troupe::gateway {

/// Answers /chat/completions, /completions and /embeddings; other paths get a 404.
std::unique_ptr<upstream_answer> make_demo_answer(asio::io_context& io,
                                                  const config::upstream_section& section,
                                                  const v1::RouteTarget& target,
                                                  std::string_view path, std::string_view body,
                                                  cancellation& stop);

/// The texts a request's body asks about; parts that are no text are left out.
struct demo_question {
  std::string model;
  std::string last_user_text;
  std::int64_t prompt_tokens = 0; // by the demo's count
  std::int64_t max_tokens = 0;
  std::vector<std::string> inputs; // of /embeddings
  std::string error;               // what is wrong with it; empty: nothing
  bool stream = false;
  bool include_usage = false;
  bool base64 = false;
  bool ends_with_assistant = false; // a prefill
};

demo_question read_demo_question(std::string_view path, std::string_view body);

} // namespace troupe::gateway
