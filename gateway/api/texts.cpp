// Tokens and character sets over REST.
#include "gateway/api/api_options.hpp"
#include "gateway/api/json_reader.hpp"
#include "gateway/api/text_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace troupe::gateway {

namespace {

using nlohmann::json;

/// Of a text to convert or detect: as it is, or in base64 within JSON.
constexpr std::int64_t bytes_body_max = 45 * 1'024 * 1'024;

/// Reads the body, asks, and answers with what `render` makes of the answer.
template <class Answer, class Handle, class Query, class Render>
asio::awaitable<void> relay(api_request r, Handle to, caf::expected<Query> query, Render render) {
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  *query->mutable_context() = r.context;
  payload<Query> message{std::move(*query)};
  auto answer =
      co_await ask<payload<Answer>>(r.x.shard(), to, r.api->request_limit, payload<Query>{message});
  if (!answer) {
    co_await reply_error(r.x, answer.error());
    co_return;
  }
  auto body = render(**answer, *message);
  co_await reply_json(r.x, 200, body);
}

template <class Answer, class Query>
json as_json(const Answer& answer, const Query&) {
  return to_json(answer);
}

asio::awaitable<void> count_tokens(api_request r) {
  auto err = check_content_type(r.x);
  auto asked = err ? caf::expected<count_request>{err} : read_count_tokens(r.x.body());
  if (!asked) {
    co_await reply_error(r.x, asked.error());
    co_return;
  }
  if (auto* texts = std::get_if<v1::CountTokens>(&*asked)) {
    caf::expected<v1::CountTokens> query{std::move(*texts)};
    co_await relay<v1::TokensCounted>(r, r.api->tokenizer, std::move(query),
                                      as_json<v1::TokensCounted, v1::CountTokens>);
  } else {
    caf::expected<v1::CountChatTokens> query{std::move(std::get<v1::CountChatTokens>(*asked))};
    co_await relay<v1::ChatTokensCounted>(r, r.api->texts, std::move(query),
                                          as_json<v1::ChatTokensCounted, v1::CountChatTokens>);
  }
}

template <v1::TokenWork work>
asio::awaitable<void> analyze_tokens(api_request r) {
  auto err = check_content_type(r.x);
  auto query = err ? caf::expected<v1::AnalyzeTokens>{err} : read_analyze_tokens(r.x.body(), work);
  auto render = [](const v1::TokensAnalyzed& answer, const v1::AnalyzeTokens& asked) {
    return to_json(answer, asked);
  };
  co_await relay<v1::TokensAnalyzed>(r, r.api->texts, std::move(query), render);
}

asio::awaitable<void> list_vocabularies(api_request r) {
  ListVocabularies message{v1::ListVocabularies{}};
  auto answer = co_await ask<VocabularyList>(r.x.shard(), r.api->texts, r.api->request_limit,
                                             std::move(message));
  if (!answer)
    co_await reply_error(r.x, answer.error());
  else
    co_await reply_json(r.x, 200, to_json(**answer));
}

// Whoever sends a file as it is may declare it as anything. Nothing changes here by what another
// site's form could send.
bool is_json(const exchange& x) { return !check_content_type(x) && !x.body().empty(); }

caf::expected<v1::ConvertText> read_raw_convert(const exchange& x) {
  v1::ConvertText out;
  for (auto name : {"from", "to", "form", "han"})
    if (x.query(name).size() > 256 || !is_plain_utf8(x.query(name)))
      return make_error(ec::invalid_argument,
                        fmt::format("{} must be a text of at most 256 bytes", name));
  auto fold = read_query_flag("fold_width", x.query("fold_width"), false);
  if (!fold)
    return fold.error();
  out.set_text(x.body());
  out.set_from(std::string{x.query("from")});
  out.set_to(std::string{x.query("to")});
  out.set_form(std::string{x.query("form")});
  out.set_han(std::string{x.query("han")});
  out.set_fold_width(*fold);
  return out;
}

/// The bytes alone; what else there is to tell is in headers.
asio::awaitable<void> reply_raw(exchange& x, const v1::TextConverted& converted) {
  header_list headers{{"X-Text-From", converted.from()},
                      {"X-Text-Confidence", fmt::to_string(converted.confidence())},
                      {"X-Text-Losses", fmt::to_string(converted.losses_total())},
                      {"X-Content-Type-Options", "nosniff"}};
  auto type = fmt::format("text/plain; charset={}", converted.to());
  co_await x.reply(200, type, converted.text(), std::move(headers));
}

asio::awaitable<void> convert_text(api_request r) {
  if (is_json(r.x)) {
    auto query = read_convert_text(r.x.body());
    co_await relay<v1::TextConverted>(r, r.api->texts, std::move(query),
                                      as_json<v1::TextConverted, v1::ConvertText>);
    co_return;
  }
  auto query = read_raw_convert(r.x);
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  *query->mutable_context() = r.context;
  ConvertText message{std::move(*query)};
  auto answer = co_await ask<TextConverted>(r.x.shard(), r.api->texts, r.api->request_limit,
                                            std::move(message));
  if (!answer)
    co_await reply_error(r.x, answer.error());
  else
    co_await reply_raw(r.x, **answer);
}

asio::awaitable<void> detect_text(api_request r) {
  caf::expected<v1::DetectText> query{v1::DetectText{}};
  if (is_json(r.x))
    query = read_detect_text(r.x.body());
  else
    query->set_text(r.x.body());
  co_await relay<v1::TextDetected>(r, r.api->texts, std::move(query),
                                   as_json<v1::TextDetected, v1::DetectText>);
}

} // namespace

void add_text_routes(router& routes, api_options options) {
  auto api = std::make_shared<const api_options>(std::move(options));
  auto add = [&](const char* method, const char* pattern, api_handler handle,
                 std::int64_t body_bytes_max = 0) {
    route_options of_route;
    of_route.body_bytes_max = body_bytes_max;
    routes.add(method, pattern, guarded(api, "api", handle), std::move(of_route));
  };
  add("POST", "/api/v1/tokens/count", count_tokens);
  add("POST", "/api/v1/tokens/encode", analyze_tokens<v1::TOKEN_WORK_ENCODE>);
  add("POST", "/api/v1/tokens/decode", analyze_tokens<v1::TOKEN_WORK_DECODE>);
  add("POST", "/api/v1/tokens/truncate", analyze_tokens<v1::TOKEN_WORK_TRUNCATE>);
  add("POST", "/api/v1/tokens/split", analyze_tokens<v1::TOKEN_WORK_SPLIT>);
  add("GET", "/api/v1/tokens/vocabularies", list_vocabularies);
  add("POST", "/api/v1/text/convert", convert_text, bytes_body_max);
  add("POST", "/api/v1/text/detect", detect_text, bytes_body_max);
}

} // namespace troupe::gateway
