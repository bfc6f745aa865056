#include "config/diff.hpp"

#include "config/table.hpp"

namespace troupe::config {

namespace {

template <class OnKey>
changes compare(const node_config& running, const node_config& after, OnKey on_key) {
  changes result;
  for (const auto& s : sections()) {
    auto count = s.count(running);
    if (count != s.count(after)) {
      result.needs_restart.emplace_back(s.path);
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      for (const auto& key : s.keys) {
        if (read(key, running, i) == read(key, after, i))
          continue;
        (key.reloadable ? result.applied : result.needs_restart).push_back(key_path(s, i, key));
        if (key.reloadable)
          on_key(key, i);
      }
    }
  }
  return result;
}

} // namespace

changes diff(const node_config& running, const node_config& after) {
  return compare(running, after, [](const key_info&, std::size_t) {});
}

changes reload(node_config& running, const node_config& after) {
  auto before = running;
  return compare(before, after, [&](const key_info& key, std::size_t index) {
    auto fresh = read(key, after, index);
    std::visit([&](auto* to) { *to = std::get<std::decay_t<decltype(*to)>>(std::move(fresh)); },
               key.at(running, index));
  });
}

} // namespace troupe::config
