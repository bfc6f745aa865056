#include "persistence/commands/check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::persistence {

v1::OutboxRows claim_outbox(database& db, const v1::ClaimOutbox& command, const command_env& env) {
  auto limit = page_limit(command.limit(), 64, 1'000);
  need_text(command.channel(), key_length_max, "channel");
  need_text(command.account(), key_length_max, "account");
  auto now = command.now_us() != 0 ? command.now_us() : env.now_us;
  if (command.claim_until_us() <= now)
    throw failure(ec::invalid_argument, "claim_until_us must be later than now");
  v1::OutboxRows out;
  for (auto& row : db.outbox().claim(command.channel(), command.account(), limit, now,
                                     command.claim_until_us()))
    *out.add_rows() = std::move(row);
  return out;
}

v1::Done settle_outbox(database& db, const v1::SettleOutbox& command, const command_env& env) {
  need_id(command.id(), "id");
  if (!v1::OutboxStatus_IsValid(command.status())
      || command.status() == v1::OUTBOX_STATUS_UNSPECIFIED)
    throw failure(ec::invalid_argument, "status is missing");
  v1::OutboxRow row;
  row.set_id(command.id());
  row.set_status(command.status());
  row.set_next_attempt_us(command.next_attempt_us());
  row.set_error(storable(command.error()));
  if (!db.outbox().settle(row, storable(command.platform_message_id()), env.now_us)
      && !db.outbox().find(command.id()))
    throw failure(ec::not_found, fmt::format("there is no outbox row {}", command.id()));
  return {}; // one that was sent or given up stays so: the answer came late
}

} // namespace troupe::persistence
