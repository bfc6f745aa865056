// `troupe drain`.
#include "cluster/cli/client.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace troupe::cli {

void add_drain_command(CLI::App& app, options& common) {
  auto name = std::make_shared<std::string>();
  auto* drain = app.add_subcommand("drain", "End a node in order, its work handed over");
  drain->add_option("NODE", *name, "Its name (default: the node that is asked)");
  drain->footer(
      "The node hands its conversations to the others, takes no more work, lets what runs "
      "end\n(node.drain_limit_ms) and exits. Does not wait for it: see `troupe status`.\n\n"
      "Examples:\n"
      "  troupe drain\n"
      "  troupe drain b");
  drain->callback([&common, name] {
    auto node = require_node(common, load_config(common));
    auto path = std::string{"/ops/v1/drain"};
    if (!name->empty())
      path += "?node=" + url_encode(*name);
    auto answer = http_client{node.ops_url, node.key}.post(path, nlohmann::json::object());
    if (common.json)
      print_json(answer);
    else
      fmt::print("{} drains; it exits when that is done\n",
                 name->empty() ? std::string{"the node"} : printable(*name));
  });
}

} // namespace troupe::cli
