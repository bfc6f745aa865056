// One class a repository; each in its own .cpp.
#pragma once

#include "persistence/database.hpp"
#include "persistence/soci/statement.hpp"

#include <google/protobuf/message_lite.h>

namespace troupe::persistence {

/// The bytes of `rest`: a struct of which the columns' fields were cleared.
std::string pack(const google::protobuf::MessageLite& rest);
/// Reads them back; throws `store_unavailable` when they are damaged.
void unpack(std::string_view body, google::protobuf::MessageLite& out);
/// A LIKE pattern for "has `part` in it", for texts in lower case; `!` escapes.
std::string like_pattern(std::string_view part);

class sql_conversations final : public conversation_repository {
public:
  explicit sql_conversations(sql_session& sql);
  bool insert(const v1::Conversation& conversation) override;
  std::optional<v1::Conversation> find(std::string_view id) override;
  std::optional<v1::Conversation> hold(std::string_view id) override;
  std::optional<v1::Conversation> find_by_session_key(std::string_view key) override;
  bool update(const v1::Conversation& conversation) override;
  bool advance(std::string_view id, std::string_view leaf_id, std::int64_t messages_added,
               std::string_view title, std::int64_t updated_us) override;
  bool erase(std::string_view id) override;
  std::vector<v1::Conversation> list(std::string_view owner_id, std::string_view title_part,
                                     const std::optional<page_position>& after, int limit) override;

private:
  sql_session& sql_;
  std::string insert_;
  std::string hold_;
  std::string list_by_title_;
};

class sql_messages final : public message_repository {
public:
  explicit sql_messages(sql_session& sql);
  bool insert(const v1::Message& message, std::int64_t seq) override;
  std::optional<v1::Message> find(std::string_view id) override;
  bool exists(std::string_view conversation_id, std::string_view id) override;
  message_run branch(std::string_view conversation_id, std::string_view leaf_id, int limit,
                     std::int64_t bytes_max) override;
  message_run all(std::string_view conversation_id, std::string_view before_id, int limit,
                  std::int64_t bytes_max) override;

private:
  sql_session& sql_;
  std::string insert_;
};

class sql_turns final : public turn_repository {
public:
  explicit sql_turns(sql_session& sql);
  bool insert(const v1::Turn& turn) override;
  bool update(const v1::Turn& turn) override;
  std::optional<v1::Turn> find(std::string_view id) override;
  std::vector<v1::Turn> unfinished(std::string_view after_id, int limit) override;
  std::vector<v1::Turn> unfinished_in(int shard, std::string_view after_id, int limit) override;
  std::vector<v1::Turn> unfinished_of(std::string_view conversation_id) override;

private:
  sql_session& sql_;
  std::string insert_;
};

class sql_outbox final : public outbox_repository {
public:
  explicit sql_outbox(sql_session& sql);
  bool insert(const v1::OutboxRow& row) override;
  std::optional<v1::OutboxRow> find(std::string_view id) override;
  std::vector<v1::OutboxRow> claim(std::string_view channel, std::string_view account, int limit,
                                   std::int64_t now_us, std::int64_t until_us) override;
  bool settle(const v1::OutboxRow& row, std::string_view platform_message_id,
              std::int64_t now_us) override;
  std::int64_t purge(std::int64_t before_us, int limit) override;

private:
  bool comes_next(const v1::OutboxRow& row, const std::vector<std::int32_t>& claimed);

  sql_session& sql_;
  std::string insert_;
  std::string due_;
  std::string purge_;
};

class sql_api_keys final : public api_key_repository {
public:
  explicit sql_api_keys(sql_session& sql);
  bool insert(const v1::ApiKey& key) override;
  std::optional<v1::ApiKey> find(std::string_view id) override;
  std::optional<v1::ApiKey> find_by_hash(std::string_view hash) override;
  bool revoke(std::string_view id, std::int64_t now_us) override;
  void touch(std::string_view id, std::int64_t used_us) override;
  std::vector<v1::ApiKey> list(const std::optional<page_position>& after, int limit) override;

private:
  sql_session& sql_;
  std::string insert_;
};

class sql_ledger final : public ledger_repository {
public:
  explicit sql_ledger(sql_session& sql);
  bool insert(const v1::UsageRecord& record) override;
  void insert_all(const google::protobuf::RepeatedPtrField<v1::UsageRecord>& records) override;
  std::vector<v1::UsageRecord> list(const ledger_filter& filter,
                                    const std::optional<page_position>& after, int limit) override;
  ledger_sum sum(const ledger_filter& filter) override;

private:
  sql_session& sql_;
  std::string insert_;
  std::string insert_rows_;
};

class sql_dedupe final : public dedupe_repository {
public:
  explicit sql_dedupe(sql_session& sql);
  std::optional<dedupe_entry> find(std::string_view scope, std::string_view key) override;
  bool claim(const dedupe_entry& entry, std::int64_t old_us) override;
  std::int64_t purge(std::int64_t before_us, int limit) override;

private:
  sql_session& sql_;
  std::string insert_;
  std::string purge_;
};

class sql_cluster final : public cluster_repository {
public:
  explicit sql_cluster(sql_session& sql);
  std::int64_t now_us() override;
  cluster_state state(bool lock) override;
  void put_state(const cluster_state& state) override;
  std::vector<v1::Node> nodes() override;
  std::optional<v1::Node> find_node(std::string_view name) override;
  void put_node(const v1::Node& node) override;
  bool renew(std::string_view name, std::int64_t incarnation, std::int64_t lease_until_us) override;
  bool mark_dead(std::string_view name, std::int64_t incarnation, std::int64_t now_us) override;
  std::vector<v1::Suspicion> suspicions() override;
  void add_suspicion(const v1::Suspicion& suspicion) override;
  void erase_suspicions_by(std::string_view by) override;
  void erase_suspicions_of(std::string_view node) override;
  std::vector<v1::Shard> shards() override;
  void make_shards(int count) override;
  bool assign(int shard, std::int64_t epoch, std::string_view owner,
              std::int64_t incarnation) override;
  std::int64_t take_over(std::string_view owner, std::int64_t incarnation) override;
  bool set_target(int shard, std::int64_t epoch, std::string_view target) override;
  std::int64_t hold_epoch(int shard) override;

private:
  sql_session& sql_;
  std::string state_;
  std::string state_locked_;
  std::string first_state_;
  std::string hold_epoch_;
  std::string hold_shards_;
};

class sql_schema : public schema_repository {
public:
  explicit sql_schema(sql_session& sql) : sql_(sql) {}
  std::string_view dialect() const override { return sql_.sql_dialect().name(); }
  bool transactional_ddl() const override { return sql_.sql_dialect().transactional_ddl(); }
  void lock() override;
  void unlock() noexcept override {}
  void prepare() override;
  std::vector<applied_migration> applied() override;
  void execute(std::string_view statement) override;
  void execute_again(std::string_view statement) override { execute(statement); }
  void record(const applied_migration& row) override;

protected:
  sql_session& sql_;
};

} // namespace troupe::persistence
