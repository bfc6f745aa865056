// Statistics as text, for the store and for other nodes.
#include "actors/keywords/fold.hpp"
#include "actors/keywords/statistics.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>

namespace troupe::keywords {

namespace {

using nlohmann::json;

constexpr std::uint64_t count_max = std::uint64_t{1} << 40; // sums stay far from overflow
constexpr std::int64_t number_max = 10'000'000;             // of an hour: the year 3110
constexpr std::size_t entries_max = 1'000'000;

bool read_count(const json& from, std::uint64_t& out) {
  if (!from.is_number_unsigned())
    return false;
  out = from.get<std::uint64_t>();
  return out <= count_max;
}

bool read_count(const json& object, const char* name, std::uint64_t& out) {
  auto found = object.find(name);
  return found != object.end() && read_count(*found, out);
}

} // namespace

class statistics_json {
public:
  using buckets = statistics::buckets;

  static json write(const buckets& all) {
    auto array = json::array();
    for (const auto& [number, b] : all) {
      auto counters = json::array();
      for (const auto& c : b.pairs.counters())
        counters.push_back(json::array({c.key, c.count, c.error}));
      array.push_back({{"number", number},
                       {"total", b.total},
                       {"channels", b.channels},
                       {"absent_max", b.pairs.absent_max()},
                       {"counters", std::move(counters)}});
    }
    return array;
  }

  static bool read(const json& object, const char* name, buckets& out) {
    auto found = object.find(name);
    if (found == object.end() || !found->is_array() || found->size() > entries_max)
      return false;
    return std::all_of(found->begin(), found->end(),
                       [&](const json& one) { return read_bucket(one, out); });
  }

private:
  static bool read_bucket(const json& from, buckets& out) {
    if (!from.is_object() || !from.contains("number") || !from["number"].is_number_integer())
      return false;
    auto number = from["number"].get<std::int64_t>();
    std::uint64_t absent = 0;
    std::vector<space_saving::counter> counters;
    if (number < -number_max || number > number_max || !read_count(from, "absent_max", absent)
        || !read_counters(from, counters))
      return false;
    auto [made, added] = out.try_emplace(number, counters.size() + 1);
    auto& b = made->second;
    return added && read_count(from, "total", b.total) && read_channels(from, b)
           && b.pairs.restore(counters, absent) && adds_up(counters, b);
  }

  /// The total is that of the channels, and nothing was counted more often than its channel.
  static bool adds_up(const std::vector<space_saving::counter>& counters,
                      const statistics::bucket& b) {
    auto left = b.channels;
    for (const auto& c : counters) {
      auto at = c.key.find(pair_separator);
      if (at == c.key.npos)
        return false;
      auto channel = left.find(std::string_view{c.key}.substr(0, at));
      auto certain = c.count - c.error;
      if (channel == left.end() || channel->second < certain)
        return false;
      channel->second -= certain;
    }
    auto rest = b.total;
    for (const auto& [name, count] : b.channels) {
      if (count > rest)
        return false;
      rest -= count;
    }
    return rest == 0;
  }

  static bool read_channels(const json& from, statistics::bucket& b) {
    auto found = from.find("channels");
    if (found == from.end() || !found->is_object() || found->size() > entries_max)
      return false;
    for (const auto& [name, count] : found->items())
      if (!is_plain_text(name) || !read_count(count, b.channels[name]))
        return false;
    return true;
  }

  static bool read_counters(const json& from, std::vector<space_saving::counter>& out) {
    auto found = from.find("counters");
    if (found == from.end() || !found->is_array() || found->size() > entries_max)
      return false;
    for (const auto& one : *found) {
      space_saving::counter c;
      if (!one.is_array() || one.size() != 3 || !one[0].is_string() || !read_count(one[1], c.count)
          || !read_count(one[2], c.error))
        return false;
      c.key = one[0].get<std::string>();
      if (!is_plain_text(c.key))
        return false;
      out.push_back(std::move(c));
    }
    return true;
  }
};

std::string statistics::serialise() const {
  json all{{"version", 1},
           {"late", late_},
           {"hours", statistics_json::write(hours_)},
           {"days", statistics_json::write(days_)}};
  return all.dump();
}

std::optional<statistics> statistics::parse(std::string_view text, statistics_options options) {
  if (text.size() > text_bytes_max)
    return {};
  auto all = json::parse(text, nullptr, false);
  statistics result{options};
  statistics given{options};
  std::uint64_t version = 0;
  if (!all.is_object() || !read_count(all, "version", version) || version != 1
      || !read_count(all, "late", given.late_) || !statistics_json::read(all, "hours", given.hours_)
      || !statistics_json::read(all, "days", given.days_))
    return {};
  result.merge(given);
  return result;
}

} // namespace troupe::keywords
