// Reading what upstreams of the OpenAI dialect send: chunks of a stream, whole answers, errors.
#pragma once

#include "messages/error.hpp"
#include "messages/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway::openai {

/// What a relay needs to know of a stream so far.
struct stream_facts {
  std::optional<v1::Usage> usage; // the last one seen
  std::string finish_reason;      // the first one seen
  std::string model;              // as the upstream names it
  std::string id;
  std::uint64_t choices_seen = 0; // a bit a choice
  std::uint64_t choices_finished = 0;

  /// Every choice that began has its finish reason.
  bool finished() const { return choices_finished != 0 && choices_finished == choices_seen; }
};

enum class chunk_kind {
  malformed, // no JSON object
  error,     // an error object instead of a chunk
  usage,     // no choices, only the usage
  content,
};

/// Reads one chunk; `text` takes what the model wrote in it (content, reasoning, refusal, tool
/// arguments), for counting.
chunk_kind read_chunk(std::string_view json, stream_facts& facts, std::string& text);

/// What a choice of an answer says, or does.
enum class said_as { content, refusal, reasoning_content, reasoning, text, tool_call, finish };

struct choice_part {
  std::int64_t choice = 0; // its index
  said_as what = said_as::content;
  std::string_view text; // of the first five; holds until this thread reads the next JSON
};

/// What a text is called in a chunk, a message or a choice. Of what is no text: `content`.
std::string_view field_of(said_as what);
/// The text that is called so, if any is.
std::optional<said_as> text_field(std::string_view name);

/// The same; `said` takes what its choices say, in the order of an answer.
chunk_kind read_chunk(std::string_view json, stream_facts& facts, std::string& text,
                      std::vector<choice_part>& said);

/// Reads one chunk as events, appended to `events`.
chunk_kind read_chunk(std::string_view json, stream_facts& facts, std::string& text,
                      google::protobuf::RepeatedPtrField<v1::CompletionEvent>& events);

enum class whole_kind {
  malformed,  // no JSON object
  unreadable, // one, but its texts cannot be known
  good,
};

/// Reads what a whole answer says it used. False if it is no JSON object; the values of its other
/// members are only stepped over: they are the client's to read.
bool read_whole(std::string_view json, std::optional<v1::Usage>& usage);
/// The same; `said` takes the texts of its choices, of each of which `choice` is its place among
/// them. They cannot be known (`unreadable`) if one is no text, or is there twice.
whole_kind read_whole(std::string_view json, std::optional<v1::Usage>& usage,
                      std::vector<choice_part>& said);
/// The texts of a whole answer's choices, for counting.
std::string texts_of_whole(std::string_view json);
/// The code and sentence of an error object, or of a status alone. `who` is the upstream's name.
caf::error read_error(int status, std::string_view json, std::string_view who);

/// True if the text is a JSON object with an `error` member.
bool is_error_object(std::string_view json);

} // namespace troupe::gateway::openai
