#include "actors/keywords/hours.hpp"

#include <fmt/format.h>
#include <unicode/timezone.h>
#include <unicode/ucal.h>

#include <chrono>
#include <optional>

namespace troupe::keywords {

namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::size_t name_bytes_max = 64;

std::int64_t floor_divided(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// `HH:MM`, up to 24:00, in minutes.
std::optional<int> read_time(std::string_view text) {
  auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4))
    return {};
  auto number = [&](std::size_t i) { return (text[i] - '0') * 10 + text[i + 1] - '0'; };
  auto minutes = number(0) * 60 + number(3);
  if (number(3) > 59 || minutes > minutes_a_day)
    return {};
  return minutes;
}

} // namespace

std::shared_ptr<const time_zone> time_zone::find(std::string_view name) {
  std::string id{name};
  if (name.starts_with('+') || name.starts_with('-')) {
    auto minutes = read_time(name.substr(1));
    if (!minutes || *minutes > 14 * 60)
      return nullptr;
    id = "GMT" + id;
  } else if (name.empty() || name.size() > name_bytes_max || name.starts_with("GMT+")
             || name.starts_with("GMT-")) {
    return nullptr; // ICU would take many forms of offsets
  }
  std::shared_ptr<const icu::TimeZone> zone{
      icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(id))};
  icu::UnicodeString known;
  if (zone == nullptr || zone->getID(known) == icu::UnicodeString{UCAL_UNKNOWN_ZONE_ID})
    return nullptr;
  return std::shared_ptr<const time_zone>{new time_zone{std::move(zone)}};
}

std::int64_t time_zone::local_ms(std::int64_t now_us) const {
  auto now_ms = floor_divided(now_us, 1'000);
  std::int32_t raw_ms = 0;
  std::int32_t saving_ms = 0;
  auto status = U_ZERO_ERROR;
  zone_->getOffset(static_cast<UDate>(now_ms), 0, raw_ms, saving_ms, status);
  return now_ms + (U_SUCCESS(status) ? raw_ms + saving_ms : 0);
}

int time_zone::minute_of_day(std::int64_t now_us) const {
  auto local = local_ms(now_us);
  return static_cast<int>((local - floor_divided(local, day_ms) * day_ms) / 60'000);
}

std::string time_zone::date_text(std::int64_t now_us) const {
  std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{floor_divided(local_ms(now_us), day_ms)}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string time_zone::time_text(std::int64_t now_us) const {
  auto minute = minute_of_day(now_us);
  return fmt::format("{:02}:{:02}", minute / 60, minute % 60);
}

bool read_hours(std::string_view text, day_hours& out) {
  if (text.size() != 11 || text[5] != '-')
    return false;
  auto from = read_time(text.substr(0, 5));
  auto to = read_time(text.substr(6));
  if (!from || !to || *from == *to || *from == minutes_a_day)
    return false;
  out = {*from, *to};
  return true;
}

std::string to_string(const day_hours& hours) {
  return fmt::format("{:02}:{:02}-{:02}:{:02}", hours.from_minute / 60, hours.from_minute % 60,
                     hours.to_minute / 60, hours.to_minute % 60);
}

} // namespace troupe::keywords
