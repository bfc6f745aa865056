#include "tests/support/rulesets.hpp"

namespace troupe::test {

namespace {

constexpr persistence::command_env now{1'700'000'000'000'000};

} // namespace

v1::RulesetName named(const std::string& name, v1::RulesetKind kind) {
  v1::RulesetName out;
  out.set_kind(kind);
  out.set_name(name);
  return out;
}

v1::Ruleset make_ruleset(persistence::database& db, const std::string& name, v1::RulesetKind kind) {
  v1::CreateRuleset command;
  command.set_kind(kind);
  command.set_name(name);
  command.set_enabled(true);
  return create_ruleset(db, command, now);
}

v1::ChangeRuleset change_of(const std::string& name, const std::map<std::string, std::string>& put,
                            const std::vector<std::string>& remove) {
  v1::ChangeRuleset out;
  *out.mutable_ruleset() = named(name);
  for (const auto& [key, body] : put) {
    auto& item = *out.add_put();
    item.set_key(key);
    item.set_body(body);
  }
  for (const auto& key : remove)
    out.add_remove(key);
  return out;
}

std::map<std::string, std::string> items_of(persistence::database& db, const std::string& name,
                                            std::int64_t version, int page) {
  v1::ListRulesetItems query;
  *query.mutable_ruleset() = named(name);
  query.set_version(version);
  query.set_limit(page);
  std::map<std::string, std::string> out;
  do {
    auto found = list_ruleset_items(db, query, now);
    for (const auto& item : found.items())
      out[item.key()] = item.body();
    query.set_cursor(found.next_cursor());
  } while (!query.cursor().empty());
  return out;
}

std::int64_t versions_of(persistence::database& db, const std::string& name) {
  v1::ListRulesetVersions query;
  *query.mutable_ruleset() = named(name);
  query.set_limit(200);
  std::int64_t out = 0;
  do {
    auto found = list_ruleset_versions(db, query, now);
    out += found.versions_size();
    query.set_cursor(found.next_cursor());
  } while (!query.cursor().empty());
  return out;
}

} // namespace troupe::test
