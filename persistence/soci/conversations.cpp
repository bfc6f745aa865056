#include "persistence/soci/sql_repositories.hpp"

#include <limits>

namespace troupe::persistence {

namespace {

#define COLUMNS                                                                                    \
  "id, owner_id, session_key, title, model, leaf_id, created_us, updated_us, message_count, body"
constexpr std::string_view kinds = "ttttttiiib";

// A page of a list. The first condition is what the index can use; the second decides among equal
// times.
#define OF_OWNER                                                                                   \
  "SELECT " COLUMNS " FROM conversations WHERE owner_id = :owner AND updated_us <= :t0 AND "       \
  "(updated_us < :t1 OR (updated_us = :t2 AND id < :last)) "
#define ORDER "ORDER BY updated_us DESC, id DESC LIMIT :count"

v1::Conversation read(row_view row) {
  v1::Conversation out;
  unpack(row.text(9), out);
  out.set_id(std::move(row.text(0)));
  out.set_owner_id(std::move(row.text(1)));
  out.set_session_key(std::move(row.text(2)));
  out.set_title(std::move(row.text(3)));
  out.set_model(std::move(row.text(4)));
  out.set_leaf_id(std::move(row.text(5)));
  out.set_created_us(row.number(6));
  out.set_updated_us(row.number(7));
  out.set_message_count(row.number(8));
  return out;
}

std::string body_of(v1::Conversation rest) {
  rest.clear_id();
  rest.clear_owner_id();
  rest.clear_session_key();
  rest.clear_title();
  rest.clear_model();
  rest.clear_leaf_id();
  rest.clear_created_us();
  rest.clear_updated_us();
  rest.clear_message_count();
  return pack(rest);
}

} // namespace

sql_conversations::sql_conversations(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new("conversations (" COLUMNS
                                         ") VALUES (:id, :owner, :session, :title, :model, "
                                         ":leaf, :created, :updated, :count, :body)")),
    hold_("SELECT " COLUMNS " FROM conversations WHERE id = :id"
          + std::string{sql.sql_dialect().hold_row()}),
    list_by_title_(OF_OWNER "AND " + sql.sql_dialect().contains("title") + " " ORDER) {}

bool sql_conversations::insert(const v1::Conversation& x) {
  auto body = body_of(x);
  return sql_.run(insert_, x.id(), x.owner_id(), nullable_text{x.session_key()}, x.title(),
                  x.model(), x.leaf_id(), x.created_us(), x.updated_us(), x.message_count(),
                  bytes_value{body})
         != 0;
}

std::optional<v1::Conversation> sql_conversations::find(std::string_view id) {
  std::optional<v1::Conversation> out;
  sql_.each(
      "SELECT " COLUMNS " FROM conversations WHERE id = :id", kinds,
      [&](row_view row) { out = read(row); }, id);
  return out;
}

std::optional<v1::Conversation> sql_conversations::hold(std::string_view id) {
  std::optional<v1::Conversation> out;
  sql_.each(
      hold_, kinds, [&](row_view row) { out = read(row); }, id);
  return out;
}

std::optional<v1::Conversation> sql_conversations::find_by_session_key(std::string_view key) {
  std::optional<v1::Conversation> out;
  sql_.each(
      "SELECT " COLUMNS " FROM conversations WHERE session_key = :session", kinds,
      [&](row_view row) { out = read(row); }, key);
  return out;
}

bool sql_conversations::update(const v1::Conversation& x) {
  auto body = body_of(x);
  return sql_.run("UPDATE conversations SET title = :title, model = :model, leaf_id = :leaf, "
                  "updated_us = :updated, body = :body WHERE id = :id",
                  x.title(), x.model(), x.leaf_id(), x.updated_us(), bytes_value{body}, x.id())
         != 0;
}

bool sql_conversations::advance(std::string_view id, std::string_view leaf_id,
                                std::int64_t messages_added, std::string_view title,
                                std::int64_t updated_us) {
  return sql_.run("UPDATE conversations SET leaf_id = CASE WHEN :leaf1 = '' THEN leaf_id ELSE "
                  ":leaf2 END, title = CASE WHEN :title1 = '' THEN title ELSE :title2 END, "
                  "message_count = message_count + :added, updated_us = :updated WHERE id = :id",
                  leaf_id, leaf_id, title, title, messages_added, updated_us, id)
         != 0;
}

bool sql_conversations::erase(std::string_view id) {
  return sql_.run("DELETE FROM conversations WHERE id = :id", id) != 0;
}

std::vector<v1::Conversation> sql_conversations::list(std::string_view owner_id,
                                                      std::string_view title_part,
                                                      const std::optional<page_position>& after,
                                                      int limit) {
  page_position last{std::numeric_limits<std::int64_t>::max(), {}};
  if (after)
    last = *after;
  std::vector<v1::Conversation> out;
  auto add = [&](row_view row) { out.push_back(read(row)); };
  if (title_part.empty())
    sql_.each(OF_OWNER ORDER, kinds, add, owner_id, last.time_us, last.time_us, last.time_us,
              last.id, limit);
  else
    sql_.each(list_by_title_, kinds, add, owner_id, last.time_us, last.time_us, last.time_us,
              last.id, like_pattern(title_part), limit);
  return out;
}

#undef ORDER
#undef OF_OWNER
#undef COLUMNS

} // namespace troupe::persistence
