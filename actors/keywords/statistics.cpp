#include "actors/keywords/statistics.hpp"

#include "actors/keywords/fold.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace troupe::keywords {

namespace {

constexpr std::int64_t minute_us = 60'000'000;
constexpr std::int64_t hour_us = 60 * minute_us;
constexpr std::int64_t day_us = 24 * hour_us;
constexpr std::int64_t time_us_max = 100'000'000'000'000'000; // the year 5138

std::int64_t floor_divided(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// A name that can be kept and shown: bounded, UTF-8, without control characters.
std::string kept_name(std::string_view name, std::size_t bytes_max) {
  std::string kept{cut_text(name, bytes_max)};
  std::erase_if(kept, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!is_plain_text(kept))
    std::replace_if(
        kept.begin(), kept.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; },
        '?');
  return kept;
}

std::string pair_key(std::string_view keyword, std::string_view channel) {
  std::string key{channel};
  key += pair_separator;
  key += keyword;
  return key;
}

struct pair_names {
  std::string_view keyword;
  std::string_view channel;
};

pair_names split_pair(std::string_view key) {
  auto at = std::min(key.find(pair_separator), key.size());
  return {key.substr(std::min(at + 1, key.size())), key.substr(0, at)};
}

/// The counters where some channels are one: what was not counted in each of them adds up.
space_saving with_joined(const space_saving& from, const std::set<std::string, std::less<>>& joined,
                         std::string_view name) {
  auto absent = from.absent_max();
  auto bound = absent * std::max<std::uint64_t>(joined.size(), 1);
  struct sum {
    std::uint64_t count = 0;
    std::uint64_t error = 0;
    std::uint64_t parts = 0;
  };
  std::map<std::string, sum> sums;
  for (const auto& c : from.counters()) {
    auto [keyword, channel] = split_pair(c.key);
    auto is_joined = joined.find(channel) != joined.end();
    auto& s = sums[is_joined ? pair_key(keyword, name) : c.key];
    s.count += c.count;
    s.error += c.error;
    s.parts += is_joined ? 1 : joined.size();
  }
  std::vector<space_saving::counter> counters;
  for (auto& [key, s] : sums) {
    auto unseen = absent * (joined.size() - std::min<std::uint64_t>(s.parts, joined.size()));
    auto raised = std::max(s.count + unseen, bound) - s.count;
    counters.push_back({key, s.count + raised, s.error + raised});
  }
  space_saving result{counters.size() + 1};
  result.restore(counters, bound);
  return result;
}

} // namespace

std::int64_t statistics::number(unit of, std::int64_t now_us) const noexcept {
  now_us = std::clamp(now_us, -time_us_max, time_us_max);
  if (of == unit::hour)
    return floor_divided(now_us, hour_us);
  return floor_divided(now_us + options_.utc_offset_min * minute_us, day_us);
}

std::int64_t statistics::start_us(unit of, std::int64_t number) const noexcept {
  return of == unit::hour ? number * hour_us
                          : number * day_us - options_.utc_offset_min * minute_us;
}

// Null for what is older than all that may be kept. A clock that leaps ahead leaves the old behind.
statistics::bucket* statistics::bucket_of(buckets& of, std::int64_t number,
                                          std::size_t buckets_max) {
  auto kept = static_cast<std::int64_t>(std::max<std::size_t>(buckets_max, 1));
  if (!of.empty() && number <= of.rbegin()->first - kept)
    return nullptr;
  auto& found = of.try_emplace(number, options_.counters_max).first->second;
  while (of.begin()->first <= of.rbegin()->first - kept)
    of.erase(of.begin());
  return &found;
}

std::string_view statistics::known_channel(const bucket& b, std::string_view channel) const {
  // What the others are called together takes nobody's place.
  auto named = b.channels.size() - b.channels.count(other_channels);
  return b.channels.find(channel) != b.channels.end() || named < options_.channels_max
             ? channel
             : other_channels;
}

void statistics::record(std::string_view keyword, std::string_view channel, std::int64_t now_us) {
  auto kept_keyword = kept_name(keyword, options_.name_bytes_max);
  auto kept_channel = kept_name(channel, options_.name_bytes_max);
  auto add = [&](buckets& of, unit which, std::size_t buckets_max) {
    auto* b = bucket_of(of, number(which, now_us), buckets_max);
    if (b == nullptr)
      return false;
    auto name = known_channel(*b, kept_channel);
    ++b->total;
    ++b->channels[std::string{name}];
    b->pairs.add(pair_key(kept_keyword, name));
    return true;
  };
  auto in_hours = add(hours_, unit::hour, options_.hours_max);
  auto in_days = add(days_, unit::day, options_.days_max);
  if (!in_hours && !in_days)
    ++late_;
}

template <class Use>
void statistics::for_each(unit of, std::int64_t from_us, std::int64_t to_us, Use&& use) const {
  for (const auto& [number, b] : all(of)) {
    auto start = start_us(of, number);
    if (start >= from_us && start < to_us)
      use(start, b);
  }
}

// What has no counter in an hour may have come there as often as the hour's bound says, in each of
// its channels: that is added to all, and left out where there is a counter.
std::map<std::string, statistics::frequency> statistics::sums(unit of, std::int64_t from_us,
                                                              std::int64_t to_us,
                                                              std::string_view channel) const {
  std::map<std::string, frequency> found;
  std::uint64_t unseen = 0;
  std::uint64_t total = 0;
  for_each(of, from_us, to_us, [&](std::int64_t, const bucket& b) {
    auto wanted = channel.empty() ? channel : known_channel(b, channel);
    auto absent = b.pairs.absent_max();
    for (const auto& [name, count] : b.channels) {
      if (!wanted.empty() && name != wanted)
        continue;
      unseen += absent;
      total += count;
    }
    for (const auto& c : b.pairs.counters()) {
      auto [keyword, name] = split_pair(c.key);
      if (!wanted.empty() && name != wanted)
        continue;
      auto& f = found[std::string{keyword}];
      f.at_least += c.count - c.error;
      f.at_most += c.count - absent;
    }
  });
  for (auto& [keyword, f] : found) {
    f.keyword = keyword;
    f.at_most = std::min(f.at_most + unseen, total);
  }
  return found;
}

std::vector<statistics::frequency> statistics::top(unit of, std::int64_t from_us,
                                                   std::int64_t to_us, std::string_view channel,
                                                   std::size_t count) const {
  std::vector<frequency> all;
  for (auto& [keyword, f] : sums(of, from_us, to_us, channel))
    all.push_back(f);
  auto more = [](const frequency& a, const frequency& b) {
    return std::tuple{b.at_most, b.at_least, a.keyword}
           < std::tuple{a.at_most, a.at_least, b.keyword};
  };
  auto kept = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(), more);
  all.resize(kept);
  return all;
}

std::vector<statistics::point> statistics::series(unit of, std::string_view keyword,
                                                  std::int64_t from_us, std::int64_t to_us) const {
  std::vector<point> result;
  for_each(of, from_us, to_us, [&](std::int64_t start, const bucket& b) {
    point p{start, b.total, 0, 0};
    for (const auto& [channel, count] : b.channels) {
      auto counted = b.pairs.find(pair_key(keyword, channel));
      p.at_least += counted ? counted->count - counted->error : 0;
      p.at_most += counted ? counted->count : std::min(b.pairs.absent_max(), count);
    }
    result.push_back(p);
  });
  return result;
}

std::map<std::string, std::uint64_t> statistics::channels(unit of, std::int64_t from_us,
                                                          std::int64_t to_us) const {
  std::map<std::string, std::uint64_t> result;
  for_each(of, from_us, to_us, [&](std::int64_t, const bucket& b) {
    for (const auto& [channel, count] : b.channels)
      result[channel] += count;
  });
  return result;
}

std::vector<statistics::trend> statistics::trends(std::int64_t now_us, std::size_t hours,
                                                  std::size_t hours_before,
                                                  std::size_t count) const {
  hours = std::clamp<std::size_t>(hours, 1, options_.hours_max);
  hours_before = std::clamp<std::size_t>(hours_before, 1, options_.hours_max);
  auto end = (number(unit::hour, now_us) + 1) * hour_us;
  auto middle = end - static_cast<std::int64_t>(hours) * hour_us;
  auto begin = middle - static_cast<std::int64_t>(hours_before) * hour_us;
  auto before = sums(unit::hour, begin, middle, {});
  // A keyword without a counter in the hours before may have come there unseen.
  std::uint64_t unseen = 0;
  for_each(unit::hour, begin, middle, [&](std::int64_t, const bucket& b) {
    unseen += std::min(b.pairs.absent_max() * b.channels.size(), b.total);
  });
  auto share = static_cast<double>(hours) / static_cast<double>(hours_before);
  std::vector<trend> result;
  for (auto& [keyword, f] : sums(unit::hour, middle, end, {})) {
    auto earlier = before.find(keyword);
    trend t{keyword, f.at_least};
    t.expected =
        share * static_cast<double>(earlier == before.end() ? unseen : earlier->second.at_most);
    auto now = static_cast<double>(t.now);
    t.rise = (now + 1) / (t.expected + 1);
    // Counts of rare things scatter by the root of their mean (Poisson); one for those never seen.
    t.deviations = (now - t.expected) / std::sqrt(t.expected + 1);
    if (t.deviations > 0)
      result.push_back(std::move(t));
  }
  std::sort(result.begin(), result.end(), [](const trend& a, const trend& b) {
    return a.deviations != b.deviations ? a.deviations > b.deviations : a.keyword < b.keyword;
  });
  result.resize(std::min(result.size(), count));
  return result;
}

void statistics::merge_bucket(bucket& mine, const bucket& theirs) {
  std::set<std::string, std::less<>> joined; // with the other channels, for want of room here
  for (const auto& [channel, count] : theirs.channels) {
    auto name = known_channel(mine, channel);
    if (name == other_channels)
      joined.insert(channel);
    mine.channels[std::string{name}] += count;
  }
  mine.total += theirs.total;
  auto only_itself = joined.size() == 1 && *joined.begin() == other_channels;
  if (joined.empty() || only_itself)
    mine.pairs.merge(theirs.pairs);
  else
    mine.pairs.merge(with_joined(theirs.pairs, joined, other_channels));
}

void statistics::merge_buckets(buckets& mine, const buckets& theirs, std::size_t buckets_max) {
  for (const auto& [number, from] : theirs)
    if (auto* to = bucket_of(mine, number, buckets_max))
      merge_bucket(*to, from);
}

void statistics::merge(const statistics& other) {
  merge_buckets(hours_, other.hours_, options_.hours_max);
  merge_buckets(days_, other.days_, options_.days_max);
  late_ += other.late_;
}

} // namespace troupe::keywords
