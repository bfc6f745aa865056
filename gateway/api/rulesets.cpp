#include "gateway/api/rulesets.hpp"

#include "gateway/api/json_reader.hpp"
#include "gateway/api/ruleset_json.hpp"

#include <fmt/format.h>

namespace troupe::gateway {

namespace {

using nlohmann::json;

struct ruleset_api {
  ruleset_routes sets;
  api_options_ptr api;
};
using ruleset_api_ptr = std::shared_ptr<const ruleset_api>;

struct ruleset_request {
  ruleset_api_ptr api;
  exchange& x;
};

using ruleset_handler = asio::awaitable<void> (*)(ruleset_request);

/// An item or a change in an edit; files are imported.
constexpr std::int64_t edit_bytes_max = 2'097'152;

v1::RulesetName name_of(const ruleset_request& r) {
  v1::RulesetName out;
  out.set_kind(r.api->sets.kind);
  // What is no text is no name either.
  auto name = r.x.param("name");
  out.set_name(is_plain_utf8(name) ? std::string{name} : "?");
  return out;
}

/// Completes a command or query with who asks and for which set.
template <class Command>
payload<Command> addressed(const ruleset_request& r, Command command) {
  *command.mutable_context() = r.x.context();
  *command.mutable_ruleset() = name_of(r);
  return payload<Command>{std::move(command)};
}

std::string text_of(const json& value) { return dump_json(value); }
std::string text_of(std::string text) { return text; }

/// Asks, and answers with what `render` makes of the answer.
template <class Answer, class Handle, class Command, class Render>
asio::awaitable<void> relay(ruleset_request r, Handle to, payload<Command> message, int status,
                            Render render) {
  auto found =
      co_await ask<payload<Answer>>(r.x.shard(), to, r.api->sets.limit, std::move(message));
  if (!found) {
    co_await reply_error(r.x, found.error());
    co_return;
  }
  auto body = text_of(render(**found));
  co_await r.x.reply(status, "application/json", std::move(body));
}

template <class Message>
json as_json(const Message& message) {
  return to_json(message);
}
template <class Message>
std::string as_text(const Message& message) {
  return to_text(message);
}

/// The error of a body that is no JSON, or the command it is.
template <class Command>
caf::expected<Command> read_json(const ruleset_request& r,
                                 caf::expected<Command> (*read)(std::string_view)) {
  if (auto err = check_content_type(r.x))
    return err;
  return read(r.x.body());
}

/// `relay` of what was read of the request; its error, if it could not be read.
template <class Answer, class Handle, class Command, class Render>
asio::awaitable<void> relay_read(ruleset_request r, Handle to, caf::expected<Command> read,
                                 Render render) {
  if (!read) {
    co_await reply_error(r.x, read.error());
    co_return;
  }
  auto message = addressed(r, std::move(*read));
  co_await relay<Answer>(r, to, std::move(message), 200, render);
}

asio::awaitable<void> list_sets(ruleset_request r) {
  v1::ListRulesets query;
  *query.mutable_context() = r.x.context();
  query.set_kind(r.api->sets.kind);
  ListRulesets message{std::move(query)};
  co_await relay<v1::RulesetList>(r, r.api->sets.store, std::move(message), 200,
                                  as_json<v1::RulesetList>);
}

asio::awaitable<void> create_set(ruleset_request r) {
  auto command = read_json(r, read_create_ruleset);
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return;
  }
  *command->mutable_context() = r.x.context();
  command->set_kind(r.api->sets.kind);
  CreateRuleset message{std::move(*command)};
  co_await relay<v1::Ruleset>(r, r.api->sets.service, std::move(message), 201,
                              as_json<v1::Ruleset>);
}

asio::awaitable<void> get_set(ruleset_request r) {
  auto message = addressed(r, v1::GetRuleset{});
  co_await relay<v1::Ruleset>(r, r.api->sets.store, std::move(message), 200, as_json<v1::Ruleset>);
}

asio::awaitable<void> update_set(ruleset_request r) {
  auto command = read_json(r, read_update_ruleset);
  co_await relay_read<v1::Ruleset>(r, r.api->sets.service, std::move(command),
                                   as_json<v1::Ruleset>);
}

asio::awaitable<void> delete_set(ruleset_request r) {
  auto message = addressed(r, v1::DeleteRuleset{});
  auto name = message->ruleset().name();
  auto render = [name](const v1::Done&) { return json{{"name", name}, {"deleted", true}}; };
  co_await relay<v1::Done>(r, r.api->sets.service, std::move(message), 200, render);
}

asio::awaitable<void> list_items(ruleset_request r) {
  auto query = read_item_query(r.x);
  co_await relay_read<v1::RulesetItemPage>(r, r.api->sets.store, std::move(query),
                                           as_text<v1::RulesetItemPage>);
}

/// What was edited or imported; with problems that kept it out, an error that names them.
asio::awaitable<void> reply_edited(exchange& x, const v1::RulesetEdited& edited, bool asked_only) {
  auto answer = to_json(edited);
  if (edited.problems_total() == 0 || asked_only) {
    co_await reply_json(x, 200, answer);
    co_return;
  }
  const auto& first = edited.problems(0);
  auto where = first.line() == 0 ? std::string{} : fmt::format("line {}: ", first.line());
  auto what = fmt::format("nothing was changed, {} items cannot be taken; the first: {}{}",
                          edited.problems_total(), where, first.text());
  json body{{"error",
             {{"code", info(ec::invalid_argument).name},
              {"message", std::move(what)},
              {"request_id", x.request_id()}}},
            {"problems", std::move(answer["problems"])},
            {"problems_total", edited.problems_total()}};
  co_await reply_json(x, info(ec::invalid_argument).http_status, body);
}

/// `asked_only`: problems are an answer, not an error.
template <class Message>
asio::awaitable<void> relay_edit(ruleset_request r, Message message, bool asked_only) {
  auto edited = co_await ask<RulesetEdited>(r.x.shard(), r.api->sets.service, r.api->sets.limit,
                                            std::move(message));
  if (!edited)
    co_await reply_error(r.x, edited.error());
  else
    co_await reply_edited(r.x, **edited, asked_only);
}

asio::awaitable<void> edit_items(ruleset_request r) {
  auto command = read_json(r, read_edit_ruleset);
  if (command)
    co_await relay_edit(r, addressed(r, std::move(*command)), false);
  else
    co_await reply_error(r.x, command.error());
}

asio::awaitable<void> import_file(ruleset_request r) {
  auto command = read_import(r.x);
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return;
  }
  bool asked_only = command->dry_run() || command->skip_problems();
  co_await relay_edit(r, addressed(r, std::move(*command)), asked_only);
}

asio::awaitable<void> export_file(ruleset_request r) {
  auto query = read_export_query(r.x);
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  auto message = addressed(r, std::move(*query));
  auto file = co_await ask<RulesetFile>(r.x.shard(), r.api->sets.service, r.api->sets.limit,
                                        std::move(message));
  if (!file) {
    co_await reply_error(r.x, file.error());
    co_return;
  }
  auto out = std::move(*file).take();
  header_list headers;
  // The name is made of the set's: letters, digits and ._-
  headers.emplace_back("Content-Disposition",
                       fmt::format("attachment; filename=\"{}\"", out.file_name()));
  headers.emplace_back("X-Ruleset-Version", std::to_string(out.version()));
  co_await r.x.reply(200, out.media_type(), std::move(*out.mutable_content()), std::move(headers));
}

asio::awaitable<void> list_versions(ruleset_request r) {
  auto query = read_version_query(r.x);
  co_await relay_read<v1::RulesetVersionPage>(r, r.api->sets.store, std::move(query),
                                              as_json<v1::RulesetVersionPage>);
}

asio::awaitable<void> restore_version(ruleset_request r) {
  auto command = read_json(r, read_restore_ruleset);
  co_await relay_read<v1::RulesetChanged>(r, r.api->sets.service, std::move(command),
                                          as_json<v1::RulesetChanged>);
}

asio::awaitable<void> diff_versions(ruleset_request r) {
  auto query = read_diff_query(r.x);
  co_await relay_read<v1::RulesetDiff>(r, r.api->sets.store, std::move(query),
                                       as_text<v1::RulesetDiff>);
}

asio::awaitable<void> lint_set(ruleset_request r) {
  auto query = read_json(r, read_lint_ruleset);
  co_await relay_read<v1::RulesetLint>(r, r.api->sets.service, std::move(query),
                                       as_json<v1::RulesetLint>);
}

asio::awaitable<void> run_admitted(ruleset_request r, ruleset_handler handle) {
  std::string scope{"admin"};
  auto who = co_await r.api->api->who->authorize(r.x, std::move(scope));
  if (!who)
    co_await reply_error(r.x, who.error());
  else
    co_await handle(r);
}

} // namespace

void add_ruleset_routes(router& routes, ruleset_routes sets, const api_options_ptr& api) {
  auto shared = std::make_shared<const ruleset_api>(ruleset_api{std::move(sets), api});
  // `<sets>` is the prefix; the test that compares routes with docs/api/openapi.yaml knows it too.
  auto add = [&](const char* method, std::string_view pattern, ruleset_handler handle,
                 std::int64_t body_bytes_max = 0) {
    route_options options;
    options.body_bytes_max = body_bytes_max;
    pattern.remove_prefix(std::string_view{"<sets>"}.size());
    routes.add(
        method, shared->sets.prefix + std::string{pattern},
        [shared, handle](exchange& x) {
          return run_admitted({shared, x}, handle);
        },
        options);
  };
  add("GET", "<sets>", list_sets);
  add("POST", "<sets>", create_set, edit_bytes_max);
  add("GET", "<sets>/{name}", get_set);
  add("PATCH", "<sets>/{name}", update_set, edit_bytes_max);
  add("DELETE", "<sets>/{name}", delete_set);
  add("GET", "<sets>/{name}/items", list_items);
  add("POST", "<sets>/{name}/items", edit_items, edit_bytes_max);
  add("PUT", "<sets>/{name}/file", import_file);
  add("GET", "<sets>/{name}/file", export_file);
  add("GET", "<sets>/{name}/versions", list_versions);
  add("POST", "<sets>/{name}/restore", restore_version, edit_bytes_max);
  add("GET", "<sets>/{name}/diff", diff_versions);
  add("POST", "<sets>/{name}/lint", lint_set, edit_bytes_max);
}

} // namespace troupe::gateway
