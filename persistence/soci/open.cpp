#include "persistence/open.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/sqlite.hpp"

#include <fmt/format.h>

namespace troupe::persistence {

namespace {

void need_sqlite(const config::node_config& config) {
  if (config.store.backend != "sqlite")
    throw failure(
        ec::config_invalid,
        fmt::format("store.backend: there is no {:?} here: use sqlite", config.store.backend));
}

} // namespace

std::string database_location(const config::node_config& config) {
  std::string_view url = config.store.url;
  for (std::string_view scheme : {"sqlite://", "sqlite:"})
    if (url.starts_with(scheme)) {
      url.remove_prefix(scheme.size());
      break;
    }
  return url.empty() ? config.node.data_dir + "/troupe.db" : std::string{url};
}

database_factory_ptr make_database_factory(const config::node_config& config) {
  need_sqlite(config);
  return make_sqlite_factory(database_location(config));
}

std::vector<std::int64_t> prepare_database(database_factory& factory, std::int64_t now_us) {
  auto db = factory.open(access::write);
  migrate_options options;
  options.now_us = now_us;
  return migrate(*db, options);
}

std::unique_ptr<maintenance> make_maintenance(const config::node_config& config) {
  need_sqlite(config);
  return make_sqlite_maintenance(database_location(config));
}

} // namespace troupe::persistence
