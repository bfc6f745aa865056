// Models for tests: an upstream that says what it is told to, a tokenizer that counts words, and
// a reader that keeps what it reads.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

/// One completion that was asked for.
struct fake_call {
  v1::StartCompletion request;
  completion_sink_actor sink;
  bool cancelled = false;

  /// Sends one batch of events.
  void send(std::vector<v1::CompletionEvent> events) const;
};

struct fake_upstream_data {
  /// What becomes of a completion. Empty: nothing is sent, the test feeds it.
  std::function<void(fake_call&)> on_start;
  /// An error instead of Done.
  std::function<caf::error(const v1::StartCompletion&)> refuse;
  std::deque<fake_call> calls;
  bool keep_calls = true; // false for benches: calls are answered and forgotten
  std::mutex mutex;

  fake_call& last() { return calls.back(); }
};
using fake_upstream_ptr = std::shared_ptr<fake_upstream_data>;

struct fake_upstream_state {
  static inline const char* name = "upstream";
};
upstream_actor::behavior_type fake_upstream(self_pointer<upstream_actor, fake_upstream_state> self,
                                            fake_upstream_ptr data);

/// Events of a completion.
v1::CompletionEvent started(const std::string& model = "demo-1");
v1::CompletionEvent said(const std::string& text);
v1::CompletionEvent thought(const std::string& text);
v1::CompletionEvent called(std::int32_t index, const std::string& id, const std::string& name,
                           const std::string& arguments);
v1::CompletionEvent finished(const std::string& reason = "stop", std::int64_t prompt = 10,
                             std::int64_t completion = 5);
v1::CompletionEvent broke(ec code, const std::string& text);

/// An upstream that answers each question at once with "echo: " and its last message's text.
std::function<void(fake_call&)> echo();

struct fake_tokenizer_data {
  int calls = 0;
  std::int64_t texts = 0;
  std::string vocabulary; // of the last question
  caf::error fail;
};
struct fake_tokenizer_state {
  static inline const char* name = "tokenizer";
};
/// A token a word.
tokenizer_actor::behavior_type
fake_tokenizer(self_pointer<tokenizer_actor, fake_tokenizer_state> self,
               std::shared_ptr<fake_tokenizer_data> data);

/// What a reader read.
struct reading {
  std::vector<v1::TurnEvent> events;

  /// The text of the last run, as a reader shows it: deltas joined, dropped at a restart.
  std::string text() const;
  /// The last event ends the turn.
  bool ended() const;
  v1::TurnStatus status() const;
  /// The numbers rise; by one each, but where a replay joined deltas or the turn ran again.
  bool in_order() const;
  const v1::Message* message() const; // the last one added
};
using reading_ptr = std::shared_ptr<reading>;

struct reader_state {
  static inline const char* name = "reader";
};
turn_sink_actor::behavior_type reader(self_pointer<turn_sink_actor, reader_state> self,
                                      reading_ptr data);

} // namespace troupe::test
