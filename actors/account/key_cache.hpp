// What the keyring remembers of API keys. Knows no actor.
#pragma once

#include "troupe/v1/account.pb.h"

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace troupe {

/// A bounded cache from the hash of a secret to who holds it, or to "nobody". When it is full, the
/// entry unused for longest goes. Keys that do not exist have a smaller room of their own: guesses
/// push out guesses, never a good key. Times are UTC microseconds.
class key_cache {
public:
  struct limits {
    std::size_t entries_max = 10'000;
    std::int64_t kept_us = 60'000'000;
    /// For keys that do not exist: one made meanwhile on another node works after this.
    std::int64_t unknown_kept_us = 2'000'000;
  };

  explicit key_cache(limits given) : limits_(given) {}

  enum class result { miss, known, unknown };
  struct found {
    result what = result::miss;
    std::shared_ptr<const v1::Principal> principal;
  };

  found find(std::string_view hash, std::int64_t now_us);
  /// False if the key was revoked while it was looked up: it is nobody's then.
  bool put(std::string_view hash, std::shared_ptr<const v1::Principal> principal,
           std::int64_t now_us);
  void put_unknown(std::string_view hash, std::int64_t now_us);
  /// Forgets the key; a look-up under way will not bring it back.
  void revoke(const std::string& key_id);
  /// Forgets everything but what was revoked.
  void clear();

  std::size_t size() const { return known_.index.size() + unknown_.index.size(); }

private:
  struct entry {
    std::string hash;
    std::shared_ptr<const v1::Principal> principal;
    std::int64_t until_us = 0;
  };
  struct room {
    std::list<entry> order; // most recently used first
    std::unordered_map<std::string_view, std::list<entry>::iterator> index;
  };

  static void erase(room& where, std::list<entry>::iterator at);
  static void insert(room& where, entry added, std::size_t entries_max);
  static const entry* use(room& where, std::string_view hash, std::int64_t now_us);

  static constexpr std::size_t revoked_max = 10'000; // only look-ups under way matter

  limits limits_;
  room known_;
  room unknown_;
  std::unordered_map<std::string, std::string> hash_of_; // key id -> hash
  std::unordered_set<std::string> revoked_;
  std::list<std::string> revoked_order_;
};

} // namespace troupe
