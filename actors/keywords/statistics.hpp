// How often keywords come: by hour, day and channel, in bounded memory. No CAF.
#pragma once

#include "actors/keywords/space_saving.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

struct statistics_options {
  std::size_t counters_max = 512; // of an hour or a day: pairs of keyword and channel
  std::size_t hours_max = 48;     // kept, up to the newest
  std::size_t days_max = 31;
  std::size_t channels_max = 32;   // of an hour or a day by name; the rest together
  std::size_t name_bytes_max = 64; // of a keyword and of a channel; longer ones are cut
  std::int32_t utc_offset_min = 0; // of the days
};

/// Of a counter's key: a channel, this, a keyword. Names have no control characters.
inline constexpr char pair_separator = '\x1f';

/// Exact while an hour (a day) has no more pairs of keyword and channel than counters; beyond that
/// the frequent ones are kept, with bounds of what may be wrong. Totals are always exact. Times are
/// UTC microseconds; what is older than all that is kept is only counted as late. For one thread.
class statistics {
public:
  /// What the channels beyond `channels_max` are called together.
  static constexpr std::string_view other_channels = "*";

  explicit statistics(statistics_options options = {}) : options_(options) {}

  /// A keyword (say, a rule's id) came once.
  void record(std::string_view keyword, std::string_view channel, std::int64_t now_us);

  enum class unit : std::uint8_t { hour, day };

  /// The true count lies between both.
  struct frequency {
    std::string keyword;
    std::uint64_t at_least = 0;
    std::uint64_t at_most = 0;

    bool operator==(const frequency&) const = default;
  };

  /// The most frequent keywords of all hours (days) that begin from `from_us` on and before
  /// `to_us`; of one channel, or, if it is empty, of all.
  std::vector<frequency> top(unit of, std::int64_t from_us, std::int64_t to_us,
                             std::string_view channel, std::size_t count) const;

  /// One hour or day.
  struct point {
    std::int64_t start_us = 0;
    std::uint64_t total = 0; // of all keywords
    std::uint64_t at_least = 0;
    std::uint64_t at_most = 0;
  };
  /// A keyword over time, the hours (days) in which anything came.
  std::vector<point> series(unit of, std::string_view keyword, std::int64_t from_us,
                            std::int64_t to_us) const;

  /// How much came in each channel.
  std::map<std::string, std::uint64_t> channels(unit of, std::int64_t from_us,
                                                std::int64_t to_us) const;

  struct trend {
    std::string keyword;
    std::uint64_t now = 0; // in the last hours, at least
    double expected = 0;   // in as many hours, by those before, at most
    double rise = 0;       // how many times as often as expected, one added to both
    double deviations = 0; // beyond chance, about
  };
  /// What rose: the last `hours` up to now beside the `hours_before` that precede them. Errors
  /// count against a keyword, so that a flood of different ones makes no trend. The most unlikely
  /// first.
  std::vector<trend> trends(std::int64_t now_us, std::size_t hours, std::size_t hours_before,
                            std::size_t count) const;

  /// Adds what another node counted.
  void merge(const statistics& other);

  /// JSON, without the options. `parse` reads it under these options, as if merged into nothing
  /// (days stay the dates they were); nothing if it is no such text, or longer than
  /// `text_bytes_max`.
  std::string serialise() const;
  static std::optional<statistics> parse(std::string_view text, statistics_options options = {});
  static constexpr std::size_t text_bytes_max = 64 * 1024 * 1024;

  std::uint64_t late() const noexcept { return late_; }

private:
  struct bucket {
    explicit bucket(std::size_t counters_max) : pairs(counters_max) {}

    std::uint64_t total = 0;
    std::map<std::string, std::uint64_t, std::less<>> channels;
    space_saving pairs; // keys of `pair_key`
  };
  using buckets = std::map<std::int64_t, bucket>; // by number of the hour or day since 1970

  const buckets& all(unit of) const noexcept { return of == unit::hour ? hours_ : days_; }
  std::int64_t number(unit of, std::int64_t now_us) const noexcept;
  std::int64_t start_us(unit of, std::int64_t number) const noexcept;
  bucket* bucket_of(buckets& of, std::int64_t number, std::size_t buckets_max);
  std::string_view known_channel(const bucket& b, std::string_view channel) const;
  template <class Use>
  void for_each(unit of, std::int64_t from_us, std::int64_t to_us, Use&& use) const;
  std::map<std::string, frequency> sums(unit of, std::int64_t from_us, std::int64_t to_us,
                                        std::string_view channel) const;
  void merge_bucket(bucket& mine, const bucket& theirs);
  void merge_buckets(buckets& mine, const buckets& theirs, std::size_t buckets_max);

  friend class statistics_json;

  statistics_options options_;
  buckets hours_;
  buckets days_;
  std::uint64_t late_ = 0;
};

} // namespace troupe::keywords
