// The dialect of OpenAI's chat completions.
#include "gateway/api/base64.hpp"
#include "gateway/upstream/dialect.hpp"
#include "gateway/upstream/sse_parser.hpp"
#include "messages/log.hpp"

#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace troupe::gateway {

namespace {

using json = nlohmann::json;

constexpr int malformed_max = 8;

std::string data_url(const std::string& mime_type, const std::string& data) {
  return "data:" + (mime_type.empty() ? std::string{"application/octet-stream"} : mime_type)
         + ";base64," + to_base64(data);
}

json image_json(const v1::ImagePart& image) {
  json url{{"url", image.url().empty() ? data_url(
                       image.mime_type().empty() ? "image/png" : image.mime_type(), image.data())
                                       : image.url()}};
  if (!image.detail().empty())
    url["detail"] = image.detail();
  return {{"type", "image_url"}, {"image_url", std::move(url)}};
}

json audio_json(const v1::AudioPart& audio) {
  if (audio.data().empty()) // the protocol takes no address: the model at least learns of it
    return {{"type", "text"}, {"text", audio.url()}};
  return {{"type", "input_audio"},
          {"input_audio", {{"data", to_base64(audio.data())}, {"format", audio.format()}}}};
}

json file_json(const v1::FilePart& file) {
  if (file.data().empty() && file.file_id().empty())
    return {{"type", "text"}, {"text", file.name() + " " + file.url()}};
  json body;
  if (!file.file_id().empty())
    body["file_id"] = file.file_id();
  else
    body = {{"filename", file.name()}, {"file_data", data_url(file.mime_type(), file.data())}};
  return {{"type", "file"}, {"file", std::move(body)}};
}

json tool_call_json(const v1::ToolCallPart& call) {
  return {{"id", call.call_id()},
          {"type", "function"},
          {"function", {{"name", call.name()}, {"arguments", call.arguments_json()}}}};
}

const char* role_name(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return "system";
    case v1::ROLE_ASSISTANT:
      return "assistant";
    case v1::ROLE_TOOL:
      return "tool";
    default:
      return "user";
  }
}

/// Content as one text where that is all there is: every server understands it.
json content_json(const json& parts) {
  std::string text;
  for (const auto& part : parts) {
    if (part["type"] != "text")
      return parts;
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

/// One message of ours may be several of theirs: each tool result is a message.
void append_message(json& messages, const v1::Message& message) {
  json parts = json::array();
  json calls = json::array();
  for (const auto& part : message.parts()) {
    switch (part.kind_case()) {
      case v1::Part::kText:
        parts.push_back({{"type", "text"}, {"text", part.text().text()}});
        break;
      case v1::Part::kImage:
        parts.push_back(image_json(part.image()));
        break;
      case v1::Part::kAudio:
        parts.push_back(audio_json(part.audio()));
        break;
      case v1::Part::kFile:
        parts.push_back(file_json(part.file()));
        break;
      case v1::Part::kToolCall:
        calls.push_back(tool_call_json(part.tool_call()));
        break;
      case v1::Part::kToolResult:
        messages.push_back({{"role", "tool"},
                            {"tool_call_id", part.tool_result().call_id()},
                            {"content", part.tool_result().content()}});
        break;
      case v1::Part::kReasoning: // not sent back: it is the provider's, and most refuse it
      case v1::Part::KIND_NOT_SET:
        break;
    }
  }
  if (parts.empty() && calls.empty())
    return;
  json out{{"role", role_name(message.role())}};
  out["content"] = parts.empty() ? json(nullptr) : content_json(parts);
  if (!calls.empty())
    out["tool_calls"] = std::move(calls);
  messages.push_back(std::move(out));
}

class openai_decoder final : public completion_decoder {
public:
  explicit openai_decoder(std::string_view who) : who_(who) {}

  caf::error feed(std::string_view bytes, v1::CompletionEvents& events) override {
    caf::error failed;
    bool parsed = parser_.feed(bytes, [&](const sse_event& event) {
      if (!done_ && !failed)
        failed = take(event.data, events);
    });
    if (!parsed && !failed)
      failed = make_error(ec::upstream_broken, who_ + ": an event of its stream is too long");
    return failed;
  }

  caf::error end() override {
    if (done_ || facts_.finished())
      return {};
    return make_error(ec::upstream_broken, who_ + ": its stream ended before the answer did");
  }

  bool done() const override { return done_; }
  bool finished() const override { return facts_.finished(); }
  const std::string& finish_reason() const override { return facts_.finish_reason; }
  const std::string& model() const override { return facts_.model; }
  const std::optional<v1::Usage>& usage() const override { return facts_.usage; }
  const std::string& text() const override { return text_; }

private:
  caf::error take(std::string_view data, v1::CompletionEvents& events) {
    if (data == "[DONE]") {
      done_ = true;
      return {};
    }
    switch (openai::read_chunk(data, facts_, text_, *events.mutable_events())) {
      case openai::chunk_kind::error:
        return openai::read_error(502, data, who_);
      case openai::chunk_kind::malformed:
        log_warn("upstream_event_malformed", {{"upstream", who_}, {"bytes", data.size()}});
        if (++malformed_ > malformed_max)
          return make_error(ec::upstream_broken, who_ + ": its stream is no JSON");
        return {};
      default:
        return {};
    }
  }

  std::string who_;
  sse_parser parser_;
  openai::stream_facts facts_;
  std::string text_;
  int malformed_ = 0;
  bool done_ = false;
};

class openai_dialect final : public dialect {
public:
  std::string_view chat_path() const override { return "/chat/completions"; }

  caf::expected<std::string> chat_body(const v1::StartCompletion& start,
                                       const std::string& upstream_model) const override {
    auto body = start.params_json().empty() ? json::object()
                                            : json::parse(start.params_json(), nullptr, false);
    if (!body.is_object())
      return make_error(ec::invalid_argument, "the parameters must be a JSON object");
    if (!start.tools_json().empty()) {
      auto tools = json::parse(start.tools_json(), nullptr, false);
      if (!tools.is_array())
        return make_error(ec::invalid_argument, "the tools must be a JSON list");
      if (!tools.empty())
        body["tools"] = std::move(tools);
    }
    auto messages = json::array();
    for (const auto& message : start.messages())
      append_message(messages, message);
    body["model"] = upstream_model;
    body["messages"] = std::move(messages);
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  std::unique_ptr<completion_decoder> decoder(std::string_view who) const override {
    return std::make_unique<openai_decoder>(who);
  }

  caf::error error_of(int status, std::string_view body, std::string_view who) const override {
    return openai::read_error(status, body, who);
  }
};

} // namespace

const dialect* find_dialect(std::string_view name) {
  static const openai_dialect openai;
  return name == "openai" || name == "demo" || name.empty() ? &openai : nullptr;
}

} // namespace troupe::gateway
