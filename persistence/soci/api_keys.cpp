#include "persistence/api_key.hpp"

#include "persistence/soci/sql_repositories.hpp"

#include <limits>

namespace troupe::persistence {

namespace {

#define COLUMNS                                                                                    \
  "id, name, hash, prefix, scopes, created_us, expires_us, revoked_us, last_used_us, body"
constexpr std::string_view kinds = "tttttiiiib";

std::string join(const google::protobuf::RepeatedPtrField<std::string>& scopes) {
  std::string out;
  for (const auto& scope : scopes)
    out += (out.empty() ? "" : ",") + scope;
  return out;
}

v1::ApiKey read(row_view row) {
  v1::ApiKey out;
  unpack(row.text(9), out);
  out.set_id(std::move(row.text(0)));
  out.set_name(std::move(row.text(1)));
  out.set_hash(from_hex(row.text(2)));
  out.set_prefix(std::move(row.text(3)));
  std::string_view scopes = row.text(4);
  while (!scopes.empty()) {
    auto end = std::min(scopes.find(','), scopes.size());
    out.add_scopes(std::string{scopes.substr(0, end)});
    scopes.remove_prefix(std::min(end + 1, scopes.size()));
  }
  out.set_created_us(row.number(5));
  out.set_expires_us(row.number(6));
  out.set_revoked_us(row.number(7));
  out.set_last_used_us(row.number(8));
  return out;
}

std::string body_of(v1::ApiKey rest) {
  rest.clear_id();
  rest.clear_name();
  rest.clear_hash();
  rest.clear_prefix();
  rest.clear_scopes();
  rest.clear_created_us();
  rest.clear_expires_us();
  rest.clear_revoked_us();
  rest.clear_last_used_us();
  return pack(rest);
}

} // namespace

sql_api_keys::sql_api_keys(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new("api_keys (" COLUMNS
                                         ") VALUES (:id, :name, :hash, :prefix, :scopes, "
                                         ":created, :expires, :revoked, :used, :body)")) {}

bool sql_api_keys::insert(const v1::ApiKey& x) {
  auto body = body_of(x);
  return sql_.run(insert_, x.id(), x.name(), to_hex(x.hash()), x.prefix(), join(x.scopes()),
                  x.created_us(), x.expires_us(), x.revoked_us(), x.last_used_us(),
                  bytes_value{body})
         != 0;
}

std::optional<v1::ApiKey> sql_api_keys::find(std::string_view id) {
  std::optional<v1::ApiKey> out;
  sql_.each(
      "SELECT " COLUMNS " FROM api_keys WHERE id = :id", kinds,
      [&](row_view row) { out = read(row); }, id);
  return out;
}

std::optional<v1::ApiKey> sql_api_keys::find_by_hash(std::string_view hash) {
  std::optional<v1::ApiKey> out;
  sql_.each(
      "SELECT " COLUMNS " FROM api_keys WHERE hash = :hash", kinds,
      [&](row_view row) { out = read(row); }, to_hex(hash));
  return out;
}

bool sql_api_keys::revoke(std::string_view id, std::int64_t now_us) {
  return sql_.run("UPDATE api_keys SET revoked_us = :now WHERE id = :id AND revoked_us = 0", now_us,
                  id)
         != 0;
}

void sql_api_keys::touch(std::string_view id, std::int64_t used_us) {
  sql_.run("UPDATE api_keys SET last_used_us = :used1 WHERE id = :id AND last_used_us < :used2",
           used_us, id, used_us);
}

std::vector<v1::ApiKey> sql_api_keys::list(const std::optional<page_position>& after, int limit) {
  page_position last{std::numeric_limits<std::int64_t>::max(), {}};
  if (after)
    last = *after;
  std::vector<v1::ApiKey> out;
  sql_.each(
      "SELECT " COLUMNS " FROM api_keys WHERE created_us <= :t0 "
      "AND (created_us < :t1 OR id < :last) ORDER BY created_us DESC, id DESC LIMIT :count",
      kinds, [&](row_view row) { out.push_back(read(row)); }, last.time_us, last.time_us, last.id,
      limit);
  return out;
}

#undef COLUMNS

} // namespace troupe::persistence
