#include "persistence/open.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/mysql.hpp"
#include "persistence/soci/postgresql.hpp"
#include "persistence/soci/sqlite.hpp"

#include <fmt/format.h>

namespace troupe::persistence {

namespace {

std::string sqlite_path(const config::node_config& config) {
  std::string_view url = config.store.url;
  for (std::string_view scheme : {"sqlite://", "sqlite:"})
    if (url.starts_with(scheme)) {
      url.remove_prefix(scheme.size());
      break;
    }
  return url.empty() ? config.node.data_dir + "/troupe.db" : std::string{url};
}

failure no_backend(const std::string& name) {
  return {
      ec::config_invalid,
      fmt::format("store.backend: there is no {:?} here: use sqlite, postgresql or mysql", name)};
}

} // namespace

std::string database_location(const config::node_config& config) {
  // SQLite's factory would make the file.
  return config.store.backend == "sqlite" ? sqlite_path(config)
                                          : make_database_factory(config)->location();
}

database_factory_ptr make_database_factory(const config::node_config& config) {
  const auto& store = config.store;
  if (store.backend == "sqlite")
    return make_sqlite_factory(sqlite_path(config));
  if (store.backend == "postgresql")
    return make_postgresql_factory(store.url);
  if (store.backend == "mysql")
    return make_mysql_factory(store.url);
  throw no_backend(store.backend);
}

std::vector<std::int64_t> prepare_database(database_factory& factory, std::int64_t now_us) {
  auto db = factory.open(access::write);
  migrate_options options;
  options.now_us = now_us;
  return migrate(*db, options);
}

std::unique_ptr<maintenance> make_maintenance(const config::node_config& config) {
  const auto& store = config.store;
  if (store.backend == "sqlite")
    return make_sqlite_maintenance(sqlite_path(config));
  if (store.backend == "postgresql")
    return make_postgresql_maintenance(store.url);
  if (store.backend == "mysql")
    return make_mysql_maintenance(store.url);
  throw no_backend(store.backend);
}

} // namespace troupe::persistence
