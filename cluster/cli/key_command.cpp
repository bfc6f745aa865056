// `troupe key`: create, list, revoke.
#include "cluster/cli/client.hpp"
#include "cluster/cli/local.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

using nlohmann::json;

struct key_options {
  std::string name;
  std::vector<std::string> scopes;
  std::int64_t expires_in_days = 0;
  std::string id;
};

std::unique_ptr<key_service> open_keys(const options& common) {
  auto config = load_config(common);
  auto node = find_node(common, config);
  return node ? remote_keys(*node) : local_keys(config);
}

void create(const options& common, const key_options& wanted) {
  json request{{"name", wanted.name}};
  if (!wanted.scopes.empty())
    request["scopes"] = wanted.scopes;
  if (wanted.expires_in_days > 0)
    request["expires_in_s"] = wanted.expires_in_days * 86'400;
  auto made = open_keys(common)->create(request);
  if (common.json) {
    print_json(made);
    return;
  }
  // The secret alone on standard output: `KEY=$(troupe key create laptop)`.
  fmt::print("{}\n", made.value("secret", ""));
  fmt::print(stderr, "Key {} for {}: keep it now, it is not shown again.\n", made.value("id", ""),
             fmt::join(made.value("scopes", std::vector<std::string>{}), ", "));
}

std::string state_of(const json& key) {
  if (!key["revoked_us"].is_null())
    return "revoked";
  if (!key["expires_us"].is_null())
    return "until " + short_time(key["expires_us"].get<std::int64_t>());
  return "valid";
}

void list(const options& common) {
  auto keys = open_keys(common);
  auto all = json::array();
  std::string cursor;
  do {
    auto page = keys->list(cursor);
    for (auto& key : page.at("keys"))
      all.push_back(std::move(key));
    cursor = page["next_cursor"].is_string() ? page["next_cursor"].get<std::string>() : "";
  } while (!cursor.empty());
  if (common.json) {
    print_json({{"keys", std::move(all)}});
    return;
  }
  if (all.empty()) {
    fmt::print("No keys yet. `troupe key create NAME` makes one.\n");
    return;
  }
  text_table table{{"ID", "NAME", "BEGINS", "SCOPES", "CREATED", "LAST USED", "STATE"}};
  for (const auto& key : all)
    table.add(
        {key.value("id", ""), key.value("name", ""), key.value("prefix", "") + "…",
         fmt::format("{}", fmt::join(key.value("scopes", std::vector<std::string>{}), ",")),
         short_time(key.value("created_us", std::int64_t{0})),
         short_time(key["last_used_us"].is_null() ? 0 : key["last_used_us"].get<std::int64_t>()),
         state_of(key)});
  fmt::print("{}", table.render(styles::of_stdout()));
}

void revoke(const options& common, const std::string& id) {
  auto answer = open_keys(common)->revoke(id);
  if (common.json)
    print_json(answer);
  else
    fmt::print("Key {} is revoked.\n", id);
}

} // namespace

void add_key_command(CLI::App& app, options& common) {
  auto wanted = std::make_shared<key_options>();
  auto* key = app.add_subcommand("key", "Make, list and revoke API keys");
  key->require_subcommand(1);
  key->footer("Works with the node that runs here or at --url (by an admin's key), and without\n"
              "one, directly in its database.\n\n"
              "Examples:\n"
              "  troupe key create laptop\n"
              "  KEY=$(troupe key create ci --scope openai --expires-in-days 90)\n"
              "  troupe key revoke 0190163d-8694-739b-aea5-966c26f8ad91");

  auto* creating = key->add_subcommand("create", "Make a key and print its secret, once");
  creating->add_option("name", wanted->name, "What it is for")->required();
  creating
      ->add_option("--scope", wanted->scopes,
                   "openai (/v1), api (/api/v1), admin (keys, all conversations); default: openai "
                   "and api")
      ->check(CLI::IsMember({"openai", "api", "admin"}))
      ->delimiter(',')
      ->take_all();
  creating->add_option("--expires-in-days", wanted->expires_in_days, "Default: never")
      ->check(CLI::Range(1, 3'660));
  creating->callback([&common, wanted] { create(common, *wanted); });

  auto* listing = key->add_subcommand("list", "List keys, without their secrets");
  listing->callback([&common] { list(common); });

  auto* revoking = key->add_subcommand("revoke", "Make a key invalid, at once");
  revoking->add_option("id", wanted->id, "Its id, from `troupe key list`")->required();
  revoking->callback([&common, wanted] { revoke(common, wanted->id); });
}

} // namespace troupe::cli
