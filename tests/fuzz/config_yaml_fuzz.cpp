// Any text as troupe.yaml: problems, never a crash; and what loads is shown and loads again.
#include "config/diff.hpp"
#include "config/load.hpp"
#include "config/show.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::config;
  constexpr std::size_t size_max = 64 * 1024;
  if (size > size_max)
    return 0;
  std::string_view text{reinterpret_cast<const char*>(data), size};
  if (text.find("file:") != std::string_view::npos)
    return 0; // would read files of this machine
  auto first = load_text(text, "fuzz.yaml");
  for (const auto& p : first.problems)
    if (to_string(p).empty())
      std::abort();
  to_json(first.config).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  auto shown = to_yaml(first.config, &first.where);
  if (!first.ok())
    return 0;
  auto second = load_text(to_yaml(first.config), "again.yaml");
  if (!second.ok() || to_yaml(second.config) != to_yaml(first.config))
    std::abort();
  return 0;
}
