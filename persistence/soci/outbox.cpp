#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

namespace {

#define COLUMNS                                                                                    \
  "id, turn_id, channel, account, part_index, status, attempts, next_attempt_us, created_us, "     \
  "error, body"
constexpr std::string_view kinds = "ttttiiiiitt";

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
        ":body, 0, '')")) {}

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
  std::vector<v1::OutboxRow> out;
  sql_.each(
      "SELECT " COLUMNS " FROM outbox WHERE channel = :channel AND account = :account "
      "AND status = 1 AND next_attempt_us <= :now1 AND NOT EXISTS ("
      "SELECT 1 FROM outbox e WHERE e.turn_id = outbox.turn_id "
      "AND e.part_index < outbox.part_index AND e.status = 1 AND e.next_attempt_us > :now2) "
      "ORDER BY created_us, turn_id, part_index LIMIT :count",
      kinds, [&](row_view row) { out.push_back(read(row)); }, channel, account, now_us, now_us,
      limit);
  for (auto& row : out) {
    row.set_attempts(row.attempts() + 1);
    row.set_next_attempt_us(until_us);
    sql_.run("UPDATE outbox SET attempts = :attempts, next_attempt_us = :until WHERE id = :id",
             row.attempts(), until_us, row.id());
  }
  return out;
}

bool sql_outbox::settle(const v1::OutboxRow& x, std::string_view platform_message_id,
                        std::int64_t now_us) {
  bool pending = x.status() == v1::OUTBOX_STATUS_PENDING;
  return sql_.run("UPDATE outbox SET status = :status, next_attempt_us = :next, error = :error, "
                  "platform_message_id = :platform, settled_us = :settled WHERE id = :id",
                  static_cast<int>(x.status()), x.next_attempt_us(), x.error(), platform_message_id,
                  pending ? 0 : now_us, x.id())
         != 0;
}

std::int64_t sql_outbox::purge(std::int64_t before_us, int limit) {
  return sql_.run("DELETE FROM outbox WHERE id IN (SELECT id FROM (SELECT id FROM outbox "
                  "WHERE status > 1 AND settled_us < :before LIMIT :count) old)",
                  before_us, limit);
}

#undef COLUMNS

} // namespace troupe::persistence
