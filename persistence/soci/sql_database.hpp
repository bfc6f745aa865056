// The repositories in portable SQL, on one SOCI connection.
#pragma once

#include "persistence/soci/sql_repositories.hpp"
#include "persistence/soci/sql_rulesets.hpp"

namespace troupe::persistence {

/// One connection whatever the backend; what differs is in its `dialect`.
class sql_database : public database {
public:
  sql_database(std::unique_ptr<soci::session> session, const dialect& dialect) :
      sql_(std::move(session), dialect) {}

  conversation_repository& conversations() override { return conversations_; }
  message_repository& messages() override { return messages_; }
  turn_repository& turns() override { return turns_; }
  outbox_repository& outbox() override { return outbox_; }
  api_key_repository& api_keys() override { return api_keys_; }
  ledger_repository& ledger() override { return ledger_; }
  dedupe_repository& dedupe() override { return dedupe_; }
  cluster_repository& cluster() override { return cluster_; }
  ruleset_repository& rulesets() override { return rulesets_; }
  moderation_hit_repository& moderation_hits() override { return moderation_hits_; }
  keyword_count_repository& keyword_counts() override { return keyword_counts_; }
  schema_repository& schema() override { return schema_; }

  void begin(access mode) override;
  void commit() override;
  void rollback() noexcept override;
  void set_savepoint() override { sql_.run("SAVEPOINT command"); }
  void release_savepoint() override { sql_.run("RELEASE SAVEPOINT command"); }
  void rollback_savepoint() override;
  void probe_write(std::int64_t now_us) override;
  std::vector<finding> verify() override;

protected:
  /// Findings of the backend's own check of its files.
  virtual std::vector<finding> verify_storage() = 0;

  sql_session sql_;

private:
  sql_conversations conversations_{sql_};
  sql_messages messages_{sql_};
  sql_turns turns_{sql_};
  sql_outbox outbox_{sql_};
  sql_api_keys api_keys_{sql_};
  sql_ledger ledger_{sql_};
  sql_dedupe dedupe_{sql_};
  sql_cluster cluster_{sql_};
  sql_rulesets rulesets_{sql_};
  sql_moderation_hits moderation_hits_{sql_};
  sql_keyword_counts keyword_counts_{sql_};
  sql_schema schema_{sql_};
};

} // namespace troupe::persistence
