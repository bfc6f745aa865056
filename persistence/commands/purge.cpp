#include "persistence/commands.hpp"

namespace troupe::persistence {

namespace {

constexpr int rows_max = 1'000; // of each kind, a call

/// Of one ruleset a call: who else changes it waits meanwhile.
std::int64_t forget_versions(database& db) {
  for (auto kind : {v1::RULESET_KIND_LEXICON, v1::RULESET_KIND_KEYWORDS})
    for (const auto& set : db.rulesets().list(kind)) {
      auto first = set.version() - ruleset_versions_kept + 1;
      if (first <= 1)
        continue;
      v1::RulesetName name;
      name.set_id(set.id());
      if (!db.rulesets().hold(name))
        continue;
      if (auto rows = db.rulesets().forget_before(set.id(), first, rows_max); rows > 0)
        return rows;
    }
  return 0;
}

} // namespace

std::int64_t purge_expired(database& db, const command_env& env) {
  return db.dedupe().purge(env.now_us - dedupe_window_us, rows_max)
         + db.outbox().purge(env.now_us - outbox_kept_us, rows_max)
         + db.moderation_hits().purge(env.now_us - moderation_hits_kept_us, rows_max)
         + db.keyword_counts().purge(env.now_us - keyword_counts_kept_us, rows_max)
         + forget_versions(db);
}

} // namespace troupe::persistence
