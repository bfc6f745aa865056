// The peers that can be reached now, for those who look one up by its name.
#pragma once

#include "messages/interfaces.hpp"

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// Thread-safe. The links keep it: each link-up brings a new handle, and the old one is dead.
class peer_table {
public:
  void put(const std::string& name, peer_actor handle) {
    std::lock_guard guard{mutex_};
    peers_.insert_or_assign(name, std::move(handle));
  }

  /// Leaves a newer one alone.
  void erase(std::string_view name, const peer_actor& handle) {
    std::lock_guard guard{mutex_};
    auto found = peers_.find(name);
    if (found != peers_.end() && found->second == handle)
      peers_.erase(found);
  }

  /// Empty: there is no link to it.
  peer_actor find(std::string_view name) const {
    std::lock_guard guard{mutex_};
    auto found = peers_.find(name);
    return found == peers_.end() ? peer_actor{} : found->second;
  }

  std::vector<std::string> names() const {
    std::lock_guard guard{mutex_};
    std::vector<std::string> out;
    for (const auto& [name, peer] : peers_)
      out.push_back(name);
    return out;
  }

private:
  mutable std::mutex mutex_;
  std::map<std::string, peer_actor, std::less<>> peers_;
};

} // namespace troupe
