#include "messages/id.hpp"
#include "persistence/api_key.hpp"
#include "persistence/commands/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::persistence {

namespace {

constexpr std::array<std::string_view, 3> scopes_known{"openai", "api", "admin"};
constexpr std::array<std::string_view, 2> scopes_standard{"openai", "api"};
constexpr std::size_t hash_bytes = 32;
constexpr std::size_t prefix_length = 16; // "sk-troupe-" and six digits: too few to guess by

} // namespace

v1::ApiKeyCreated create_api_key(database& db, const v1::CreateApiKey& command,
                                 const command_env& env) {
  if (command.name().empty())
    throw failure(ec::invalid_argument, "a key needs a name, to know it again");
  need_text(command.name(), key_length_max, "name");
  if (command.expires_us() != 0 && command.expires_us() <= env.now_us)
    throw failure(ec::invalid_argument, "expires_us lies in the past");
  v1::ApiKeyCreated out;
  auto secret = new_api_key_secret();
  auto& key = *out.mutable_key();
  key.set_id(new_id(env.now_us));
  key.set_name(command.name());
  key.set_hash(hash_api_key(secret));
  key.set_prefix(secret.substr(0, prefix_length));
  for (const auto& scope : command.scopes()) {
    if (std::find(scopes_known.begin(), scopes_known.end(), scope) == scopes_known.end())
      throw failure(ec::invalid_argument,
                    fmt::format("there is no scope {:?}: use openai, api, admin", scope));
    if (std::find(key.scopes().begin(), key.scopes().end(), scope) == key.scopes().end())
      key.add_scopes(scope);
  }
  if (key.scopes().empty())
    for (auto scope : scopes_standard)
      key.add_scopes(std::string{scope});
  key.set_created_us(env.now_us);
  key.set_expires_us(command.expires_us());
  if (!db.api_keys().insert(key))
    throw failure(ec::conflict, "the key's id is taken: try again");
  out.set_secret(std::move(secret));
  return out;
}

v1::ApiKeyPage list_api_keys(database& db, const v1::ListApiKeys& query, const command_env&) {
  auto limit = page_limit(query.limit(), 50, 200);
  auto rows = db.api_keys().list(read_cursor(query.cursor()), limit + 1);
  v1::ApiKeyPage out;
  if (rows.size() > static_cast<std::size_t>(limit)) {
    rows.pop_back();
    out.set_next_cursor(make_cursor({rows.back().created_us(), rows.back().id()}));
  }
  for (auto& row : rows) {
    row.clear_hash(); // nobody outside needs it
    *out.add_keys() = std::move(row);
  }
  return out;
}

v1::Done revoke_api_key(database& db, const v1::RevokeApiKey& command, const command_env& env) {
  need_id(command.id(), "id");
  if (!db.api_keys().revoke(command.id(), env.now_us) && !db.api_keys().find(command.id()))
    throw failure(ec::not_found, fmt::format("there is no key {}", command.id()));
  return {};
}

v1::Principal authorize(database& db, const v1::Authorize& query, const command_env& env) {
  // One text for all: who asks does not learn whether a key exists.
  auto refuse = [] {
    return failure(ec::unauthenticated, "the API key is wrong, revoked or has expired: make one "
                                        "with `troupe key create`");
  };
  if (query.key_hash().size() != hash_bytes)
    throw refuse();
  auto key = db.api_keys().find_by_hash(query.key_hash());
  if (!key || key->revoked_us() != 0 || (key->expires_us() != 0 && key->expires_us() <= env.now_us))
    throw refuse();
  const auto& scopes = key->scopes();
  auto has = [&](std::string_view wanted) {
    if (scopes.empty())
      return std::find(scopes_standard.begin(), scopes_standard.end(), wanted)
             != scopes_standard.end();
    return std::find(scopes.begin(), scopes.end(), wanted) != scopes.end();
  };
  if (!query.scope().empty() && !has(query.scope()))
    throw failure(ec::forbidden,
                  fmt::format("the API key {:?} lacks the scope {}", key->name(), query.scope()));
  v1::Principal out;
  out.set_id(key->id());
  out.set_name(key->name());
  for (auto scope : scopes_known)
    if (has(scope))
      out.add_scopes(std::string{scope});
  out.set_expires_us(key->expires_us());
  return out;
}

v1::Done record_usage(database& db, const v1::RecordUsage& command, const command_env&) {
  auto good = [](const v1::UsageRecord& x) {
    return is_storable(x.request_id()) && is_storable(x.principal_id()) && is_storable(x.model())
           && is_storable(x.deployment()) && is_storable(x.operation());
  };
  for (const auto& record : command.records()) {
    need_short(record.request_id(), key_length_max, "request_id");
    if (record.request_id().empty())
      throw failure(ec::invalid_argument, "a ledger line needs its request_id");
  }
  if (std::all_of(command.records().begin(), command.records().end(), good)) {
    db.ledger().insert_all(command.records());
    return {};
  }
  // One line that a database refuses would keep all others out, again and again.
  auto mended = command.records();
  for (auto& record : mended) {
    record.set_request_id(storable(record.request_id()));
    record.set_principal_id(storable(record.principal_id()));
    record.set_model(storable(record.model()));
    record.set_deployment(storable(record.deployment()));
    record.set_operation(storable(record.operation()));
  }
  db.ledger().insert_all(mended);
  return {};
}

v1::UsagePage list_usage(database& db, const v1::ListUsage& query, const command_env&) {
  auto limit = page_limit(query.limit(), 100, 1'000);
  ledger_filter filter{query.principal_id(), query.from_us(), query.to_us()};
  if (filter.to_us != 0 && filter.to_us <= filter.from_us)
    throw failure(ec::invalid_argument, "to_us must be later than from_us");
  auto rows = db.ledger().list(filter, read_cursor(query.cursor()), limit + 1);
  v1::UsagePage out;
  if (rows.size() > static_cast<std::size_t>(limit)) {
    rows.pop_back();
    out.set_next_cursor(make_cursor({rows.back().started_us(), rows.back().request_id()}));
  }
  for (auto& row : rows)
    *out.add_records() = std::move(row);
  if (query.cursor().empty()) {
    auto sum = db.ledger().sum(filter);
    *out.mutable_sum() = sum.usage;
    out.set_count(sum.count);
  }
  return out;
}

} // namespace troupe::persistence
