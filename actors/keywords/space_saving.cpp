#include "actors/keywords/space_saving.hpp"

#include <algorithm>
#include <unordered_set>

namespace troupe::keywords {

space_saving::space_saving(std::size_t counters_max) :
    counters_max_(std::max<std::size_t>(counters_max, 1)) {}

std::uint64_t space_saving::absent_max() const noexcept {
  return heap_.size() < counters_max_ ? floor_ : std::max(floor_, count_at(0));
}

void space_saving::add(std::string_view key, std::uint64_t times) {
  if (times == 0)
    return;
  if (auto known = places_.find(key); known != places_.end()) {
    known->second.count += times;
    sink(known->second.at);
    return;
  }
  auto missed = absent_max(); // so often it may have come unseen
  if (heap_.size() == counters_max_)
    drop_least();
  insert(key, missed + times, missed);
}

void space_saving::insert(std::string_view key, std::uint64_t count, std::uint64_t error) {
  auto& added = *places_.emplace(std::string{key}, place{count, error, heap_.size()}).first;
  heap_.push_back(&added);
  rise(heap_.size() - 1);
}

void space_saving::drop_least() {
  auto* least = heap_.front();
  set(0, heap_.back());
  heap_.pop_back();
  if (!heap_.empty())
    sink(0);
  places_.erase(places_.find(least->first));
}

void space_saving::set(std::size_t at, table::value_type* what) {
  heap_[at] = what;
  what->second.at = at;
}

void space_saving::rise(std::size_t at) {
  auto* what = heap_[at];
  while (at > 0 && count_at((at - 1) / 2) > what->second.count) {
    set(at, heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  set(at, what);
}

void space_saving::sink(std::size_t at) {
  auto* what = heap_[at];
  for (;;) {
    auto child = 2 * at + 1;
    if (child >= heap_.size())
      break;
    if (child + 1 < heap_.size() && count_at(child + 1) < count_at(child))
      ++child;
    if (count_at(child) >= what->second.count)
      break;
    set(at, heap_[child]);
    at = child;
  }
  set(at, what);
}

std::optional<space_saving::counter> space_saving::find(std::string_view key) const {
  auto known = places_.find(key);
  if (known == places_.end())
    return {};
  return counter{known->first, known->second.count, known->second.error};
}

std::vector<space_saving::counter> space_saving::counters() const {
  std::vector<counter> all;
  all.reserve(heap_.size());
  for (const auto& [key, p] : places_)
    all.push_back({key, p.count, p.error});
  std::sort(all.begin(), all.end(), [](const counter& a, const counter& b) {
    return a.count != b.count ? a.count > b.count : a.key < b.key;
  });
  return all;
}

// A key that one side does not count may have come there as often as that side's bound says.
void space_saving::merge(const space_saving& other) {
  auto mine = absent_max();
  auto theirs = other.absent_max();
  std::vector<counter> all;
  for (auto& c : counters()) {
    auto also = other.find(c.key);
    all.push_back(
        {c.key, c.count + (also ? also->count : theirs), c.error + (also ? also->error : theirs)});
  }
  for (auto& c : other.counters())
    if (places_.find(c.key) == places_.end())
      all.push_back({c.key, c.count + mine, c.error + mine});
  std::sort(all.begin(), all.end(), [](const counter& a, const counter& b) {
    return a.count != b.count ? a.count > b.count : a.key < b.key;
  });
  heap_.clear();
  places_.clear();
  floor_ = mine + theirs;
  all.resize(
      std::min(all.size(), counters_max_)); // what goes counts less than the least that stays
  for (const auto& c : all)
    insert(c.key, c.count, c.error);
}

bool space_saving::restore(const std::vector<counter>& counters, std::uint64_t absent_max) {
  std::unordered_set<std::string_view> seen;
  for (const auto& c : counters)
    if (c.count == 0 || c.count < absent_max || c.error > c.count || !seen.insert(c.key).second)
      return false;
  space_saving given{counters.size()};
  for (const auto& c : counters)
    given.insert(c.key, c.count, c.error);
  given.floor_ = absent_max;
  // A set that is just full says its least count; the bound it came with is the better one.
  given.counters_max_ = counters.size() + 1;
  heap_.clear();
  places_.clear();
  floor_ = 0;
  merge(given);
  return true;
}

} // namespace troupe::keywords
