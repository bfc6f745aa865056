#include "actors/account/key_cache.hpp"

#include <algorithm>

namespace troupe {

void key_cache::erase(room& where, std::list<entry>::iterator at) {
  where.index.erase(at->hash);
  where.order.erase(at);
}

void key_cache::insert(room& where, entry added, std::size_t entries_max) {
  if (auto old = where.index.find(added.hash); old != where.index.end())
    erase(where, old->second);
  while (!where.order.empty() && where.order.size() >= std::max<std::size_t>(entries_max, 1))
    erase(where, std::prev(where.order.end()));
  where.order.push_front(std::move(added));
  where.index.emplace(where.order.front().hash, where.order.begin());
}

const key_cache::entry* key_cache::use(room& where, std::string_view hash, std::int64_t now_us) {
  auto at = where.index.find(hash);
  if (at == where.index.end())
    return nullptr;
  if (at->second->until_us <= now_us) {
    erase(where, at->second);
    return nullptr;
  }
  where.order.splice(where.order.begin(), where.order, at->second);
  return &where.order.front();
}

key_cache::found key_cache::find(std::string_view hash, std::int64_t now_us) {
  if (const auto* at = use(known_, hash, now_us))
    return {result::known, at->principal};
  if (use(unknown_, hash, now_us) != nullptr)
    return {result::unknown, {}};
  return {};
}

bool key_cache::put(std::string_view hash, std::shared_ptr<const v1::Principal> principal,
                    std::int64_t now_us) {
  if (revoked_.contains(principal->id())) {
    put_unknown(hash, now_us);
    return false;
  }
  auto until = now_us + limits_.kept_us;
  if (principal->expires_us() != 0)
    until = std::min(until, principal->expires_us());
  // Ids of entries that were pushed out are swept when there are too many of them.
  if (hash_of_.size() > 2 * limits_.entries_max)
    std::erase_if(hash_of_, [&](const auto& x) { return !known_.index.contains(x.second); });
  hash_of_[principal->id()] = hash;
  insert(known_, {std::string{hash}, std::move(principal), until}, limits_.entries_max);
  return true;
}

void key_cache::put_unknown(std::string_view hash, std::int64_t now_us) {
  insert(unknown_, {std::string{hash}, {}, now_us + limits_.unknown_kept_us},
         limits_.entries_max / 4);
}

void key_cache::clear() {
  known_ = room{};
  unknown_ = room{};
  hash_of_.clear();
}

void key_cache::revoke(const std::string& key_id) {
  if (auto at = hash_of_.find(key_id); at != hash_of_.end()) {
    if (auto entry = known_.index.find(at->second); entry != known_.index.end())
      erase(known_, entry->second);
    hash_of_.erase(at);
  }
  if (!revoked_.insert(key_id).second)
    return;
  revoked_order_.push_back(key_id);
  if (revoked_order_.size() > revoked_max) {
    revoked_.erase(revoked_order_.front());
    revoked_order_.pop_front();
  }
}

} // namespace troupe
