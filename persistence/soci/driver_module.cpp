#include "persistence/soci/driver_module.hpp"

#include "messages/installed.hpp"
#include "persistence/failure.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>

namespace troupe::persistence {

const void* load_driver(const driver_module& module) {
  auto folders = installed_folders("TROUPE_MODULES", "lib/troupe");
  auto in = std::find_if(folders.begin(), folders.end(), [&](const std::filesystem::path& folder) {
    std::error_code ignored;
    return std::filesystem::exists(folder / module.file, ignored);
  });
  if (in == folders.end())
    throw failure(ec::unsupported,
                  fmt::format("{} needs {}, which is in none of these folders: {}; set "
                              "TROUPE_MODULES to the folder that has it",
                              module.database, module.file, listed(folders)));
  auto* loaded = ::dlopen((*in / module.file).c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* found = loaded == nullptr ? nullptr : ::dlsym(loaded, module.variable);
  if (found == nullptr) {
    const auto* why = ::dlerror();
    throw failure(ec::unsupported,
                  fmt::format("{} cannot be used ({}): are {} installed?",
                              (*in / module.file).string(), why == nullptr ? "another file" : why,
                              module.libraries));
  }
  return *static_cast<const void* const*>(found);
}

} // namespace troupe::persistence
