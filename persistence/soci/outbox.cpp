#include "persistence/soci/sql_repositories.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace troupe::persistence {

namespace {

#define COLUMNS                                                                                    \
  "id, turn_id, channel, account, part_index, status, attempts, next_attempt_us, created_us, "     \
  "error, body"
constexpr std::string_view kinds = "ttttiiiiitb";

v1::OutboxRow read(row_view row) {
  v1::OutboxRow out;
  unpack(row.text(10), out);
  out.set_id(std::move(row.text(0)));
  out.set_turn_id(std::move(row.text(1)));
  out.mutable_to()->set_channel(std::move(row.text(2)));
  out.mutable_to()->set_account(std::move(row.text(3)));
  out.set_part_index(static_cast<std::int32_t>(row.number(4)));
  out.set_status(static_cast<v1::OutboxStatus>(row.number(5)));
  out.set_attempts(static_cast<std::int32_t>(row.number(6)));
  out.set_next_attempt_us(row.number(7));
  out.set_created_us(row.number(8));
  out.set_error(std::move(row.text(9)));
  return out;
}

std::string body_of(v1::OutboxRow rest) {
  rest.clear_id();
  rest.clear_turn_id();
  rest.mutable_to()->clear_channel();
  rest.mutable_to()->clear_account();
  rest.clear_part_index();
  rest.clear_status();
  rest.clear_attempts();
  rest.clear_next_attempt_us();
  rest.clear_created_us();
  rest.clear_error();
  return pack(rest);
}

} // namespace

sql_outbox::sql_outbox(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new(
        "outbox (" COLUMNS ", settled_us, platform_message_id) VALUES (:id, :turn, "
        ":channel, :account, :part, :status, :attempts, :next, :created, :error, "
        ":body, 0, '')")),
    due_("SELECT " COLUMNS " FROM outbox WHERE channel = :channel AND account = :account "
         "AND status = 1 AND next_attempt_us <= :now1 AND NOT EXISTS ("
         "SELECT 1 FROM outbox e WHERE e.turn_id = outbox.turn_id "
         "AND e.part_index < outbox.part_index AND e.status = 1 AND e.next_attempt_us > :now2) "
         "ORDER BY created_us, turn_id, part_index LIMIT :count"
         + std::string{sql.sql_dialect().hold_free_row()}),
    purge_(sql.sql_dialect().delete_first(
        {"outbox", "id", "status > 1 AND settled_us < :before", "settled_us"})) {}

bool sql_outbox::insert(const v1::OutboxRow& x) {
  auto body = body_of(x);
  return sql_.run(insert_, x.id(), x.turn_id(), x.to().channel(), x.to().account(), x.part_index(),
                  static_cast<int>(x.status()), x.attempts(), x.next_attempt_us(), x.created_us(),
                  x.error(), bytes_value{body})
         != 0;
}

std::optional<v1::OutboxRow> sql_outbox::find(std::string_view id) {
  std::optional<v1::OutboxRow> out;
  sql_.each(
      "SELECT " COLUMNS " FROM outbox WHERE id = :id", kinds,
      [&](row_view row) { out = read(row); }, id);
  return out;
}

std::vector<v1::OutboxRow> sql_outbox::claim(std::string_view channel, std::string_view account,
                                             int limit, std::int64_t now_us,
                                             std::int64_t until_us) {
  std::vector<v1::OutboxRow> found;
  sql_.each(
      due_, kinds, [&](row_view row) { found.push_back(read(row)); }, channel, account, now_us,
      now_us, limit);
  // These rows are ours now, but those before them may be another's: it claims them just now, or
  // has done so after our look began.
  std::vector<v1::OutboxRow> out;
  std::unordered_map<std::string, std::vector<std::int32_t>> claimed; // pieces of a turn
  for (auto& row : found) {
    auto& pieces = claimed[row.turn_id()];
    if (!comes_next(row, pieces))
      continue;
    pieces.push_back(row.part_index());
    row.set_attempts(row.attempts() + 1);
    row.set_next_attempt_us(until_us);
    sql_.run("UPDATE outbox SET attempts = :attempts, next_attempt_us = :until WHERE id = :id",
             row.attempts(), until_us, row.id());
    out.push_back(std::move(row));
  }
  return out;
}

/// Whether every pending piece before this one is among the `claimed` ones of its turn.
bool sql_outbox::comes_next(const v1::OutboxRow& row, const std::vector<std::int32_t>& claimed) {
  std::set<std::int32_t> before;
  std::int64_t rows = 0;
  for (auto piece : claimed)
    if (piece < row.part_index()) {
      before.insert(piece);
      ++rows;
    }
  if (before.size() == static_cast<std::size_t>(std::max(row.part_index(), 0)))
    return true; // from the first one on: nobody needs to be asked
  std::int64_t pending = 0;
  sql_.each(
      "SELECT COUNT(*) FROM outbox WHERE turn_id = :turn AND part_index < :part AND status = 1 "
      "AND channel = :channel AND account = :account",
      "i", [&](row_view found) { pending = found.number(0); }, row.turn_id(), row.part_index(),
      row.to().channel(), row.to().account());
  return pending == rows;
}

bool sql_outbox::settle(const v1::OutboxRow& x, std::string_view platform_message_id,
                        std::int64_t now_us) {
  bool pending = x.status() == v1::OUTBOX_STATUS_PENDING;
  return sql_.run("UPDATE outbox SET status = :status, next_attempt_us = :next, error = :error, "
                  "platform_message_id = :platform, settled_us = :settled WHERE id = :id "
                  "AND status <> 2 AND status <> 4", // neither sent nor dead
                  static_cast<int>(x.status()), x.next_attempt_us(), x.error(), platform_message_id,
                  pending ? 0 : now_us, x.id())
         != 0;
}

std::int64_t sql_outbox::purge(std::int64_t before_us, int limit) {
  return sql_.run(purge_, before_us, limit);
}

#undef COLUMNS

} // namespace troupe::persistence
