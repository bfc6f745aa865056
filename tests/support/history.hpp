// What clients did, against what the database holds in the end: whether the messages of each
// conversation are an append-only list that one node at a time wrote. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::test {

/// How an append ended for its client.
enum class append_outcome {
  acknowledged, // it is durable
  refused,      // it was not done and never will be
  unknown,      // no answer, or one that leaves it open: done now, later or never
};

/// One message that a client wrote once, without trying again. No two have the same text.
struct append_op {
  using time_point = std::chrono::steady_clock::time_point;

  std::string conversation;
  std::string text;
  std::string node; // it was asked of
  time_point invoked;
  time_point completed; // of an unknown one: when the client gave up
  append_outcome outcome = append_outcome::unknown;
};

/// A message as the database has it; those of a conversation are in the order it gives them.
struct stored_append {
  std::string conversation;
  std::string text;
};

/// A write to a turn, in the order in which they came to the database.
struct shard_write {
  int shard = 0;
  std::int64_t epoch = 0; // of the shard, when it was written
  std::string owner;      // by the shard's row, then
  std::string writer;     // the node whose connection it was
  std::string what;
};

/// What contradicts this: each conversation is a list to which every acknowledged message was
/// appended once at some moment between its request and its answer, an unknown one at most once
/// after its request, and a refused one never. A sentence each, at most `history_findings_max`.
std::vector<std::string> check_history(const std::vector<append_op>& ops,
                                       const std::vector<stored_append>& stored);

/// What contradicts this: a shard's epochs never go back, each belongs to one owner, and nobody
/// writes but the owner.
std::vector<std::string> check_owners(const std::vector<shard_write>& writes);

inline constexpr std::size_t history_findings_max = 100;

} // namespace troupe::test
