#include "persistence/soci/postgresql_driver.hpp"

#include "persistence/soci/driver_module.hpp"

namespace troupe::persistence {

const postgresql_driver& postgresql() {
  // Again, if it failed.
  static const auto* driver = static_cast<const postgresql_driver*>(
      load_driver({"libtroupe_postgresql.so", "troupe_postgresql_driver", "PostgreSQL",
                   "libpq and libsoci_postgresql"}));
  return *driver;
}

} // namespace troupe::persistence
