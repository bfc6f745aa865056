// The keys that come most often of an endless stream, counted in bounded memory. No CAF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::keywords {

/// Space-Saving (Metwally, Agrawal, El Abbadi, 2005): a counter each for at most so many keys; a
/// new key takes over the least counter, and remembers what was not its own. Exact while there are
/// no more keys than counters. With N counts in m counters no count is over by more than N / m, and
/// every key that came more often than that has a counter.
class space_saving {
public:
  struct counter {
    std::string key;
    std::uint64_t count = 0; // the key came at most so often
    std::uint64_t error = 0; // and at least `count - error` times

    bool operator==(const counter&) const = default;
  };

  /// At least one counter.
  explicit space_saving(std::size_t counters_max);
  space_saving(const space_saving&) = delete;
  space_saving& operator=(const space_saving&) = delete;
  space_saving(space_saving&&) = default;
  space_saving& operator=(space_saving&&) = default;

  void add(std::string_view key, std::uint64_t times = 1);

  /// Nothing if the key has no counter.
  std::optional<counter> find(std::string_view key) const;

  /// All counters, the greatest first; of equals by key.
  std::vector<counter> counters() const;

  /// A key without a counter came at most so often.
  std::uint64_t absent_max() const noexcept;
  std::size_t size() const noexcept { return heap_.size(); }

  /// Adds what another one counted: as if this one had seen both streams, the errors added up.
  void merge(const space_saving& other);

  /// Counters as `counters` gave them, with the bound of what had none. False (and nothing is
  /// changed) if they make no sense: a key twice, a count of 0 or
  /// below the bound, an error greater than its count.
  bool restore(const std::vector<counter>& counters, std::uint64_t absent_max);

private:
  struct place {
    std::uint64_t count = 0;
    std::uint64_t error = 0;
    std::size_t at = 0; // in heap_
  };
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept {
      return std::hash<std::string_view>{}(key);
    }
  };
  using table = std::unordered_map<std::string, place, hash, std::equal_to<>>;

  void insert(std::string_view key, std::uint64_t count, std::uint64_t error);
  void drop_least();
  void rise(std::size_t at);
  void sink(std::size_t at);
  void set(std::size_t at, table::value_type* what);
  std::uint64_t count_at(std::size_t at) const noexcept { return heap_[at]->second.count; }

  std::size_t counters_max_;
  table places_;
  std::vector<table::value_type*>
      heap_;                // the least count first; a table's nodes stay where they are
  std::uint64_t floor_ = 0; // of absent_max: what merging left open
};

} // namespace troupe::keywords
