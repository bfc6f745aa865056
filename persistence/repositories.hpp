// What is stored, by kind: one repository each. Abstract: no backend and no actor is named here.
//
// All of them take and give the protobuf structs of troupe.v1, work inside the transaction of the
// `database` they belong to, and throw `failure`. Fields of a newer version survive: a struct is
// stored as its searchable columns plus the serialised rest.
#pragma once

#include "troupe/v1/account.pb.h"
#include "troupe/v1/channel.pb.h"
#include "troupe/v1/conversation.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::persistence {

/// A place in a list ordered by (time, id); the first page has none.
struct page_position {
  std::int64_t time_us = 0;
  std::string id;
};

class conversation_repository {
public:
  virtual ~conversation_repository() = default;
  /// False if its id or its session key is taken.
  virtual bool insert(const v1::Conversation& conversation) = 0;
  virtual std::optional<v1::Conversation> find(std::string_view id) = 0;
  /// The same, and no other transaction holds or changes it until this one ends. Who writes
  /// anything of a conversation (messages, turns) holds it first.
  virtual std::optional<v1::Conversation> hold(std::string_view id) = 0;
  virtual std::optional<v1::Conversation> find_by_session_key(std::string_view key) = 0;
  /// Writes everything but the id, the owner, the session key, the time of creation and the count.
  virtual bool update(const v1::Conversation& conversation) = 0;
  /// Adds to the count of messages; an empty leaf or title is kept as it was.
  virtual bool advance(std::string_view id, std::string_view leaf_id, std::int64_t messages_added,
                       std::string_view title, std::int64_t updated_us) = 0;
  /// With its messages, turns and outbox rows; the ledger stays.
  virtual bool erase(std::string_view id) = 0;
  /// The owner's, last changed first, after `after`; with `title_part`: those whose title has it.
  virtual std::vector<v1::Conversation> list(std::string_view owner_id, std::string_view title_part,
                                             const std::optional<page_position>& after,
                                             int limit) = 0;
};

/// Messages, newest first, and whether the bounds left older ones out.
struct message_run {
  std::vector<v1::Message> messages;
  bool more = false;
};

class message_repository {
public:
  virtual ~message_repository() = default;
  /// `seq` counts from 0 within a conversation, in order of creation. False if the id is taken.
  virtual bool insert(const v1::Message& message, std::int64_t seq) = 0;
  virtual std::optional<v1::Message> find(std::string_view id) = 0;
  virtual bool exists(std::string_view conversation_id, std::string_view id) = 0;
  /// From `leaf_id` towards the root: at most `limit` messages of at most `bytes_max` bytes
  /// together, but always the leaf.
  virtual message_run branch(std::string_view conversation_id, std::string_view leaf_id, int limit,
                             std::int64_t bytes_max) = 0;
  /// Of all branches, in reverse order of creation, from before `before_id` (empty: the newest).
  virtual message_run all(std::string_view conversation_id, std::string_view before_id, int limit,
                          std::int64_t bytes_max) = 0;
};

class turn_repository {
public:
  virtual ~turn_repository() = default;
  /// False if the id is taken.
  virtual bool insert(const v1::Turn& turn) = 0;
  virtual bool update(const v1::Turn& turn) = 0;
  virtual std::optional<v1::Turn> find(std::string_view id) = 0;
  /// Running or awaiting tools, in order of their ids, after `after_id`.
  virtual std::vector<v1::Turn> unfinished(std::string_view after_id, int limit) = 0;
  /// The same of one shard's conversations (messages/shard.hpp).
  virtual std::vector<v1::Turn> unfinished_in(int shard, std::string_view after_id, int limit) = 0;
  virtual std::vector<v1::Turn> unfinished_of(std::string_view conversation_id) = 0;
};

class outbox_repository {
public:
  virtual ~outbox_repository() = default;
  /// False if the id is taken.
  virtual bool insert(const v1::OutboxRow& row) = 0;
  virtual std::optional<v1::OutboxRow> find(std::string_view id) = 0;
  /// Pending rows due at `now_us`, oldest first, none before an earlier piece of its turn that is
  /// not due itself or is being claimed by another transaction. Each is claimed: its next attempt
  /// is `until_us` and its attempts grow by one. Does not wait for other claims.
  virtual std::vector<v1::OutboxRow> claim(std::string_view channel, std::string_view account,
                                           int limit, std::int64_t now_us,
                                           std::int64_t until_us) = 0;
  /// False if there is none, or it was sent or given up: a row that reached its end stays there.
  virtual bool settle(const v1::OutboxRow& row, std::string_view platform_message_id,
                      std::int64_t now_us) = 0;
  /// Erases rows settled before `before_us`; returns how many.
  virtual std::int64_t purge(std::int64_t before_us, int limit) = 0;
};

class api_key_repository {
public:
  virtual ~api_key_repository() = default;
  /// False if the id or the hash is taken.
  virtual bool insert(const v1::ApiKey& key) = 0;
  virtual std::optional<v1::ApiKey> find(std::string_view id) = 0;
  /// By the SHA-256 of the secret. A look-up by index tells nothing by its timing: whoever can
  /// choose the hash does not know a secret that has it.
  virtual std::optional<v1::ApiKey> find_by_hash(std::string_view hash) = 0;
  virtual bool revoke(std::string_view id, std::int64_t now_us) = 0;
  virtual void touch(std::string_view id, std::int64_t used_us) = 0;
  /// In order of creation, newest first.
  virtual std::vector<v1::ApiKey> list(const std::optional<page_position>& after, int limit) = 0;
};

/// Which ledger lines: of one principal (empty: all), started in [from_us, to_us) (0: no limit).
struct ledger_filter {
  std::string principal_id;
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
};

struct ledger_sum {
  v1::Usage usage;
  std::int64_t count = 0;
};

class ledger_repository {
public:
  virtual ~ledger_repository() = default;
  /// False if its request id is there already: the first line stays as it is.
  virtual bool insert(const v1::UsageRecord& record) = 0;
  /// The same for many at once, which costs less.
  virtual void insert_all(const google::protobuf::RepeatedPtrField<v1::UsageRecord>& records) = 0;
  /// Newest first.
  virtual std::vector<v1::UsageRecord>
  list(const ledger_filter& filter, const std::optional<page_position>& after, int limit) = 0;
  virtual ledger_sum sum(const ledger_filter& filter) = 0;
};

struct dedupe_entry {
  std::string scope; // whose key it is; keys of different scopes are different
  std::string key;
  std::string conversation_id;
  std::string turn_id;
  std::string message_id;
  std::int64_t created_us = 0;
};

class dedupe_repository {
public:
  virtual ~dedupe_repository() = default;
  virtual std::optional<dedupe_entry> find(std::string_view scope, std::string_view key) = 0;
  /// Adds the entry, or replaces one of the same key that was made until `old_us`. False: there is
  /// a newer one. Waits for another transaction that claims the same key.
  virtual bool claim(const dedupe_entry& entry, std::int64_t old_us) = 0;
  /// Erases entries made before `before_us`; returns how many.
  virtual std::int64_t purge(std::int64_t before_us, int limit) = 0;
};

} // namespace troupe::persistence
