// Commands of a session, as tests send them.
#pragma once

#include "troupe/v1/store.pb.h"

#include <string>

namespace troupe::test {

/// A user's message after `parent` and its turn; ids are new unless given.
v1::AcceptTurn new_turn(const std::string& conversation_id, const std::string& text,
                        const std::string& dedupe_key = {}, const std::string& parent = {});

/// The end of `accepted` with one reply.
v1::AdvanceTurn finish_turn(const v1::AcceptTurn& accepted, const std::string& reply);

/// A row of the outbox for `turn_id`.
v1::OutboxRow outbox_row(const std::string& turn_id, const std::string& text, int part_index = 0);

v1::UsageRecord usage_record(const std::string& request_id, const std::string& principal_id,
                             std::int64_t started_us, std::int64_t tokens = 10);

} // namespace troupe::test
