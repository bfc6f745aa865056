#include "actors/session/input.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <set>

namespace troupe {

namespace {

using nlohmann::json;

caf::error bad(std::string text) { return make_error(ec::invalid_argument, std::move(text)); }

caf::error too_long(std::string_view field, std::int64_t bytes_max) {
  return make_error(ec::too_large, fmt::format("{} is over {} bytes", field, bytes_max));
}

// nlohmann's parser has no bound of depth of its own.
bool within_depth(std::string_view text, int depth_max) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_max)
        return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

caf::expected<json> parse(std::string_view field, std::string_view text, std::int64_t bytes_max,
                          int depth_max) {
  if (static_cast<std::int64_t>(text.size()) > bytes_max)
    return too_long(field, bytes_max);
  if (!within_depth(text, depth_max))
    return bad(fmt::format("{} is nested deeper than {} levels", field, depth_max));
  auto value = json::parse(text, nullptr, false);
  if (value.is_discarded())
    return bad(fmt::format("{} is not valid JSON", field));
  return value;
}

json object_or_empty(std::string_view text) {
  auto value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

bool fits(const std::string& text, std::size_t bytes_max) {
  return text.size() <= bytes_max && text.find('\0') == std::string::npos && is_utf8(text);
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool is_text(const v1::Part& part) {
  return is_utf8(part.text().text()) && is_utf8(part.image().url())
         && is_utf8(part.image().mime_type()) && is_utf8(part.image().detail())
         && is_utf8(part.audio().url()) && is_utf8(part.audio().format())
         && is_utf8(part.file().name()) && is_utf8(part.file().mime_type())
         && is_utf8(part.file().url()) && is_utf8(part.file().file_id())
         && is_utf8(part.tool_result().call_id()) && is_utf8(part.tool_result().content());
}

// One part of a user's message.
caf::error check_part(const v1::Part& part) {
  switch (part.kind_case()) {
    case v1::Part::kText:
      return {};
    case v1::Part::kImage:
      if (part.image().url().empty() == part.image().data().empty())
        return bad("an image has either a url or data");
      return {};
    case v1::Part::kAudio:
      if (part.audio().url().empty() == part.audio().data().empty())
        return bad("an audio part has either a url or data");
      return {};
    case v1::Part::kFile:
      if (part.file().url().empty() && part.file().data().empty() && part.file().file_id().empty())
        return bad("a file has a url, data or a file_id");
      return {};
    case v1::Part::KIND_NOT_SET:
      return bad("a part of the message is empty");
    default:
      return bad("a user's message has text, images, audio and files; tool results are posted "
                 "with their own kind");
  }
}

caf::error check_user_parts(const v1::PostMessage& post) {
  bool something = false;
  for (const auto& part : post.parts()) {
    if (auto err = check_part(part))
      return err;
    something |= !part.has_text() || !blank(part.text().text());
  }
  return something ? caf::error{} : bad("the message is empty: write something to answer");
}

caf::error check_tool_results(const v1::PostMessage& post) {
  std::set<std::string> seen;
  for (const auto& part : post.parts()) {
    if (!part.has_tool_result())
      return bad("tool results and nothing else are posted with this kind");
    if (part.tool_result().call_id().empty())
      return bad("a tool result names the call it answers: call_id is missing");
    if (!seen.insert(part.tool_result().call_id()).second)
      return bad("two results for the tool call " + part.tool_result().call_id());
  }
  return seen.empty() ? bad("tool results are missing") : caf::error{};
}

caf::error check_parts(const v1::PostMessage& post, const input_limits& limits) {
  if (post.parts_size() > limits.parts_max)
    return make_error(ec::too_large,
                      fmt::format("a message has at most {} parts", limits.parts_max));
  std::size_t bytes = 0;
  for (const auto& part : post.parts()) {
    bytes += part.ByteSizeLong();
    if (!is_text(part))
      return bad("a text of the message is not valid UTF-8");
  }
  if (static_cast<std::int64_t>(bytes) > limits.message_bytes_max)
    return make_error(ec::too_large, fmt::format("the message is over {} bytes: send less at once",
                                                 limits.message_bytes_max));
  switch (post.kind()) {
    case v1::POST_KIND_UNSPECIFIED:
    case v1::POST_KIND_MESSAGE:
      return check_user_parts(post);
    case v1::POST_KIND_EDIT:
      if (post.parent_id().empty())
        return bad("an edit names the message it replaces: parent_id is missing");
      return check_user_parts(post);
    case v1::POST_KIND_REGENERATE:
      return post.parts().empty() ? caf::error{} : bad("a regeneration has no parts of its own");
    case v1::POST_KIND_TOOL_RESULTS:
      return check_tool_results(post);
    default:
      return bad("this kind of post is not known");
  }
}

caf::error check_texts(const v1::PostMessage& post, const input_limits& limits) {
  const auto& to = post.reply_to();
  for (const auto* text : {&post.conversation_id(), &post.parent_id(), &post.author(),
                           &post.dedupe_key(), &post.model(), &to.channel(), &to.account(),
                           &to.chat_id(), &to.user_id(), &to.message_id()})
    if (!fits(*text, limits.name_bytes_max))
      return bad(fmt::format("an id or name of the message is over {} bytes or is no text",
                             limits.name_bytes_max));
  return {};
}

} // namespace

bool is_utf8(std::string_view text) {
  auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    if (c < 0)
      return false;
  }
  return true;
}

std::string repair_utf8(std::string text) {
  if (is_utf8(text))
    return text;
  std::string repaired;
  icu::UnicodeString::fromUTF8(text).toUTF8String(repaired);
  return repaired;
}

caf::error check_params(std::string_view text, const input_limits& limits) {
  if (text.empty())
    return {};
  auto value = parse("params", text, limits.params_bytes_max, limits.json_depth_max);
  if (!value)
    return value.error();
  if (!value->is_object())
    return bad("params is a JSON object, as in {\"temperature\": 0.7}");
  for (const auto* key :
       {"messages", "model", "stream", "stream_options", "tools", "functions", "n"})
    if (value->contains(key))
      return bad(fmt::format("params may not set {}", key));
  return {};
}

caf::error check_tools(std::string_view text, const input_limits& limits) {
  if (text.empty())
    return {};
  auto value = parse("tools", text, limits.tools_bytes_max, limits.json_depth_max);
  if (!value)
    return value.error();
  if (!value->is_array())
    return bad("tools is a JSON array of tools in OpenAI's form");
  for (const auto& tool : *value) {
    auto function = tool.is_object() ? tool.find("function") : tool.end();
    if (!tool.is_object() || function == tool.end() || !function->is_object()
        || !function->contains("name") || !(*function)["name"].is_string()
        || (*function)["name"].get_ref<const std::string&>().empty())
      return bad("each of tools is {\"type\": \"function\", \"function\": {\"name\": ...}}");
  }
  return {};
}

caf::error check_settings(const v1::Conversation& x, const input_limits& limits) {
  if (!fits(x.title(), limits.title_bytes_max))
    return too_long("title", static_cast<std::int64_t>(limits.title_bytes_max));
  if (static_cast<std::int64_t>(x.system_prompt().size()) > limits.system_prompt_bytes_max)
    return too_long("system_prompt", limits.system_prompt_bytes_max);
  if (!is_utf8(x.system_prompt()))
    return bad("system_prompt is not valid UTF-8");
  for (const auto* text : {&x.id(), &x.owner_id(), &x.session_key(), &x.model(), &x.leaf_id()})
    if (!fits(*text, limits.name_bytes_max))
      return too_long("an id or name of the conversation",
                      static_cast<std::int64_t>(limits.name_bytes_max));
  if (auto err = check_params(x.params_json(), limits))
    return err;
  return check_tools(x.tools_json(), limits);
}

caf::error check_update(const v1::UpdateConversation& update, const input_limits& limits) {
  v1::Conversation changed;
  changed.set_title(update.title());
  changed.set_system_prompt(update.system_prompt());
  changed.set_model(update.model());
  changed.set_params_json(update.params_json());
  changed.set_tools_json(update.tools_json());
  changed.set_leaf_id(update.leaf_id());
  return check_settings(changed, limits);
}

caf::error check_post(const v1::PostMessage& post, const input_limits& limits) {
  if (auto err = check_texts(post, limits))
    return err;
  if (auto err = check_parts(post, limits))
    return err;
  if (auto err = check_params(post.params_json(), limits))
    return err;
  if (auto err = check_tools(post.tools_json(), limits))
    return err;
  return post.has_create_if_missing() ? check_settings(post.create_if_missing(), limits)
                                      : caf::error{};
}

std::string merge_params(std::string_view base, std::string_view over) {
  auto merged = object_or_empty(base);
  const auto changes = object_or_empty(over);
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null())
      merged.erase(key);
    else
      merged[key] = value;
  }
  return merged.empty() ? std::string{}
                        : merged.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::int64_t max_tokens_of(std::string_view params_json) {
  auto params = object_or_empty(params_json);
  for (const auto* key : {"max_completion_tokens", "max_tokens"}) {
    auto at = params.find(key);
    if (at != params.end() && at->is_number_integer() && at->get<std::int64_t>() > 0)
      return at->get<std::int64_t>();
  }
  return 0;
}

std::string title_from(const v1::Message& message) {
  constexpr std::size_t characters_max = 60;
  for (const auto& part : message.parts()) {
    std::string_view text = part.text().text();
    auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos)
      continue;
    text = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
    std::size_t end = 0;
    std::size_t characters = 0;
    while (end < text.size() && characters < characters_max) {
      do
        ++end;
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
      ++characters;
    }
    return std::string{text.substr(0, end)};
  }
  return {};
}

} // namespace troupe
