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
                                         const text_origin& origin) {
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

/// Looks at one of many texts, which are `seen` bytes together since the last pause.
asio::awaitable<checked_text> look_at(const text_guard& guard, io_shard& shard,
                                      std::string_view text, v1::TextDirection direction,
                                      const text_origin& origin, std::size_t& seen) {
  if (text.size() > bytes_at_once) {
    auto verdict = co_await check_long(guard, shard, text, direction, origin);
    co_return verdict;
  }
  seen += text.size();
  if (seen > bytes_at_once) {
    seen = 0;
    co_await pause(shard);
  }
  co_return guard.check(text, direction, origin);
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
      std::string field{field_of(change.what)};
      (choice.contains(field) ? choice : said)[field] = *change.text;
      continue;
    }
    for (auto name : {"refusal", "reasoning_content", "reasoning", "tool_calls", "function_call"}) {
      said.erase(name);
      choice.erase(name);
    }
    if (choice.contains("text"))
      choice["text"] = "";
    if (choice.contains("content") || choice.contains("message"))
      said["content"] = "";
    choice["finish_reason"] = "content_filter";
  }
  return answer.dump(-1, ' ', false, json_t::error_handler_t::replace);
}

void add_change(const choice_part& of, checked_text verdict, std::vector<changed_choice>& changes) {
  if (!verdict)
    changes.push_back({of.choice, of.what, std::nullopt});
  else if (*verdict)
    changes.push_back({of.choice, of.what, std::move(*verdict)});
}

/// False if the answer cannot be read.
bool change_whole(std::string& body, std::vector<changed_choice>& changes) {
  if (changes.empty())
    return true;
  // A choice that is blocked loses all its texts: that comes last.
  std::stable_partition(changes.begin(), changes.end(),
                        [](const changed_choice& one) { return one.text.has_value(); });
  body = changed_answer(body, changes);
  return !body.empty();
}

} // namespace

bool call::watches(v1::TextDirection direction) const {
  return options_->guard && options_->guard->watches(direction, text_way::api);
}

const text_origin& call::origin() {
  if (origin_.request_id.empty()) {
    origin_.principal_id = record_.principal_id();
    origin_.request_id = x_.request_id();
  }
  return origin_;
}

// What the model said before was looked at then, unless nobody wants that.
bool call::looks_at(const request_text& one) const {
  return !one.of_model || watches(v1::TEXT_DIRECTION_MODEL);
}

caf::error call::take_verdict(const body_place& of,
                              caf::expected<std::optional<std::string>> verdict) {
  if (!verdict)
    return std::move(verdict.error());
  if (!*verdict)
    return {};
  std::string value;
  append_json_string(value, **verdict);
  text_edits_.push_back({of.at, of.length, std::move(value)});
  return {};
}

bool call::is_short(std::string_view body) { return body.size() <= bytes_at_once; }

caf::error call::moderate_request() {
  auto texts = texts_with_places(x_.body());
  if (!texts)
    return std::move(texts.error());
  for (const auto& one : *texts) {
    if (!looks_at(one))
      continue;
    auto verdict = options_->guard->check(one.text, v1::TEXT_DIRECTION_USER, origin());
    if (auto refused = take_verdict(one.place, std::move(verdict)))
      return refused;
  }
  return {};
}

asio::awaitable<bool> call::moderate_long_request() {
  auto texts = texts_with_places(x_.body());
  caf::error refused;
  if (!texts)
    refused = std::move(texts.error());
  std::vector<std::pair<body_place, std::string>> own; // other calls read JSON meanwhile
  if (texts)
    for (const auto& one : *texts)
      if (looks_at(one))
        own.emplace_back(one.place, one.text);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < own.size() && !refused; ++i) {
    auto verdict = co_await look_at(*options_->guard, x_.shard(), own[i].second,
                                    v1::TEXT_DIRECTION_USER, origin(), seen);
    refused = take_verdict(own[i].first, std::move(verdict));
  }
  if (refused)
    co_await reply_failure(x_, refused);
  co_return !refused;
}

bool call::moderate_whole(std::string& body) {
  std::vector<changed_choice> changes;
  for (const auto& one : said_)
    add_change(one, options_->guard->check(one.text, v1::TEXT_DIRECTION_MODEL, origin()), changes);
  return change_whole(body, changes);
}

asio::awaitable<bool> call::moderate_long_whole(std::string& body) {
  std::vector<std::pair<choice_part, std::string>> own;
  for (const auto& one : said_)
    own.emplace_back(one, one.text);
  std::vector<changed_choice> changes;
  std::size_t seen = 0;
  for (const auto& [part, text] : own) {
    auto verdict = co_await look_at(*options_->guard, x_.shard(), text, v1::TEXT_DIRECTION_MODEL,
                                    origin(), seen);
    add_change(part, std::move(verdict), changes);
  }
  co_return change_whole(body, changes);
}

} // namespace troupe::gateway::openai
