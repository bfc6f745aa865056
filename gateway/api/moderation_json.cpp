#include "gateway/api/moderation_json.hpp"

#include "gateway/api/json_reader.hpp"
#include "messages/id.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace troupe::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t texts_max = 1'000;
constexpr std::size_t text_bytes_max = 4 << 20;
constexpr std::size_t name_bytes_max = 128;
constexpr std::int64_t hits_max = 10'000;
constexpr std::int64_t time_max = std::numeric_limits<std::int64_t>::max();

json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json to_json(const v1::TextHit& hit) {
  auto folds = json::array();
  for (const auto& one : hit.folds())
    folds.push_back(one);
  return {
      {"begin", hit.begin()},   {"end", hit.end()},           {"text", hit.text()},
      {"entry", hit.entry()},   {"category", hit.category()}, {"level", hit.level()},
      {"action", hit.action()}, {"folds", std::move(folds)},  {"lexicon", or_null(hit.ruleset())}};
}

json to_json(const v1::ModerationHit& hit) {
  return {{"id", hit.id()},
          {"at_us", hit.at_us()},
          {"direction", hit.direction() == v1::TEXT_DIRECTION_MODEL ? "model" : "user"},
          {"action", hit.action()},
          {"category", hit.category()},
          {"level", hit.level()},
          {"entry", hit.entry()},
          {"text", hit.text()},
          {"lexicon", or_null(hit.ruleset())},
          {"lexicon_version", hit.ruleset_version()},
          {"principal_id", or_null(hit.principal_id())},
          {"tenant_id", or_null(hit.tenant_id())},
          {"channel", or_null(hit.channel())},
          {"account", or_null(hit.account())},
          {"user_id", or_null(hit.user_id())},
          {"conversation_id", or_null(hit.conversation_id())},
          {"turn_id", or_null(hit.turn_id())},
          {"request_id", or_null(hit.request_id())}};
}

void read_texts(object_reader& reader, v1::ModerateText& out) {
  constexpr std::string_view allowed = "an array of 1 to 1,000 strings";
  const auto* texts = reader.find("texts");
  if (texts == nullptr) {
    reader.require("text", "a string (or `texts`, an array of them)");
    out.add_texts(reader.text("text", text_bytes_max).value_or(""));
    return;
  }
  if (!texts->is_array() || texts->empty() || texts->size() > texts_max) {
    reader.must_be("texts", allowed);
    return;
  }
  for (const auto& one : *texts) {
    const auto* text = one.get_ptr<const std::string*>();
    if (text == nullptr) {
      reader.must_be("texts", allowed);
      return;
    }
    out.add_texts(*text);
  }
}

/// A text of the query string, or the fault.
caf::expected<std::string> query_text(const exchange& x, std::string_view name) {
  auto text = x.query(name);
  if (text.size() > 512 || !is_plain_utf8(text))
    return make_error(ec::invalid_argument,
                      std::string{name} + " must be a text of at most 512 bytes");
  return std::string{text};
}

} // namespace

json to_json(const v1::TextModerated& answer) {
  auto results = json::array();
  for (const auto& one : answer.results()) {
    auto hits = json::array();
    for (const auto& hit : one.hits())
      hits.push_back(to_json(hit));
    results.push_back(
        {{"hits", std::move(hits)},
         {"truncated", one.truncated()},
         {"action", or_null(one.action())},
         {"rendered", one.action() == "block" ? json(nullptr) : json(one.rendered())}});
  }
  return {{"results", std::move(results)}};
}

json to_json(const v1::ModerationHitPage& page) {
  auto hits = json::array();
  for (const auto& hit : page.hits())
    hits.push_back(to_json(hit));
  return {{"hits", std::move(hits)}, {"next_cursor", or_null(page.next_cursor())}};
}

caf::expected<v1::ModerateText> read_moderate_text(std::string_view body) {
  auto value = parse_json(body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  v1::ModerateText out;
  read_texts(reader, out);
  out.set_channel(reader.text("channel", name_bytes_max).value_or(""));
  out.mutable_ruleset()->set_name(reader.text("lexicon", name_bytes_max).value_or(""));
  out.set_hits_max(static_cast<std::int32_t>(reader.integer("hits_max", 1, hits_max).value_or(0)));
  if (auto err = reader.finish())
    return err;
  return out;
}

caf::expected<v1::ListModerationHits> read_hits_query(const exchange& x) {
  v1::ListModerationHits out;
  auto limit = read_query_integer("limit", x.query("limit"), 1, 200, 50);
  auto from = read_query_integer("from_us", x.query("from_us"), 0, time_max, 0);
  auto to = read_query_integer("to_us", x.query("to_us"), 0, time_max, 0);
  for (auto* number : {&limit, &from, &to})
    if (!*number)
      return std::move(number->error());
  out.set_limit(static_cast<std::int32_t>(*limit));
  out.set_from_us(*from);
  out.set_to_us(*to);
  auto cursor = query_text(x, "cursor");
  auto category = query_text(x, "category");
  auto action = query_text(x, "action");
  auto conversation = query_text(x, "conversation_id");
  for (auto* text : {&cursor, &category, &action, &conversation})
    if (!*text)
      return std::move(text->error());
  constexpr std::array<std::string_view, 6> actions{"",     "log",     "review",
                                                    "mask", "replace", "block"};
  if (std::find(actions.begin(), actions.end(), *action) == actions.end())
    return make_error(ec::invalid_argument, "action must be log, review, mask, replace or block");
  if (!conversation->empty() && !is_id(*conversation))
    return make_error(ec::invalid_argument, "conversation_id must be an id");
  out.set_cursor(std::move(*cursor));
  out.set_category(std::move(*category));
  out.set_action(std::move(*action));
  out.set_conversation_id(std::move(*conversation));
  return out;
}

} // namespace troupe::gateway
