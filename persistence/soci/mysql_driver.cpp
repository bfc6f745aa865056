#include "persistence/soci/mysql_driver.hpp"

#include "persistence/soci/driver_module.hpp"

namespace troupe::persistence {

const mysql_driver& mysql() {
  // Again, if it failed.
  static const auto* driver = static_cast<const mysql_driver*>(
      load_driver({"libtroupe_mysql.so", "troupe_mysql_driver", "MariaDB or MySQL",
                   "libmariadb and libsoci_mysql"}));
  return *driver;
}

} // namespace troupe::persistence
