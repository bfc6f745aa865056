#include "persistence/soci/postgresql_driver.hpp"

#include "messages/installed.hpp"
#include "persistence/failure.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace troupe::persistence {

namespace {

constexpr std::string_view module_name = "libtroupe_postgresql.so";

// It stays loaded.
const postgresql_driver& load() {
  auto folders = installed_folders("TROUPE_MODULES", "lib/troupe");
  auto in = std::find_if(folders.begin(), folders.end(), [](const std::filesystem::path& folder) {
    std::error_code ignored;
    return std::filesystem::exists(folder / module_name, ignored);
  });
  if (in == folders.end())
    throw failure(ec::unsupported,
                  fmt::format("PostgreSQL needs {}, which is in none of these folders: {}; set "
                              "TROUPE_MODULES to the folder that has it",
                              module_name, listed(folders)));
  auto* module = ::dlopen((*in / module_name).c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* found = module == nullptr ? nullptr : ::dlsym(module, "troupe_postgresql_driver");
  if (found == nullptr) {
    const auto* why = ::dlerror();
    throw failure(ec::unsupported,
                  fmt::format("{} cannot be used ({}): are libpq and libsoci_postgresql installed?",
                              (*in / module_name).string(), why == nullptr ? "another file" : why));
  }
  return **static_cast<const postgresql_driver* const*>(found);
}

} // namespace

const postgresql_driver& postgresql() {
  static const postgresql_driver& driver = load(); // again, if it failed
  return driver;
}

} // namespace troupe::persistence
