// Clients that talk to a node which dies and comes back: what they were promised, and what broke.
#pragma once

#include "tests/support/api_client.hpp"
#include "tests/support/process.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

/// Where a node is now. Clients wait here while it is away. Thread-safe.
class node_place {
public:
  struct place {
    std::string host;
    int port = 0;
    std::string token;
    std::uint64_t generation = 0; // another one: another process
  };

  void set(const troupe_node& node);
  void clear();
  std::optional<place> wait(std::chrono::milliseconds limit);

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<place> place_;
  std::uint64_t generation_ = 0;
};

/// A message that the node acknowledged.
struct acknowledged_message {
  std::string conversation_id;
  std::string key; // its Idempotency-Key
  std::string text;
  std::string turn_id;
  std::string message_id;
};

/// What the clients saw. Thread-safe.
class load_log {
public:
  void acknowledged(acknowledged_message message);
  /// A completion of /v1 whose line must be in the ledger. The line goes to the journal as the
  /// answer leaves: only one that was followed by others of the same process is sure.
  void completed(const std::string& request_id);
  void lost(const std::string& what);    // was acknowledged and is not there
  void doubled(const std::string& what); // is there, or came, more than once
  void odd(const std::string& what);     // anything else that should not be
  void failed_turn(const std::string& turn_id, const std::string& why);
  /// A request that was not answered, or told to come again.
  void retried(const std::string& what);

  std::vector<acknowledged_message> messages() const;
  std::vector<std::string> completions() const;
  std::vector<std::string> lost() const;
  std::vector<std::string> doubled() const;
  std::vector<std::string> odd() const;
  std::vector<std::string> retried() const;
  /// Turns that ended with an explicit failure.
  std::size_t failed_turns() const;

private:
  mutable std::mutex mutex_;
  std::vector<acknowledged_message> messages_;
  std::vector<std::string> completions_;
  std::set<std::string> lost_; // the same thing is found again after the next death
  std::set<std::string> doubled_;
  std::set<std::string> odd_;
  std::set<std::string> failed_;
  std::vector<std::string> retried_;
};

/// What a reader of one turn's events may expect, however often it has to come back: ids that
/// grow, text that is never given twice, one end.
class turn_reader {
public:
  turn_reader(std::string turn_id, load_log& log) : turn_id_(std::move(turn_id)), log_(log) {}

  void take(const api_event& event);
  bool ended() const { return ended_; }
  /// The id to come back with; empty: from the first.
  std::string last_id() const;
  const std::string& text() const { return text_; }

private:
  void take_message(const nlohmann::json& message);

  std::string turn_id_;
  load_log& log_;
  std::int64_t last_seq_ = 0;
  std::string text_;
  std::string whole_;
  bool has_whole_ = false;
  bool ended_ = false;
};

struct chat_load_options {
  unsigned seed = 1;
  int conversations = 6;
  int clients_each = 2;       // of a conversation
  int completion_clients = 2; // of /v1/chat/completions
  int completions_per_s = 0;  // of one such client at most; 0: as many as are answered
  std::string model;          // empty: the node's default
};

/// Clients on threads of their own. Each posts messages with an Idempotency-Key, streamed, whole or
/// with wait=false, until they are acknowledged, and reads their turns to the end.
class chat_load {
public:
  /// The node must be there: the conversations are made now. Throws if it does not make them.
  chat_load(node_place& node, load_log& log, chat_load_options options);
  ~chat_load();
  chat_load(const chat_load&) = delete;
  chat_load& operator=(const chat_load&) = delete;

  /// No new message; returns when all that were begun are read to their end, or the limit is over
  /// (which is odd).
  void finish();
  const std::vector<std::string>& conversations() const { return conversations_; }

private:
  node_place& node_;
  load_log& log_;
  chat_load_options options_;
  std::vector<std::string> conversations_;
  std::atomic<bool> finishing_{false};
  std::vector<std::thread> threads_;
};

} // namespace troupe::test
