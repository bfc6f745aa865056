// `troupe cluster`: the certificates of its nodes.
#include "cluster/cli/cli.hpp"
#include "cluster/link/certificates.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

void init(const options& common, const link::ca_options& wanted) {
  if (auto err = link::make_authority(wanted))
    throw failure(err);
  auto certificate = wanted.folder + "/" + link::ca_certificate_file;
  auto key = wanted.folder + "/" + link::ca_key_file;
  if (common.json)
    return print_json({{"ca", certificate}, {"key", key}, {"days", wanted.days}});
  fmt::print("{}: every node reads it (cluster.ca)\n", certificate);
  fmt::print("{}: signs nodes; no node needs it, keep it apart\n", key);
}

void issue(const options& common, const link::certificate_options& wanted) {
  if (auto err = link::issue_certificate(wanted))
    throw failure(err);
  auto stem = wanted.folder + "/" + wanted.name;
  if (common.json)
    return print_json({{"name", wanted.name},
                       {"certificate", stem + ".crt"},
                       {"key", stem + ".key"},
                       {"days", wanted.days}});
  fmt::print("{0}.crt and {0}.key: for node {1} alone (cluster.certificate and "
             "cluster.key)\n",
             stem, wanted.name);
}

void add_ca_commands(CLI::App& cluster, options& common) {
  auto* ca = cluster.add_subcommand("ca", "The cluster's own certificate authority");
  ca->require_subcommand(1);
  ca->footer("Links between machines need it: who has a certificate of it is a node.\n\n"
             "Examples:\n"
             "  troupe cluster ca init --dir ca\n"
             "  troupe cluster ca issue node-1 --dir ca --host 10.0.0.5");

  auto authority = std::make_shared<link::ca_options>();
  auto* making = ca->add_subcommand("init", "Make the authority: ca.crt and ca.key");
  making->add_option("--dir", authority->folder, "Its folder; made if it is missing")->required();
  making->add_option("--days", authority->days, "How long it is valid (default: 3650)");
  making->add_flag("--force", authority->force,
                   "Replace the one that is there: every certificate of it is worthless then");
  making->callback([&common, authority] { init(common, *authority); });

  auto node = std::make_shared<link::certificate_options>();
  auto* issuing = ca->add_subcommand("issue", "Make a node's certificate: NAME.crt and NAME.key");
  issuing->add_option("name", node->name, "The node's name (node.name)")->required();
  issuing->add_option("--dir", node->folder, "The authority's folder; the files come there")
      ->required();
  issuing
      ->add_option("--host", node->hosts,
                   "Addresses and host names of the node, for other programs")
      ->delimiter(',')
      ->take_all();
  issuing->add_option("--days", node->days, "How long it is valid (default: 825)");
  issuing->add_flag("--force", node->force, "Replace the files of this name");
  issuing->callback([&common, node] { issue(common, *node); });
}

} // namespace

void add_cluster_command(CLI::App& app, options& common) {
  auto* cluster = app.add_subcommand("cluster", "Prepare a cluster of several nodes");
  cluster->require_subcommand(1);
  add_ca_commands(*cluster, common);
}

} // namespace troupe::cli
