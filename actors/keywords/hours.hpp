// Hours of the day, as clocks of a time zone show them. No CAF.
#pragma once

#include <unicode/uversion.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

U_NAMESPACE_BEGIN
class TimeZone;
U_NAMESPACE_END

namespace troupe::keywords {

inline constexpr int minutes_a_day = 24 * 60;

/// Immutable and thread-safe. Knows daylight saving by ICU's own tables.
class time_zone {
public:
  /// A name of the IANA's (`Asia/Shanghai`, `UTC`) or an offset (`+08:00`, `-03:30`). No zone if it
  /// is neither.
  static std::shared_ptr<const time_zone> find(std::string_view name);

  /// Minutes since midnight at a UTC time in microseconds.
  int minute_of_day(std::int64_t now_us) const;

  /// `2026-11-27` and `09:05`.
  std::string date_text(std::int64_t now_us) const;
  std::string time_text(std::int64_t now_us) const;

private:
  explicit time_zone(std::shared_ptr<const icu::TimeZone> zone) : zone_(std::move(zone)) {}
  std::int64_t local_ms(std::int64_t now_us) const;

  std::shared_ptr<const icu::TimeZone> zone_;
};

/// A part of every day: from the first minute up to, but not including, the last; past midnight if
/// the first is the later one. Minutes since midnight, 0 to 1440.
struct day_hours {
  int from_minute = 0;
  int to_minute = minutes_a_day;

  bool contains(int minute) const noexcept {
    return from_minute <= to_minute ? from_minute <= minute && minute < to_minute
                                    : from_minute <= minute || minute < to_minute;
  }
  bool operator==(const day_hours&) const = default;
};

/// Reads `09:00-18:30`; false if it is not of that form, or of no length.
bool read_hours(std::string_view text, day_hours& out);
std::string to_string(const day_hours& hours);

} // namespace troupe::keywords
