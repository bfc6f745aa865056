#include "messages/shard.hpp"
#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

namespace {

#define COLUMNS                                                                                    \
  "id, conversation_id, message_id, reply_id, status, step, attempts, created_us, finished_us, "   \
  "body"
constexpr std::string_view kinds = "ttttiiiiib";

v1::Turn read(row_view row) {
  v1::Turn out;
  unpack(row.text(9), out);
  out.set_id(std::move(row.text(0)));
  out.set_conversation_id(std::move(row.text(1)));
  out.set_message_id(std::move(row.text(2)));
  out.set_reply_id(std::move(row.text(3)));
  out.set_status(static_cast<v1::TurnStatus>(row.number(4)));
  out.set_step(static_cast<std::int32_t>(row.number(5)));
  out.set_attempts(static_cast<std::int32_t>(row.number(6)));
  out.set_created_us(row.number(7));
  out.set_finished_us(row.number(8));
  return out;
}

std::string body_of(v1::Turn rest) {
  rest.clear_id();
  rest.clear_conversation_id();
  rest.clear_message_id();
  rest.clear_reply_id();
  rest.clear_status();
  rest.clear_step();
  rest.clear_attempts();
  rest.clear_created_us();
  rest.clear_finished_us();
  return pack(rest);
}

} // namespace

sql_turns::sql_turns(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new("turns (" COLUMNS
                                         ", shard) VALUES (:id, :conversation, :message, :reply, "
                                         ":status, :step, :attempts, :created, :finished, :body, "
                                         ":shard)")) {}

bool sql_turns::insert(const v1::Turn& x) {
  auto body = body_of(x);
  return sql_.run(insert_, x.id(), x.conversation_id(), x.message_id(), x.reply_id(),
                  static_cast<int>(x.status()), x.step(), x.attempts(), x.created_us(),
                  x.finished_us(), bytes_value{body}, shard_of(x.conversation_id()))
         != 0;
}

bool sql_turns::update(const v1::Turn& x) {
  auto body = body_of(x);
  return sql_.run("UPDATE turns SET message_id = :message, reply_id = :reply, status = :status, "
                  "step = :step, attempts = :attempts, finished_us = :finished, body = :body "
                  "WHERE id = :id",
                  x.message_id(), x.reply_id(), static_cast<int>(x.status()), x.step(),
                  x.attempts(), x.finished_us(), bytes_value{body}, x.id())
         != 0;
}

std::optional<v1::Turn> sql_turns::find(std::string_view id) {
  std::optional<v1::Turn> out;
  sql_.each(
      "SELECT " COLUMNS " FROM turns WHERE id = :id", kinds, [&](row_view row) { out = read(row); },
      id);
  return out;
}

// `status < 3` as it stands in the index: running or awaiting tools.
std::vector<v1::Turn> sql_turns::unfinished(std::string_view after_id, int limit) {
  std::vector<v1::Turn> out;
  sql_.each(
      "SELECT " COLUMNS " FROM turns WHERE status < 3 AND id > :after ORDER BY id "
      "LIMIT :count",
      kinds, [&](row_view row) { out.push_back(read(row)); }, after_id, limit);
  return out;
}

std::vector<v1::Turn> sql_turns::unfinished_in(int shard, std::string_view after_id, int limit) {
  std::vector<v1::Turn> out;
  sql_.each(
      "SELECT " COLUMNS " FROM turns WHERE shard = :shard AND status < 3 AND id > :after "
      "ORDER BY id LIMIT :count",
      kinds, [&](row_view row) { out.push_back(read(row)); }, shard, after_id, limit);
  return out;
}

std::vector<v1::Turn> sql_turns::unfinished_of(std::string_view conversation_id) {
  std::vector<v1::Turn> out;
  sql_.each(
      "SELECT " COLUMNS " FROM turns WHERE conversation_id = :conversation AND status < 3 "
      "ORDER BY created_us, id",
      kinds, [&](row_view row) { out.push_back(read(row)); }, conversation_id);
  return out;
}

#undef COLUMNS

} // namespace troupe::persistence
