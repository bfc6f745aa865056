#include "cluster/cli/local.hpp"

namespace troupe::cli {

std::unique_ptr<embedded_node> start_embedded_node(const config::node_config& config) {
  throw failure("no node runs here (data folder: " + config.node.data_dir
                + "); start one with `troupe serve`, or name one elsewhere with --url");
}

} // namespace troupe::cli
