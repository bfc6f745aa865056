// What clients were promised against what the database holds, for tests that kill nodes.
#pragma once

#include "tests/support/chat_load.hpp"
#include "tests/support/process.hpp"

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

/// Every message acknowledged by now against the database in `folder`: what is missing or doubled
/// goes to the log. `at_the_end`: every turn must have ended.
void check_messages(const std::string& folder, const std::vector<std::string>& conversations,
                    const std::vector<acknowledged_message>& acknowledged, bool at_the_end,
                    load_log& log);
/// Every completion that the clients are sure of has its line in the ledger.
void check_completions(const std::string& folder, load_log& log);

/// Shows the first of them in the test's output.
void tell(const std::vector<std::string>& lines);

} // namespace troupe::test
