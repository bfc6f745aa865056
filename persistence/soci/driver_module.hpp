// Database drivers that are loaded when a database of theirs is opened: decision 22.
#pragma once

#include <string_view>

namespace troupe::persistence {

struct driver_module {
  std::string_view file;      // libtroupe_postgresql.so
  const char* variable;       // in it, a pointer to the driver
  std::string_view database;  // PostgreSQL
  std::string_view libraries; // what it needs: libpq and libsoci_postgresql
};

/// Loads it, and returns the driver. Throws `failure` (`unsupported`) where it is missing. It stays
/// loaded.
const void* load_driver(const driver_module& module);

} // namespace troupe::persistence
