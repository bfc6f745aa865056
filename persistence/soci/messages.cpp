#include "persistence/soci/sql_repositories.hpp"

#include <limits>

namespace troupe::persistence {

namespace {

#define COLUMNS                                                                                    \
  "id, conversation_id, seq, parent_id, turn_id, role, status, model, created_us, size, body"
#define M_COLUMNS                                                                                  \
  "m.id, m.conversation_id, m.seq, m.parent_id, m.turn_id, m.role, m.status, m.model, "            \
  "m.created_us, m.size, m.body"
constexpr std::string_view kinds = "ttittiitiib";

v1::Message read(row_view row) {
  v1::Message out;
  unpack(row.text(10), out);
  out.set_id(std::move(row.text(0)));
  out.set_conversation_id(std::move(row.text(1)));
  out.set_parent_id(std::move(row.text(3)));
  out.set_turn_id(std::move(row.text(4)));
  out.set_role(static_cast<v1::Role>(row.number(5)));
  out.set_status(static_cast<v1::MessageStatus>(row.number(6)));
  out.set_model(std::move(row.text(7)));
  out.set_created_us(row.number(8));
  return out;
}

std::string body_of(v1::Message rest) {
  rest.clear_id();
  rest.clear_conversation_id();
  rest.clear_parent_id();
  rest.clear_turn_id();
  rest.clear_role();
  rest.clear_status();
  rest.clear_model();
  rest.clear_created_us();
  return pack(rest);
}

} // namespace

sql_messages::sql_messages(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new("messages (" COLUMNS
                                         ") VALUES (:id, :conversation, :seq, :parent, :turn, "
                                         ":role, :status, :model, :created, :size, :body)")) {}

bool sql_messages::insert(const v1::Message& x, std::int64_t seq) {
  auto body = body_of(x);
  return sql_.run(insert_, x.id(), x.conversation_id(), seq, x.parent_id(), x.turn_id(),
                  static_cast<int>(x.role()), static_cast<int>(x.status()), x.model(),
                  x.created_us(), body.size(), bytes_value{body})
         != 0;
}

std::optional<v1::Message> sql_messages::find(std::string_view id) {
  std::optional<v1::Message> out;
  sql_.each(
      "SELECT " COLUMNS " FROM messages WHERE id = :id", kinds,
      [&](row_view row) { out = read(row); }, id);
  return out;
}

bool sql_messages::exists(std::string_view conversation_id, std::string_view id) {
  bool found = false;
  sql_.each(
      "SELECT 1 FROM messages WHERE id = :id AND conversation_id = :conversation", "i",
      [&](row_view) { found = true; }, id, conversation_id);
  return found;
}

message_run sql_messages::branch(std::string_view conversation_id, std::string_view leaf_id,
                                 int limit, std::int64_t bytes_max) {
  message_run out;
  // One round trip: the walk goes up by parent_id and carries how many and how large they are.
  sql_.each(
      "WITH RECURSIVE walk (id, parent_id, depth, total) AS ("
      "SELECT id, parent_id, 1, size FROM messages "
      "WHERE id = :leaf AND conversation_id = :conversation "
      "UNION ALL SELECT p.id, p.parent_id, walk.depth + 1, walk.total + p.size "
      "FROM walk JOIN messages p ON p.id = walk.parent_id "
      "WHERE walk.depth < :count AND walk.total + p.size <= :bytes) "
      "SELECT " M_COLUMNS " FROM walk JOIN messages m ON m.id = walk.id "
      "ORDER BY walk.depth",
      kinds, [&](row_view row) { out.messages.push_back(read(row)); }, leaf_id, conversation_id,
      limit, bytes_max);
  // A parent that is not there yet is no older message.
  out.more = !out.messages.empty() && !out.messages.back().parent_id().empty()
             && exists(conversation_id, out.messages.back().parent_id());
  return out;
}

message_run sql_messages::all(std::string_view conversation_id, std::string_view before_id,
                              int limit, std::int64_t bytes_max) {
  auto before = std::numeric_limits<std::int64_t>::max();
  if (!before_id.empty()) {
    before = 0;
    sql_.each(
        "SELECT seq FROM messages WHERE id = :id AND conversation_id = :conversation", "i",
        [&](row_view row) { before = row.number(0); }, before_id, conversation_id);
  }
  message_run out;
  std::int64_t total = 0;
  // One more than asked for tells whether there are more; sizes are known before bodies are kept.
  sql_.each(
      "SELECT " COLUMNS " FROM messages WHERE conversation_id = :conversation "
      "AND seq < :before ORDER BY seq DESC LIMIT :count",
      kinds,
      [&](row_view row) {
        total += row.number(9);
        bool first = out.messages.empty();
        if (out.more || (!first && total > bytes_max)
            || out.messages.size() == static_cast<std::size_t>(limit))
          out.more = true;
        else
          out.messages.push_back(read(row));
      },
      conversation_id, before, static_cast<std::int64_t>(limit) + 1);
  return out;
}

#undef COLUMNS
#undef M_COLUMNS

} // namespace troupe::persistence
