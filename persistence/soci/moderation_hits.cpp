#include "persistence/soci/sql_rulesets.hpp"

#include <limits>

namespace troupe::persistence {

namespace {

#define COLUMNS "id, at_us, action, category, conversation_id, body"
constexpr std::string_view kinds = "tittt"
                                   "b";

v1::ModerationHit read(row_view row) {
  v1::ModerationHit out;
  unpack(row.text(5), out);
  out.set_id(std::move(row.text(0)));
  out.set_at_us(row.number(1));
  out.set_action(std::move(row.text(2)));
  out.set_category(std::move(row.text(3)));
  out.set_conversation_id(std::move(row.text(4)));
  return out;
}

std::string body_of(v1::ModerationHit rest) {
  rest.clear_id();
  rest.clear_at_us();
  rest.clear_action();
  rest.clear_category();
  rest.clear_conversation_id();
  return pack(rest);
}

} // namespace

sql_moderation_hits::sql_moderation_hits(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new(
        "moderation_hits (" COLUMNS
        ") VALUES (:id, :at, :action, :category, :conversation, :body)")),
    purge_(
        sql.sql_dialect().delete_first({"moderation_hits", "id", "at_us < :before", "at_us, id"})) {
}

void sql_moderation_hits::insert_all(
    const google::protobuf::RepeatedPtrField<v1::ModerationHit>& hits) {
  for (const auto& x : hits) {
    auto body = body_of(x);
    sql_.run(insert_, x.id(), x.at_us(), x.action(), x.category(), x.conversation_id(),
             bytes_value{body});
  }
}

std::vector<v1::ModerationHit> sql_moderation_hits::list(const hit_filter& filter,
                                                         std::int64_t before_us,
                                                         std::string_view before_id, int limit) {
  constexpr auto end = std::numeric_limits<std::int64_t>::max();
  auto last_us = before_us != 0 ? before_us : end;
  auto until_us = filter.to_us != 0 ? filter.to_us : end;
  std::vector<v1::ModerationHit> out;
  auto add = [&](row_view row) { out.push_back(read(row)); };
#define PAGE                                                                                       \
  "at_us >= :from AND at_us < :until AND at_us <= :t0 AND (at_us < :t1 OR id < :last) AND "        \
  "(:c1 = '' OR category = :c2) AND (:a1 = '' OR action = :a2) ORDER BY at_us DESC, id DESC "      \
  "LIMIT :count"
  if (filter.conversation_id.empty())
    sql_.each("SELECT " COLUMNS " FROM moderation_hits WHERE " PAGE, kinds, add, filter.from_us,
              until_us, last_us, last_us, before_id, filter.category, filter.category,
              filter.action, filter.action, limit);
  else
    sql_.each("SELECT " COLUMNS
              " FROM moderation_hits WHERE conversation_id = :conversation AND " PAGE,
              kinds, add, filter.conversation_id, filter.from_us, until_us, last_us, last_us,
              before_id, filter.category, filter.category, filter.action, filter.action, limit);
#undef PAGE
  return out;
}

std::int64_t sql_moderation_hits::purge(std::int64_t before_us, int limit) {
  return sql_.run(purge_, before_us, limit);
}

#undef COLUMNS

} // namespace troupe::persistence
