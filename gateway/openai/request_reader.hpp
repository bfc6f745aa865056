// What the proxy must know of a request's body, and the few bytes of it that change. The body is
// never rebuilt: all that Troupe does not know of passes as it was written.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway::openai {

/// Some bytes of the body.
struct body_place {
  std::size_t at = 0;
  std::size_t length = 0; // 0: not there
};

/// How `stream_options` stands in the body.
enum class stream_options_form { absent, null, object };

struct request_facts {
  std::string model;
  bool stream = false;
  bool include_usage = false; // the client asked for the usage of a stream
  body_place model_value;     // with its quotes
  body_place stream_options;
  body_place include_usage_value;
  stream_options_form options_form = stream_options_form::absent;
  bool options_empty = false;
  std::size_t first_member = 0; // just after the opening brace
};

struct request_limits {
  std::size_t depth_max = 64;
  std::size_t model_bytes_max = 256;
};

/// Reads a body. `ec::malformed_request` if it is no JSON object, is nested too deep, or has one of
/// these fields twice; `ec::invalid_argument` if one of them has the wrong type or `model` is
/// missing.
caf::error read_request(std::string_view body, request_facts& facts,
                        const request_limits& limits = {});

/// One change of the body: `length` bytes at `at` become `text`.
struct body_edit {
  std::size_t at = 0;
  std::size_t length = 0;
  std::string text;
};

/// The changes for an upstream that calls the model `upstream_model`: its name, and that a stream
/// must report its usage (`ask_usage`). In order of place; usually none or one.
std::vector<body_edit> edits_for(const request_facts& facts, std::string_view upstream_model,
                                 bool ask_usage);

std::string splice(std::string_view body, const std::vector<body_edit>& edits);

/// The texts that a request asks about, one a message, for counting.
std::vector<std::string> texts_of_request(std::string_view body);

} // namespace troupe::gateway::openai
