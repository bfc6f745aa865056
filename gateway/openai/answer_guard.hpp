// Leads a streamed answer through the guard: each text of each choice is one of its own.
#pragma once

#include "gateway/openai/chunk.hpp"
#include "messages/text_guard.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway::openai {

/// For one stream; one thread at a time. Tool calls pass as they are.
class answer_guard {
public:
  answer_guard(text_guard_ptr guard, text_origin origin) :
      guard_(std::move(guard)), origin_(std::move(origin)) {}

  enum class verdict {
    same,    // the chunk goes on as it came
    changed, // the chunks in `out` go on instead of it
    blocked, // the same, and they end the answer: nothing follows
  };

  /// Takes a chunk and what its choices say (of this chunk).
  verdict take(std::string_view json, const std::vector<choice_part>& said,
               std::vector<std::string>& out);

  /// The stream ended, though perhaps no choice said so.
  verdict finish(std::vector<std::string>& out);

private:
  struct text {
    std::unique_ptr<guarded_text> guarded;
    std::string out;      // what goes on with the chunk at hand
    bool here = false;    // the chunk at hand has some of it
    bool touched = false; // and it is not what came
  };
  struct choice {
    std::map<said_as, text> texts;
    text* last = nullptr; // that it spoke in
    said_as last_as = said_as::content;
    bool finished = false;
  };

  bool push(choice& to, const choice_part& part);
  bool settle(std::int64_t index, choice& of, std::string_view json, std::vector<std::string>& out);
  std::string rewritten(std::string_view json) const;
  std::string made_anew(std::string_view json) const;
  std::string ending(std::string_view json) const;

  text_guard_ptr guard_;
  text_origin origin_;
  std::map<std::int64_t, choice> choices_;
  std::string head_; // a chunk of this stream, as a pattern for others
};

/// A chunk like `json`, with this text alone in it.
std::string chunk_with(std::string_view json, std::int64_t choice, said_as what,
                       std::string_view text);

} // namespace troupe::gateway::openai
