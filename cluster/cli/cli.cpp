#include "cluster/cli/cli.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>

namespace troupe::cli {

namespace {

void add_common_options(CLI::App& app, options& common) {
  app.add_option("--config", common.config_file, "Configuration file (default: troupe.yaml here)");
  app.add_option("--env", common.env, "Read troupe.<NAME>.yaml on top of it");
  app.add_option("--set", common.sets, "Set one key on top of all: --set gateway.listen=0.0.0.0:80")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--url", common.url, "The node to talk to (default: the one on this machine)");
  app.add_option("--key", common.key, "API key (default: $TROUPE_KEY, or this node's token file)")
      ->envname("TROUPE_KEY");
  app.add_flag("--json", common.json, "Print JSON, for programs");
}

} // namespace

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int run(int argc, char** argv) {
  CLI::App app{"Troupe: a company of actors for chat", "troupe"};
  options common;
  app.set_version_flag("--version", std::string{"troupe "} + TROUPE_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Start with `troupe serve`, then `troupe chat hello` in another terminal.");
  add_common_options(app, common);
  add_serve_command(app, common);
  add_chat_command(app, common);
  add_status_command(app, common);
  add_actors_command(app, common);
  add_drain_command(app, common);
  add_key_command(app, common);
  add_config_command(app, common);
  add_db_command(app, common);
  add_words_command(app, common);
  add_keywords_command(app, common);
  add_tokens_command(app, common);
  add_text_command(app, common);
  add_cluster_command(app, common);
  add_mock_upstream_command(app, common);
  add_completion_command(app, common);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const quiet_exit& e) {
    return e.exit_code;
  } catch (const failure& e) {
    std::fputs(fmt::format("troupe: {}\n", e.what()).c_str(), stderr); // which may be gone
    return e.exit_code;
  }
  return 0;
}

} // namespace troupe::cli
