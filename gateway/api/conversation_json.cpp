#include "gateway/api/conversation_json.hpp"

#include "gateway/api/base64.hpp"
#include "gateway/api/json_reader.hpp"

#include <charconv>

namespace troupe::gateway {

namespace {

using nlohmann::json;

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

void put(json& out, const char* name, const std::string& text) {
  if (!text.empty())
    out[name] = text;
}

/// JSON that was stored as text; what does not parse is given as null.
json stored(const std::string& text) {
  if (text.empty())
    return nullptr;
  auto value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(nullptr) : value;
}

json to_json(const v1::ImagePart& image) {
  json out{{"type", "image"}};
  put(out, "url", image.url());
  if (!image.data().empty())
    out["data"] = to_base64(image.data());
  put(out, "mime_type", image.mime_type());
  put(out, "detail", image.detail());
  return out;
}

json to_json(const v1::AudioPart& audio) {
  json out{{"type", "audio"}};
  put(out, "url", audio.url());
  if (!audio.data().empty())
    out["data"] = to_base64(audio.data());
  put(out, "format", audio.format());
  return out;
}

json to_json(const v1::FilePart& file) {
  json out{{"type", "file"}};
  put(out, "name", file.name());
  put(out, "mime_type", file.mime_type());
  put(out, "url", file.url());
  if (!file.data().empty())
    out["data"] = to_base64(file.data());
  put(out, "file_id", file.file_id());
  return out;
}

} // namespace

json to_json(const v1::Part& part) {
  switch (part.kind_case()) {
    case v1::Part::kText:
      return {{"type", "text"}, {"text", part.text().text()}};
    case v1::Part::kImage:
      return to_json(part.image());
    case v1::Part::kAudio:
      return to_json(part.audio());
    case v1::Part::kFile:
      return to_json(part.file());
    case v1::Part::kToolCall:
      return {{"type", "tool_call"},
              {"call_id", part.tool_call().call_id()},
              {"name", part.tool_call().name()},
              {"arguments", part.tool_call().arguments_json()}};
    case v1::Part::kToolResult:
      return {{"type", "tool_result"},
              {"call_id", part.tool_result().call_id()},
              {"content", part.tool_result().content()},
              {"failed", part.tool_result().failed()}};
    case v1::Part::kReasoning:
      return {{"type", "reasoning"}, {"text", part.reasoning().text()}};
    case v1::Part::KIND_NOT_SET:
      break;
  }
  return {{"type", "unknown"}};
}

json to_json(const v1::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens()},
          {"completion_tokens", usage.completion_tokens()},
          {"total_tokens", usage.total_tokens()},
          {"cached_tokens", usage.cached_tokens()},
          {"reasoning_tokens", usage.reasoning_tokens()},
          {"estimated", usage.estimated()}};
}

json to_json(const v1::Failure& failure) {
  json out{{"code", failure.code()}, {"message", failure.message()}};
  if (failure.http_status() != 0)
    out["http_status"] = failure.http_status();
  if (failure.retry_after_ms() != 0)
    out["retry_after_ms"] = failure.retry_after_ms();
  return out;
}

json to_json(const v1::Message& message) {
  auto content = json::array();
  for (const auto& part : message.parts())
    content.push_back(to_json(part));
  json out{{"id", message.id()},
           {"conversation_id", message.conversation_id()},
           {"parent_id", text_or_null(message.parent_id())},
           {"turn_id", text_or_null(message.turn_id())},
           {"role", name_of(message.role())},
           {"content", std::move(content)},
           {"status", name_of(message.status())},
           {"created_us", message.created_us()}};
  put(out, "author", message.author());
  put(out, "model", message.model());
  put(out, "finish_reason", message.finish_reason());
  if (message.has_usage())
    out["usage"] = to_json(message.usage());
  return out;
}

json to_json(const v1::Conversation& conversation) {
  auto params = stored(conversation.params_json());
  auto tools = stored(conversation.tools_json());
  return {{"id", conversation.id()},
          {"title", conversation.title()},
          {"system_prompt", text_or_null(conversation.system_prompt())},
          {"model", text_or_null(conversation.model())},
          {"params", params.is_object() ? std::move(params) : json::object()},
          {"tools", tools.is_array() ? std::move(tools) : json::array()},
          {"leaf_id", text_or_null(conversation.leaf_id())},
          {"message_count", conversation.message_count()},
          {"created_us", conversation.created_us()},
          {"updated_us", conversation.updated_us()}};
}

json to_json(const v1::ConversationPage& page) {
  auto list = json::array();
  for (const auto& conversation : page.conversations())
    list.push_back(to_json(conversation));
  return {{"conversations", std::move(list)}, {"next_cursor", text_or_null(page.next_cursor())}};
}

json to_json(const v1::MessagePage& page) {
  auto list = json::array();
  for (const auto& message : page.messages())
    list.push_back(to_json(message));
  return {{"messages", std::move(list)}, {"has_more", page.has_more()}};
}

json to_json(const v1::Turn& turn) {
  json out{{"id", turn.id()},
           {"conversation_id", turn.conversation_id()},
           {"message_id", text_or_null(turn.message_id())},
           {"reply_id", text_or_null(turn.reply_id())},
           {"status", name_of(turn.status())},
           {"model", text_or_null(turn.model())},
           {"steps", turn.step()},
           {"created_us", turn.created_us()}};
  if (turn.finished_us() != 0)
    out["finished_us"] = turn.finished_us();
  if (turn.has_failure())
    out["error"] = to_json(turn.failure());
  return out;
}

std::string_view name_of(v1::MessageStatus status) noexcept {
  switch (status) {
    case v1::MESSAGE_STATUS_STOPPED:
      return "stopped";
    case v1::MESSAGE_STATUS_FAILED:
      return "failed";
    default:
      return "complete";
  }
}

std::string_view name_of(v1::TurnStatus status) noexcept {
  switch (status) {
    case v1::TURN_STATUS_RUNNING:
      return "running";
    case v1::TURN_STATUS_AWAITING_TOOLS:
      return "awaiting_tools";
    case v1::TURN_STATUS_FINISHED:
      return "finished";
    case v1::TURN_STATUS_STOPPED:
      return "stopped";
    case v1::TURN_STATUS_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

std::string_view name_of(v1::Role role) noexcept {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return "system";
    case v1::ROLE_USER:
      return "user";
    case v1::ROLE_ASSISTANT:
      return "assistant";
    case v1::ROLE_TOOL:
      return "tool";
    default:
      return "unknown";
  }
}

event_text to_event(const v1::TurnEvent& event) {
  switch (event.kind_case()) {
    case v1::TurnEvent::kStarted:
      return {"started", dump_json({{"model", text_or_null(event.started().model())},
                                    {"step", event.started().step()}})};
    case v1::TurnEvent::kDelta: {
      auto out = json::object();
      put(out, "text", event.delta().text());
      put(out, "reasoning", event.delta().reasoning());
      return {"delta", dump_json(out)};
    }
    case v1::TurnEvent::kToolCall: {
      json out{{"index", event.tool_call().index()}};
      put(out, "call_id", event.tool_call().call_id());
      put(out, "name", event.tool_call().name());
      put(out, "arguments", event.tool_call().arguments());
      return {"tool_call", dump_json(out)};
    }
    case v1::TurnEvent::kMessage:
      return {"message", dump_json(to_json(event.message().message()))};
    case v1::TurnEvent::kRestarted:
      return {"restarted", dump_json({{"reason", event.restarted().reason()}})};
    case v1::TurnEvent::kFinished: {
      const auto& end = event.finished();
      json out{{"status", name_of(end.status())},
               {"message_id", text_or_null(end.message_id())},
               {"finish_reason", text_or_null(end.finish_reason())}};
      if (end.has_usage())
        out["usage"] = to_json(end.usage());
      return {"finished", dump_json(out)};
    }
    case v1::TurnEvent::kFailed:
      return {"error", dump_json({{"error", to_json(event.failed().failure())}})};
    case v1::TurnEvent::KIND_NOT_SET:
      break;
  }
  return {"unknown", "{}"};
}

bool ends_turn(const v1::TurnEvent& event) noexcept {
  return event.has_finished() || event.has_failed();
}

std::string event_id(std::string_view turn_id, std::int64_t seq) {
  return fmt::format("{}:{}", turn_id, seq);
}

caf::expected<std::int64_t> read_event_id(std::string_view text, std::string_view turn_id) {
  if (text.empty())
    return 0;
  auto refuse = [&] {
    return make_error(
        ec::invalid_argument,
        fmt::format("Last-Event-ID must be the id of an event of this turn: {}:<seq>", turn_id));
  };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos || text.substr(0, colon) != turn_id)
    return refuse();
  auto digits = text.substr(colon + 1);
  std::int64_t seq = 0;
  auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), seq);
  if (digits.empty() || fault != std::errc{} || end != digits.data() + digits.size() || seq < 0)
    return refuse();
  return seq;
}

caf::error check_idempotency_key(std::string_view key) {
  if (key.size() <= 200
      && std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
    return {};
  return make_error(ec::invalid_argument,
                    "Idempotency-Key must be 1 to 200 visible ASCII characters");
}

} // namespace troupe::gateway
