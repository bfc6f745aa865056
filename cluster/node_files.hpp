// The files a node keeps in its data folder for the `troupe` commands of its own machine.
#pragma once

#include <caf/expected.hpp>

#include <cstdint>
#include <string>

namespace troupe {

/// `<data_dir>/node.json`: where the running node is. Written when it is ready, removed at its end.
struct node_file {
  std::string url;
  std::string ops_url;
  std::int64_t pid = 0;
};

/// Makes the data folder (mode 0700) if it is missing.
caf::error prepare_data_dir(const std::string& data_dir);

/// The node's own secret, for commands on its machine: `<data_dir>/token`, mode 0600, made at the
/// first start. A file that others may read is refused.
caf::expected<std::string> load_or_make_token(const std::string& data_dir);

/// Who this data folder is to the cluster: the node that has it may take its name over at once when
/// it starts again. `<data_dir>/identity`, as the token.
caf::expected<std::string> load_or_make_identity(const std::string& data_dir);

caf::error write_node_file(const std::string& data_dir, const node_file& file);
/// `not_found` when no node runs there: the file is missing, or its process is gone.
caf::expected<node_file> read_node_file(const std::string& data_dir);
void remove_node_file(const std::string& data_dir);

} // namespace troupe
