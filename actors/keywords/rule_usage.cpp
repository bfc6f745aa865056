#include "actors/keywords/rule_usage.hpp"

#include "actors/keywords/keyword_kind.hpp"

#include <random>

namespace troupe::keywords {

statistics_options counting_options(std::int64_t day_offset_min) {
  statistics_options options;
  options.counters_max = 256;
  options.name_bytes_max = 256; // of a set, a divider and a rule
  options.utc_offset_min = static_cast<std::int32_t>(day_offset_min);
  return options;
}

std::string bounded_text(const statistics& counts, statistics_options options,
                         std::size_t bytes_max) {
  auto text = counts.serialise();
  while (text.size() > bytes_max && options.counters_max > 1) {
    options.counters_max /= 2;
    auto smaller = statistics::parse(text, options);
    if (!smaller)
      return {};
    text = smaller->serialise();
  }
  return text.size() <= bytes_max ? text : std::string{};
}

bool rule_usage::rests(const rule& r, const message_facts& message) const {
  if (r.cooldown_ms == 0)
    return false;
  std::lock_guard lock{mutex_};
  return cooldowns_.rests(r, message);
}

bool rule_usage::take(const rule& r, const message_facts& message) {
  auto name = shown_id(r.id);
  std::lock_guard lock{mutex_};
  if (cooldowns_.rests(r, message))
    return false;
  cooldowns_.start(r, message);
  statistics_.record(name, message.channel, message.now_us);
  return true;
}

statistics rule_usage::counted() const {
  statistics copy{options_};
  std::lock_guard lock{mutex_};
  copy.merge(statistics_);
  return copy;
}

void rule_usage::restore(const statistics& earlier) {
  std::lock_guard lock{mutex_};
  if (!restored_)
    statistics_.merge(earlier);
  restored_ = true;
}

bool rule_usage::restored() const {
  std::lock_guard lock{mutex_};
  return restored_;
}

std::size_t rule_usage::cooldowns_size() const {
  std::lock_guard lock{mutex_};
  return cooldowns_.size();
}

chosen_answer answer_of(const message_facts& message, const rule_match& match,
                        const message_names& names, std::uint64_t random) {
  thread_local rule_checker zones; // it keeps the zones it found
  static const auto utc = time_zone::find("UTC");
  auto zone = zones.zone(match.what->scope.zone);
  return answer_to(message, match, names, zone == nullptr ? *utc : *zone, random);
}

std::uint64_t draw_random() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return engine();
}

} // namespace troupe::keywords
