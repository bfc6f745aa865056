// Where texts stand in JSON, so that they can be changed without rebuilding the rest.
#pragma once

#include "gateway/openai/chunk.hpp"
#include "gateway/openai/request_reader.hpp"

#include <caf/expected.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway::openai {

/// A text that a request gives to a model.
struct request_text {
  body_place place;      // of its JSON string, with the quotes
  std::string_view text; // holds until this thread reads the next JSON
  bool of_model = false; // a message of the role assistant: what a model said before
};

/// The texts of a request that `read_request` took: those of `messages`, whatever their role, or
/// `prompt`, `suffix` and `input`. Numbers (tokens), tools and tool calls are left out.
/// `malformed_request` for an escape that stands for no character.
caf::expected<std::vector<request_text>> texts_with_places(std::string_view body);

/// A text of a chunk, or the log probabilities of a choice, which tell its tokens.
struct chunk_place {
  std::int64_t choice = 0;
  said_as what = said_as::content;
  body_place place;
  bool logprobs = false;
};

/// The texts of a chunk that was read before.
std::vector<chunk_place> places_of_chunk(std::string_view json);

} // namespace troupe::gateway::openai
