// From the configuration to the database.
#pragma once

#include "config/config.hpp"
#include "persistence/database.hpp"
#include "persistence/maintenance.hpp"

#include <memory>
#include <string>

namespace troupe::persistence {

/// Where the database of this node is: `store.url` without its secrets, or `troupe.db` in the data
/// folder.
std::string database_location(const config::node_config& config);

/// Connections to it, for the node and for commands alike. Throws `failure`: `config_invalid` for a
/// backend that there is none of and for a `store.url` that does not fit it, `store_unavailable`
/// when its place cannot be used.
database_factory_ptr make_database_factory(const config::node_config& config);

/// Opens it, brings its schema up to date and returns the versions that ran. Throws `failure`.
std::vector<std::int64_t> prepare_database(database_factory& factory, std::int64_t now_us);

std::unique_ptr<maintenance> make_maintenance(const config::node_config& config);

} // namespace troupe::persistence
