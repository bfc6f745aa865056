// POST /v1/moderations in OpenAI's shape, answered by the lexicons.
#include "gateway/api/json_reader.hpp"
#include "gateway/openai/openai_call.hpp"
#include "messages/id.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>

namespace troupe::gateway::openai {

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 13> openai_categories{"harassment",
                                                             "harassment/threatening",
                                                             "hate",
                                                             "hate/threatening",
                                                             "illicit",
                                                             "illicit/violent",
                                                             "self-harm",
                                                             "self-harm/instructions",
                                                             "self-harm/intent",
                                                             "sexual",
                                                             "sexual/minors",
                                                             "violence",
                                                             "violence/graphic"};
constexpr std::string_view without_category = "uncategorized";
constexpr std::size_t texts_max = 1'000;
constexpr int hits_max = 10'000;

caf::error wrong_input() {
  return make_error(ec::invalid_argument, "\"input\" must be a text, or an array of 1 to 1,000 "
                                          "texts or of parts {\"type\":\"text\",\"text\":...}");
}

/// Parts are one input together, as OpenAI has it.
caf::error read_parts(const json& parts, v1::ModerateText& out) {
  auto& text = *out.add_texts();
  for (const auto& part : parts) {
    auto type = part.is_object() ? part.find("type") : part.end();
    if (type == part.end() || !type->is_string())
      return wrong_input();
    if (*type != "text")
      return make_error(ec::invalid_argument, "only texts are moderated here: leave out parts of "
                                              "other types");
    auto found = part.find("text");
    if (found == part.end() || !found->is_string())
      return wrong_input();
    if (!text.empty())
      text += '\n';
    text += found->get_ref<const std::string&>();
  }
  return {};
}

caf::error read_input(const json& input, v1::ModerateText& out) {
  if (input.is_string()) {
    out.add_texts(input.get<std::string>());
    return {};
  }
  if (!input.is_array() || input.empty() || input.size() > texts_max)
    return wrong_input();
  if (input.front().is_object())
    return read_parts(input, out);
  for (const auto& one : input) {
    if (!one.is_string())
      return wrong_input();
    out.add_texts(one.get<std::string>());
  }
  return {};
}

struct moderation_request {
  v1::ModerateText query;
  std::string model;
};

caf::expected<moderation_request> read_moderation(std::string_view body) {
  auto value = parse_json(body);
  if (!value)
    return std::move(value.error());
  if (!value->is_object() || !value->contains("input"))
    return wrong_input();
  moderation_request out;
  if (auto err = read_input((*value)["input"], out.query))
    return err;
  out.model = "troupe-lexicons";
  if (auto model = value->find("model"); model != value->end() && !model->is_null()) {
    if (!model->is_string() || model->get_ref<const std::string&>().size() > 256)
      return make_error(ec::invalid_argument, "\"model\" must be a text");
    out.model = model->get<std::string>();
  }
  out.query.set_hits_max(hits_max);
  return out;
}

json result_json(const v1::ModeratedText& result) {
  std::map<std::string, double, std::less<>> scores;
  for (auto name : openai_categories)
    scores.emplace(name, 0.0);
  for (const auto& hit : result.hits()) {
    auto& score = scores[hit.category().empty() ? std::string{without_category} : hit.category()];
    score = std::max(score, (hit.level() + 1) / 10.0);
  }
  json categories = json::object(), numbers = json::object(), types = json::object();
  for (const auto& [name, score] : scores) {
    categories[name] = score > 0;
    numbers[name] = score;
    types[name] = json::array({"text"});
  }
  return {{"flagged", result.hits_size() > 0},
          {"categories", std::move(categories)},
          {"category_scores", std::move(numbers)},
          {"category_applied_input_types", std::move(types)}};
}

} // namespace

asio::awaitable<void> moderations(site_ptr site, exchange& x) {
  const auto& options = site->options;
  std::string scope{"openai"};
  auto who = co_await options.who->authorize(x, std::move(scope));
  if (!who) {
    co_await reply_failure(x, std::move(who.error()));
    co_return;
  }
  auto request = read_moderation(x.body());
  if (!request) {
    co_await reply_failure(x, std::move(request.error()));
    co_return;
  }
  *request->query.mutable_context() = x.context();
  ModerateText message{std::move(request->query)};
  auto answer = co_await ask<TextModerated>(x.shard(), options.moderation, options.ask_limit,
                                            std::move(message));
  if (!answer) {
    co_await reply_failure(x, std::move(answer.error()));
    co_return;
  }
  auto results = json::array();
  for (const auto& one : (*answer)->results())
    results.push_back(result_json(one));
  json body{{"id", "modr-" + new_id()}, {"model", request->model}, {"results", std::move(results)}};
  co_await reply_json(x, 200, body);
}

} // namespace troupe::gateway::openai
