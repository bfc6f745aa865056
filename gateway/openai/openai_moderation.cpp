// Moderation of the OpenAI-compatible API: requests before an upstream is asked, and whole answers.
#include "gateway/openai/json_places.hpp"
#include "gateway/openai/openai_call.hpp"
#include "gateway/openai/shapes.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace troupe::gateway::openai {

namespace {

using json_t = nlohmann::ordered_json;
using checked_text = caf::expected<std::optional<std::string>>;

/// So much is looked at without a pause; then others of the shard have their turn.
constexpr std::size_t bytes_at_once = 65'536;

asio::awaitable<void> pause(io_shard& shard) {
  co_await asio::post(shard.context(), asio::use_awaitable);
}

/// Looks at a long text part by part.
asio::awaitable<checked_text> check_long(const text_guard& guard, io_shard& shard,
                                         std::string_view text, v1::TextDirection direction,
                                         text_origin origin) {
  auto guarded = guard.open(direction, origin);
  std::string out;
  caf::error refused;
  for (auto rest = text; !rest.empty() && !refused;) {
    auto part = rest.substr(0, bytes_at_once);
    rest.remove_prefix(part.size());
    refused = guarded->push(part, out);
    co_await pause(shard);
  }
  if (!refused)
    refused = guarded->finish(out);
  if (refused)
    co_return refused;
  if (out == text)
    co_return std::optional<std::string>{};
  co_return std::optional<std::string>{std::move(out)};
}

asio::awaitable<checked_text> look_at(const text_guard& guard, io_shard& shard,
                                      std::string_view text, v1::TextDirection direction,
                                      const text_origin& origin) {
  if (text.size() <= bytes_at_once)
    co_return guard.check(text, direction, origin);
  auto verdict = co_await check_long(guard, shard, text, direction, origin);
  co_return verdict;
}

/// What cannot be looked at does not go on.
caf::error unreadable(std::string_view deployment) {
  return make_error(ec::upstream_broken,
                    fmt::format("{}: its answer has texts that cannot be read", deployment));
}

/// A choice of a whole answer whose text is another one now, or was blocked.
struct changed_choice {
  std::int64_t at = 0;
  said_as what = said_as::content;
  std::optional<std::string> text; // empty: blocked
};

/// Nothing if it cannot be read.
std::string changed_answer(std::string_view body, const std::vector<changed_choice>& changes) {
  auto answer = json_t::parse(body, nullptr, false);
  if (!answer.is_object())
    return {};
  for (const auto& change : changes) {
    auto& choice = answer["choices"][static_cast<std::size_t>(change.at)];
    auto& said = choice.contains("message") ? choice["message"] : choice;
    if (choice.contains("logprobs"))
      choice["logprobs"] = nullptr; // they tell the tokens
    if (change.text) {
      said[std::string{field_of(change.what)}] = *change.text;
      continue;
    }
    for (auto name : {"refusal", "reasoning_content", "reasoning", "tool_calls", "function_call"})
      said.erase(std::string{name});
    said[change.what == said_as::text ? "text" : "content"] = "";
    choice["finish_reason"] = "content_filter";
  }
  return answer.dump(-1, ' ', false, json_t::error_handler_t::replace);
}

} // namespace

bool call::watches(v1::TextDirection direction) const {
  return options_->guard && options_->guard->watches(direction, text_way::api);
}

text_origin call::origin() const {
  text_origin out;
  auto context = x_.context();
  out.principal_id = context.principal_id();
  out.tenant_id = context.tenant_id();
  out.request_id = context.request_id();
  return out;
}

asio::awaitable<bool> call::moderate_request() {
  auto texts = texts_with_places(x_.body());
  caf::error refused;
  if (!texts)
    refused = std::move(texts.error());
  // What the model said before was looked at then, unless nobody wants that.
  auto model_too = watches(v1::TEXT_DIRECTION_MODEL);
  auto from = origin();
  std::size_t since_pause = 0;
  for (std::size_t i = 0; texts && i < texts->size() && !refused; ++i) {
    const auto& one = (*texts)[i];
    if (one.of_model && !model_too)
      continue;
    auto verdict =
        co_await look_at(*options_->guard, x_.shard(), one.text, v1::TEXT_DIRECTION_USER, from);
    if (!verdict) {
      refused = std::move(verdict.error());
    } else if (*verdict) {
      std::string value;
      append_json_string(value, **verdict);
      text_edits_.push_back({one.place.at, one.place.length, std::move(value)});
    }
    since_pause += one.text.size();
    if (since_pause > bytes_at_once) {
      since_pause = 0;
      co_await pause(x_.shard());
    }
  }
  if (!refused)
    co_return true;
  co_await reply_failure(x_, std::move(refused));
  co_return false;
}

asio::awaitable<caf::error> call::moderate_whole(std::string& body) {
  struct said {
    choice_part part;
    std::string text;
  };
  std::vector<said> texts;
  std::vector<choice_part> parts;
  if (!parts_of_whole(body, parts))
    co_return unreadable(answer_->deployment());
  for (const auto& part : parts)
    if (part.what != said_as::tool_call)
      texts.push_back({part, std::string{part.text}});
  auto from = origin();
  std::vector<changed_choice> changes;
  for (const auto& one : texts) {
    auto verdict =
        co_await look_at(*options_->guard, x_.shard(), one.text, v1::TEXT_DIRECTION_MODEL, from);
    if (!verdict)
      changes.push_back({one.part.choice, one.part.what, std::nullopt});
    else if (*verdict)
      changes.push_back({one.part.choice, one.part.what, std::move(*verdict)});
  }
  if (changes.empty())
    co_return caf::error{};
  // A choice that is blocked loses all its texts: that comes last.
  std::stable_partition(changes.begin(), changes.end(),
                        [](const changed_choice& one) { return one.text.has_value(); });
  body = changed_answer(body, changes);
  if (body.empty())
    co_return unreadable(answer_->deployment());
  co_return caf::error{};
}

} // namespace troupe::gateway::openai
