#include "persistence/open.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/postgresql.hpp"
#include "persistence/soci/sqlite.hpp"

#include <fmt/format.h>

namespace troupe::persistence {

namespace {

bool on_postgresql(const config::node_config& config) {
  const auto& backend = config.store.backend;
  if (backend != "sqlite" && backend != "postgresql")
    throw failure(
        ec::config_invalid,
        fmt::format("store.backend: there is no {:?} here: use sqlite or postgresql", backend));
  return backend == "postgresql";
}

std::string sqlite_path(const config::node_config& config) {
  std::string_view url = config.store.url;
  for (std::string_view scheme : {"sqlite://", "sqlite:"})
    if (url.starts_with(scheme)) {
      url.remove_prefix(scheme.size());
      break;
    }
  return url.empty() ? config.node.data_dir + "/troupe.db" : std::string{url};
}

} // namespace

std::string database_location(const config::node_config& config) {
  return on_postgresql(config) ? make_postgresql_factory(config.store.url)->location()
                               : sqlite_path(config);
}

database_factory_ptr make_database_factory(const config::node_config& config) {
  return on_postgresql(config) ? make_postgresql_factory(config.store.url)
                               : make_sqlite_factory(sqlite_path(config));
}

std::vector<std::int64_t> prepare_database(database_factory& factory, std::int64_t now_us) {
  auto db = factory.open(access::write);
  migrate_options options;
  options.now_us = now_us;
  return migrate(*db, options);
}

std::unique_ptr<maintenance> make_maintenance(const config::node_config& config) {
  return on_postgresql(config) ? make_postgresql_maintenance(config.store.url)
                               : make_sqlite_maintenance(sqlite_path(config));
}

} // namespace troupe::persistence
