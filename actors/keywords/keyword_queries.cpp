// Answers of the keywords actor that need no actor.
#include "actors/keywords/keywords.hpp"
#include "actors/keywords/rule_files.hpp"

#include <algorithm>

namespace troupe::keywords {

namespace {

constexpr std::size_t limit_usual = 20;
constexpr std::int64_t hour_us = 3'600'000'000;
constexpr std::size_t trend_hours = 3;
constexpr std::size_t trend_hours_max = 24;
constexpr std::size_t trend_hours_before = 24;

std::size_t limit_of(std::int32_t wanted) {
  return wanted > 0 ? static_cast<std::size_t>(wanted) : limit_usual;
}

} // namespace

v1::KeywordsMatched matched(const matcher& rules, const v1::MatchKeywords& query,
                            const rule_usage& usage, std::uint64_t random) {
  message_facts message{query.text(),           query.from().channel(), query.from().account(),
                        query.from().chat_id(), query.from().user_id(), query.from().group(),
                        query.at_us()};
  message_names names{query.sender_name(), query.group_name()};
  matcher::scratch memory;
  auto all = rules.all(message, memory, limit_of(query.limit()));
  v1::KeywordsMatched out;
  out.set_incomplete(all.incomplete);
  for (const auto& match : all.found) {
    auto& one = *out.add_matches();
    auto as_written = *match.what;
    as_written.id = rule_of(match.what->id);
    one.set_rule_id(as_written.id);
    one.set_ruleset(std::string{set_of(match.what->id)});
    one.set_rule_json(export_json(as_written));
    one.set_begin(static_cast<std::int64_t>(match.where.begin));
    one.set_end(static_cast<std::int64_t>(match.where.end));
    for (auto where : match.captures)
      one.add_captures(valid_text(where.of(message.text)));
    auto answer = answer_of(message, match, names, random);
    one.set_answer(std::move(answer.text));
    for (auto& image : answer.images)
      one.add_images(std::move(image));
    one.set_prompt(answer.prompt);
    one.set_rests(usage.rests(*match.what, message));
  }
  return out;
}

v1::KeywordStatistics statistics_of(const statistics& counts,
                                    const v1::GetKeywordStatistics& query) {
  v1::KeywordStatistics out;
  auto unit = query.unit() == "day" ? statistics::unit::day : statistics::unit::hour;
  auto limit = limit_of(query.limit());
  auto from_us = query.from_us();
  if (unit == statistics::unit::hour)
    from_us -= from_us % hour_us; // the whole hour that it is in
  if (query.trends()) {
    auto hours = trend_hours;
    if (query.from_us() > 0)
      hours = static_cast<std::size_t>(std::clamp<std::int64_t>(
          (query.to_us() - query.from_us()) / hour_us, 1, trend_hours_max));
    for (auto& one : counts.trends(query.to_us() - 1, hours, trend_hours_before, limit)) {
      auto& trend = *out.add_trends();
      trend.set_keyword(std::move(one.keyword));
      trend.set_now(static_cast<std::int64_t>(one.now));
      trend.set_expected(one.expected);
      trend.set_rise(one.rise);
      trend.set_deviations(one.deviations);
    }
    return out;
  }
  if (!query.keyword().empty())
    for (const auto& one : counts.series(unit, query.keyword(), from_us, query.to_us())) {
      auto& point = *out.add_series();
      point.set_start_us(one.start_us);
      point.set_total(static_cast<std::int64_t>(one.total));
      point.set_at_least(static_cast<std::int64_t>(one.at_least));
      point.set_at_most(static_cast<std::int64_t>(one.at_most));
    }
  else
    for (auto& one : counts.top(unit, from_us, query.to_us(), query.channel(), limit)) {
      auto& count = *out.add_top();
      count.set_keyword(std::move(one.keyword));
      count.set_at_least(static_cast<std::int64_t>(one.at_least));
      count.set_at_most(static_cast<std::int64_t>(one.at_most));
    }
  for (const auto& [channel, count] : counts.channels(unit, from_us, query.to_us()))
    (*out.mutable_channels())[channel] = static_cast<std::int64_t>(count);
  return out;
}

} // namespace troupe::keywords
