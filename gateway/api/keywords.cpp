#include "gateway/api/keywords.hpp"

#include "gateway/api/json_reader.hpp"
#include "gateway/api/moderation_json.hpp"
#include "gateway/api/text_status.hpp"

#include <fmt/format.h>

namespace troupe::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t text_bytes_max = 16'384; // of a message that rules look at
constexpr std::size_t name_bytes_max = 256;
constexpr std::int64_t time_us_max = 32'503'680'000'000'000; // the year 3000
constexpr std::int64_t test_bytes_max = 65'536;

struct keyword_api {
  keyword_routes keywords;
  api_options_ptr api;
};
using keyword_api_ptr = std::shared_ptr<const keyword_api>;

struct keyword_request {
  keyword_api_ptr api;
  exchange& x;
};
using keyword_handler = asio::awaitable<void> (*)(keyword_request);

json as_json(const v1::KeywordsMatched& matched) { return to_json(matched); }
json as_json(const v1::KeywordStatistics& statistics) { return to_json(statistics); }
json as_json(const v1::TextServiceStatus& status) {
  return text_status_json(status, "keyword_sets");
}

/// Asks the actor, and answers with its answer as JSON.
template <class Answer, class Query>
asio::awaitable<void> relay(keyword_request r, payload<Query> message) {
  auto answer = co_await ask<payload<Answer>>(r.x.shard(), r.api->keywords.service,
                                              r.api->keywords.limit, std::move(message));
  if (!answer) {
    co_await reply_error(r.x, answer.error());
    co_return;
  }
  auto body = as_json(**answer);
  co_await reply_json(r.x, 200, body);
}

asio::awaitable<void> test(keyword_request r) {
  auto err = check_content_type(r.x);
  auto query = err ? caf::expected<v1::MatchKeywords>{err} : read_match_keywords(r.x.body());
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  *query->mutable_context() = r.x.context();
  MatchKeywords message{std::move(*query)};
  co_await relay<v1::KeywordsMatched>(r, std::move(message));
}

asio::awaitable<void> statistics(keyword_request r) {
  auto query = read_statistics_query(r.x);
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  *query->mutable_context() = r.x.context();
  GetKeywordStatistics message{std::move(*query)};
  co_await relay<v1::KeywordStatistics>(r, std::move(message));
}

asio::awaitable<void> status(keyword_request r) {
  GetTextServiceStatus message;
  co_await relay<v1::TextServiceStatus>(r, std::move(message));
}

asio::awaitable<void> run_admitted(keyword_request r, keyword_handler handle) {
  std::string scope{"admin"};
  auto who = co_await r.api->api->who->authorize(r.x, std::move(scope));
  if (!who)
    co_await reply_error(r.x, who.error());
  else
    co_await handle(r);
}

} // namespace

caf::expected<v1::MatchKeywords> read_match_keywords(std::string_view body) {
  auto value = parse_json(body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  v1::MatchKeywords out;
  auto text = [&](std::string_view name) { return reader.text(name, name_bytes_max).value_or(""); };
  reader.require("text", fmt::format("a string of 1 to {} bytes", text_bytes_max));
  out.set_text(reader.text("text", text_bytes_max, 1).value_or(""));
  out.mutable_ruleset()->set_name(text("set"));
  auto& from = *out.mutable_from();
  from.set_channel(text("channel"));
  from.set_account(text("account"));
  from.set_chat_id(text("chat_id"));
  from.set_user_id(text("user_id"));
  from.set_group(reader.boolean("group").value_or(false));
  out.set_sender_name(text("sender_name"));
  out.set_group_name(text("group_name"));
  out.set_at_us(reader.integer("at_us", 0, time_us_max).value_or(0));
  out.set_limit(static_cast<std::int32_t>(reader.integer("limit", 1, 1'000).value_or(0)));
  if (auto err = reader.finish())
    return err;
  return out;
}

caf::expected<v1::GetKeywordStatistics> read_statistics_query(const exchange& x) {
  v1::GetKeywordStatistics out;
  auto unit = x.query("unit");
  if (!unit.empty() && unit != "hour" && unit != "day")
    return make_error(ec::invalid_argument, "unit must be hour or day");
  for (auto name : {"channel", "keyword"})
    if (x.query(name).size() > name_bytes_max || !is_plain_utf8(x.query(name)))
      return make_error(ec::invalid_argument, fmt::format("{} must be UTF-8 text of at most {} "
                                                          "bytes",
                                                          name, name_bytes_max));
  auto from = read_query_integer("from_us", x.query("from_us"), 0, time_us_max, 0);
  auto to = read_query_integer("to_us", x.query("to_us"), 0, time_us_max, 0);
  auto limit = read_query_integer("limit", x.query("limit"), 1, 1'000, 20);
  auto trends = read_query_flag("trends", x.query("trends"), false);
  for (const auto* number : {&from, &to, &limit})
    if (!*number)
      return number->error();
  if (!trends)
    return trends.error();
  out.set_unit(std::string{unit});
  out.set_channel(std::string{x.query("channel")});
  out.set_keyword(std::string{x.query("keyword")});
  out.set_from_us(*from);
  out.set_to_us(*to);
  out.set_limit(static_cast<std::int32_t>(*limit));
  out.set_trends(*trends);
  return out;
}

json to_json(const v1::KeywordsMatched& matched) {
  auto matches = json::array();
  for (const auto& match : matched.matches()) {
    json one{{"set", match.ruleset()},    {"rule", json::parse(match.rule_json(), nullptr, false)},
             {"begin", match.begin()},    {"end", match.end()},
             {"captures", json::array()}, {"answer", match.answer()},
             {"images", json::array()},   {"prompt", match.prompt()},
             {"rests", match.rests()}};
    for (const auto& capture : match.captures())
      one["captures"].push_back(capture);
    for (const auto& image : match.images())
      one["images"].push_back(image);
    matches.push_back(std::move(one));
  }
  return {{"matches", std::move(matches)}, {"incomplete", matched.incomplete()}};
}

json to_json(const v1::KeywordStatistics& statistics) {
  auto top = json::array();
  for (const auto& x : statistics.top())
    top.push_back({{"keyword", x.keyword()}, {"at_least", x.at_least()}, {"at_most", x.at_most()}});
  auto series = json::array();
  for (const auto& x : statistics.series())
    series.push_back({{"start_us", x.start_us()},
                      {"total", x.total()},
                      {"at_least", x.at_least()},
                      {"at_most", x.at_most()}});
  auto trends = json::array();
  for (const auto& x : statistics.trends())
    trends.push_back({{"keyword", x.keyword()},
                      {"now", x.now()},
                      {"expected", x.expected()},
                      {"rise", x.rise()},
                      {"deviations", x.deviations()}});
  auto channels = json::object();
  for (const auto& [name, count] : statistics.channels())
    channels[name] = count;
  return {{"top", std::move(top)},
          {"series", std::move(series)},
          {"trends", std::move(trends)},
          {"channels", std::move(channels)}};
}

void add_keyword_routes(router& routes, keyword_routes keywords, const api_options_ptr& api) {
  auto shared = std::make_shared<const keyword_api>(keyword_api{std::move(keywords), api});
  auto run = [&](keyword_handler handle) {
    return [shared, handle](exchange& x) { return run_admitted({shared, x}, handle); };
  };
  route_options small;
  small.body_bytes_max = test_bytes_max;
  routes.add("POST", "/api/v1/keywords/test", run(test), small);
  routes.add("GET", "/api/v1/keywords/statistics", run(statistics));
  routes.add("GET", "/api/v1/keywords/status", run(status));
}

} // namespace troupe::gateway
