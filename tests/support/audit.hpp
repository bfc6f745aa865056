// What clients were promised against what the database holds, for tests that kill nodes.
#pragma once

#include "persistence/database.hpp"
#include "tests/support/chat_load.hpp"
#include "tests/support/process.hpp"

#include <span>
#include <string>
#include <vector>

namespace troupe::test {

/// How often a campaign does its thing: $TROUPE_CAMPAIGN_RUNS, or what a sample of it does.
int runs_wanted(int sample);
/// $TROUPE_SEED, or a random one.
unsigned seed_wanted();

/// `troupe db check` of the database in `folder`, with the configuration in `dir`; what it said, if
/// it found something.
std::string db_check(const temp_dir& dir, const std::string& folder);

/// Every message acknowledged by now against the database: what is missing or doubled goes to the
/// log. `at_the_end`: every turn must have ended.
void check_messages(persistence::database_factory& database,
                    const std::vector<std::string>& conversations,
                    const std::vector<acknowledged_message>& acknowledged, bool at_the_end,
                    load_log& log);
/// These messages are in the database; cheaper than `check_messages`, for those of a moment ago.
void check_kept(persistence::database_factory& database,
                std::span<const acknowledged_message> acknowledged, load_log& log);
/// Every completion that the clients are sure of has its line in the ledger.
void check_completions(persistence::database_factory& database, load_log& log);

/// Shows the first of them in the test's output.
void tell(const std::vector<std::string>& lines);

} // namespace troupe::test
