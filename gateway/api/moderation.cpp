// Moderation over REST, for administrators: what would be found, what was found, what is at work.
#include "gateway/api/api_options.hpp"
#include "gateway/api/moderation_json.hpp"
#include "gateway/api/text_status.hpp"

namespace troupe::gateway {

namespace {

constexpr std::int64_t body_bytes_max = 8 << 20; // 4 MiB of text, escaped

asio::awaitable<void> try_texts(api_request r) {
  auto err = check_content_type(r.x);
  auto query = err ? caf::expected<v1::ModerateText>{err} : read_moderate_text(r.x.body());
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  *query->mutable_context() = r.context;
  ModerateText message{std::move(*query)};
  auto answer = co_await ask<TextModerated>(r.x.shard(), r.api->moderation, r.api->request_limit,
                                            std::move(message));
  if (!answer)
    co_await reply_error(r.x, answer.error());
  else
    co_await reply_json(r.x, 200, to_json(**answer));
}

asio::awaitable<void> list_hits(api_request r) {
  auto query = read_hits_query(r.x);
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  *query->mutable_context() = r.context;
  ListModerationHits message{std::move(*query)};
  auto page = co_await ask<ModerationHitPage>(r.x.shard(), r.api->text_store, r.api->request_limit,
                                              std::move(message));
  if (!page)
    co_await reply_error(r.x, page.error());
  else
    co_await reply_json(r.x, 200, to_json(**page));
}

asio::awaitable<void> tell_status(api_request r) {
  GetTextServiceStatus message;
  auto status = co_await ask<TextServiceStatus>(r.x.shard(), r.api->moderation,
                                                r.api->request_limit, std::move(message));
  if (!status)
    co_await reply_error(r.x, status.error());
  else
    co_await reply_json(r.x, 200, text_status_json(**status, "lexicons"));
}

} // namespace

void add_moderation_routes(router& routes, api_options options) {
  auto api = std::make_shared<const api_options>(std::move(options));
  route_options texts;
  texts.body_bytes_max = body_bytes_max;
  routes.add("POST", "/api/v1/moderation/test", guarded(api, "admin", try_texts), texts);
  routes.add("GET", "/api/v1/moderation/hits", guarded(api, "admin", list_hits));
  routes.add("GET", "/api/v1/moderation/status", guarded(api, "admin", tell_status));
}

} // namespace troupe::gateway
