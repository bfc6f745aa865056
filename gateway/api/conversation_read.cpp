// The reading half of conversation_json.hpp.
#include "gateway/api/base64.hpp"
#include "gateway/api/conversation_json.hpp"
#include "gateway/api/json_reader.hpp"

#include <fmt/format.h>

#include <set>

namespace troupe::gateway {

namespace {

using nlohmann::json;

constexpr std::string_view tool_name_rule =
    "1 to 64 characters of letters, digits, underscore and hyphen";

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= 64
         && std::all_of(name.begin(), name.end(), [](unsigned char c) {
              return std::isalnum(c) != 0 || c == '_' || c == '-';
            });
}

/// A number of `params` within its range.
void check_range(object_reader& params, std::string_view name, double min, double max) {
  const auto* value = params.find(name);
  if (value == nullptr)
    return;
  if (!value->is_number() || value->get<double>() < min || value->get<double>() > max)
    params.must_be(name, fmt::format("a number from {} to {}", min, max));
}

/// What a turn decides itself, and why it is no parameter.
void refuse_reserved(object_reader& reader, const json& params) {
  static constexpr std::pair<const char*, const char*> reserved[] = {
      {"model", "use the field model"},
      {"messages", "the conversation has them"},
      {"tools", "use the field tools"},
      {"stream", "choose by the Accept header"},
      {"stream_options", "usage is always counted"},
      {"n", "a turn has one answer; regenerate for another"},
  };
  for (const auto& [name, why] : reserved)
    if (params.contains(name))
      reader.fail(make_error(ec::invalid_argument,
                             fmt::format("params.{} is not a sampling parameter: {}", name, why)));
}

/// `params`: an object; known parameters are checked, others pass on to the model.
std::optional<std::string> read_params(object_reader& reader, const api_limits& limits) {
  const auto* value = reader.find("params");
  if (value == nullptr)
    return {};
  if (value->is_null())
    return "{}";
  if (!value->is_object()) {
    reader.must_be("params", "an object of sampling parameters, or null");
    return {};
  }
  refuse_reserved(reader, *value);
  object_reader params{*value, "params"};
  check_range(params, "temperature", 0, 2);
  check_range(params, "top_p", 0, 1);
  check_range(params, "presence_penalty", -2, 2);
  check_range(params, "frequency_penalty", -2, 2);
  params.integer("max_tokens", 1, 10'000'000);
  params.integer("max_completion_tokens", 1, 10'000'000);
  params.integer("seed", std::numeric_limits<std::int64_t>::min(),
                 std::numeric_limits<std::int64_t>::max());
  if (params.failed())
    reader.fail(params.finish());
  auto text = dump_json(*value);
  if (text.size() > limits.params_bytes)
    reader.must_be("params", fmt::format("at most {} bytes of JSON", limits.params_bytes));
  return text;
}

void read_tool(object_reader& reader, const json& tool, const std::string& where,
               std::set<std::string>& names) {
  object_reader fields{tool, where};
  fields.require("type", "\"function\"");
  fields.one_of("type", {"function"});
  const auto* function = fields.require("function", "an object with a name");
  if (function != nullptr) {
    object_reader inner{*function, where + ".function"};
    const auto* name = inner.require("name", tool_name_rule);
    if (name != nullptr && (!name->is_string() || !is_tool_name(name->get<std::string>())))
      inner.must_be("name", tool_name_rule);
    inner.text("description", 16'384);
    const auto* parameters = inner.find("parameters");
    if (parameters != nullptr && !parameters->is_object())
      inner.must_be("parameters", "an object: a JSON schema");
    const auto* strict = inner.find("strict");
    if (strict != nullptr && !strict->is_boolean() && !strict->is_null())
      inner.must_be("strict", "true, false or null");
    if (auto err = inner.finish())
      fields.fail(std::move(err));
    else if (!names.insert(name->get<std::string>()).second)
      inner.must_be("name", "unique among the tools"), fields.fail(inner.finish());
  }
  if (auto err = fields.finish())
    reader.fail(std::move(err));
}

std::optional<std::string> read_tools(object_reader& reader, const api_limits& limits) {
  const auto* value = reader.find("tools");
  if (value == nullptr)
    return {};
  if (value->is_null())
    return "[]";
  if (!value->is_array() || value->size() > limits.tools_max) {
    reader.must_be("tools", fmt::format("an array of at most {} tools, or null", limits.tools_max));
    return {};
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < value->size() && !reader.failed(); ++i)
    read_tool(reader, (*value)[i], fmt::format("tools[{}]", i), names);
  auto text = dump_json(*value);
  if (text.size() > limits.tools_bytes)
    reader.must_be("tools", fmt::format("at most {} bytes of JSON", limits.tools_bytes));
  return text;
}

/// `url` or `data` of a part: exactly one.
template <class P>
void read_source(object_reader& part, P& out, const api_limits& limits) {
  auto url = part.text("url", limits.url_bytes, 1);
  if (url && !url->starts_with("https://") && !url->starts_with("http://"))
    part.must_be("url", "an http or https address; send bytes as base64 in data");
  const auto* data = part.find("data");
  if (data != nullptr && !part.failed()) {
    auto bytes = data->is_string() ? from_base64(data->get_ref<const std::string&>())
                                   : std::optional<std::string>{};
    if (!bytes || bytes->empty() || bytes->size() > limits.media_bytes)
      part.must_be("data", fmt::format("base64 of 1 to {} bytes", limits.media_bytes));
    else
      out.set_data(std::move(*bytes));
  }
  if (url)
    out.set_url(std::move(*url));
}

template <class P>
void require_one_source(object_reader& part, const P& out) {
  if (!part.failed() && out.url().empty() == out.data().empty())
    part.fail(make_error(ec::invalid_argument, fmt::format("{} needs exactly one of url and data",
                                                           part.path_of("type"))));
}

void read_image(object_reader& part, v1::ImagePart& out, const api_limits& limits) {
  read_source(part, out, limits);
  require_one_source(part, out);
  out.set_mime_type(part.text("mime_type", 127).value_or(""));
  out.set_detail(part.one_of("detail", {"low", "high", "auto"}).value_or(""));
}

void read_audio(object_reader& part, v1::AudioPart& out, const api_limits& limits) {
  read_source(part, out, limits);
  require_one_source(part, out);
  out.set_format(part.text("format", 32).value_or(""));
}

void read_file(object_reader& part, v1::FilePart& out, const api_limits& limits) {
  read_source(part, out, limits);
  out.set_file_id(part.text("file_id", 256, 1).value_or(""));
  if (out.file_id().empty())
    require_one_source(part, out);
  else if (!out.url().empty() || !out.data().empty())
    part.must_be("file_id", "alone, without url and data");
  out.set_name(part.text("name", 255).value_or(""));
  out.set_mime_type(part.text("mime_type", 127).value_or(""));
}

void read_text(object_reader& part, v1::TextPart& out, const api_limits& limits) {
  part.require("text", "a string");
  out.set_text(part.text("text", limits.message_bytes).value_or(""));
}

void read_tool_result(object_reader& part, v1::ToolResultPart& out, const api_limits& limits) {
  part.require("call_id", "the id of the tool call it answers");
  out.set_call_id(part.text("call_id", 256, 1).value_or(""));
  part.require("content", "a string");
  out.set_content(part.text("content", limits.message_bytes).value_or(""));
  out.set_failed(part.boolean("failed").value_or(false));
}

/// One of `content`; which types are good depends on the kind of post.
void read_part(object_reader& reader, const json& value, const std::string& where, bool results,
               const api_limits& limits, v1::Part& out) {
  object_reader part{value, where};
  const std::vector<std::string_view> types =
      results ? std::vector<std::string_view>{"tool_result"}
              : std::vector<std::string_view>{"text", "image", "audio", "file"};
  part.require("type", results ? "tool_result" : "text, image, audio or file");
  auto type = part.one_of("type", types).value_or("");
  if (type == "text")
    read_text(part, *out.mutable_text(), limits);
  else if (type == "image")
    read_image(part, *out.mutable_image(), limits);
  else if (type == "audio")
    read_audio(part, *out.mutable_audio(), limits);
  else if (type == "file")
    read_file(part, *out.mutable_file(), limits);
  else if (type == "tool_result")
    read_tool_result(part, *out.mutable_tool_result(), limits);
  if (auto err = part.finish())
    reader.fail(std::move(err));
}

std::size_t text_bytes(const v1::Part& part) {
  return part.text().text().size() + part.tool_result().content().size();
}

void read_content(object_reader& reader, v1::PostMessage& out, const api_limits& limits) {
  bool results = out.kind() == v1::POST_KIND_TOOL_RESULTS;
  std::string_view allowed =
      results ? "an array of tool_result parts" : "text or an array of parts";
  const auto* content = reader.require("content", allowed);
  if (content == nullptr)
    return;
  if (content->is_string() && !results) {
    auto text = reader.text("content", limits.message_bytes, 1);
    out.add_parts()->mutable_text()->set_text(text.value_or(""));
    return;
  }
  if (!content->is_array() || content->empty() || content->size() > limits.parts_max) {
    reader.must_be("content", fmt::format("{}, 1 to {} of them", allowed, limits.parts_max));
    return;
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < content->size() && !reader.failed(); ++i) {
    auto& part = *out.add_parts();
    read_part(reader, (*content)[i], fmt::format("content[{}]", i), results, limits, part);
    bytes += text_bytes(part);
  }
  if (bytes > limits.message_bytes)
    reader.must_be("content", fmt::format("at most {} bytes of text", limits.message_bytes));
}

v1::PostKind kind_of(const std::string& name) {
  if (name == "regenerate")
    return v1::POST_KIND_REGENERATE;
  if (name == "edit")
    return v1::POST_KIND_EDIT;
  if (name == "tool_results")
    return v1::POST_KIND_TOOL_RESULTS;
  return v1::POST_KIND_MESSAGE;
}

} // namespace

caf::expected<v1::CreateConversation> read_create(std::string_view body, const api_limits& limits) {
  auto value = body.empty() ? caf::expected<json>{json::object()} : parse_json(body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  v1::CreateConversation out;
  auto& conversation = *out.mutable_conversation();
  conversation.set_title(reader.text("title", limits.title_bytes).value_or(""));
  conversation.set_system_prompt(
      reader.text_or_null("system_prompt", limits.system_prompt_bytes).value_or(""));
  conversation.set_model(reader.text_or_null("model", limits.model_bytes).value_or(""));
  conversation.set_params_json(read_params(reader, limits).value_or(""));
  conversation.set_tools_json(read_tools(reader, limits).value_or(""));
  if (auto err = reader.finish())
    return err;
  return out;
}

caf::expected<v1::UpdateConversation> read_update(std::string_view body, const api_limits& limits) {
  auto value = parse_json(body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  v1::UpdateConversation out;
  if (auto title = reader.text("title", limits.title_bytes))
    out.set_title(std::move(*title));
  if (auto prompt = reader.text_or_null("system_prompt", limits.system_prompt_bytes))
    out.set_system_prompt(std::move(*prompt));
  if (auto model = reader.text_or_null("model", limits.model_bytes))
    out.set_model(std::move(*model));
  if (auto params = read_params(reader, limits))
    out.set_params_json(std::move(*params));
  if (auto tools = read_tools(reader, limits))
    out.set_tools_json(std::move(*tools));
  if (auto leaf = reader.id_or_null("leaf_id")) {
    if (leaf->empty())
      reader.must_be("leaf_id", "the id of a message of this conversation");
    out.set_leaf_id(std::move(*leaf));
  }
  if (auto err = reader.finish())
    return err;
  if (value->empty())
    return make_error(ec::invalid_argument, "nothing to change: send at least one of title, "
                                            "system_prompt, model, params, tools, leaf_id");
  return out;
}

caf::expected<v1::PostMessage> read_post(std::string_view body, const api_limits& limits) {
  auto value = parse_json(body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  v1::PostMessage out;
  auto kind = reader.one_of("kind", {"message", "regenerate", "edit", "tool_results"});
  out.set_kind(kind_of(kind.value_or("message")));
  out.set_parent_id(reader.id_or_null("parent_id").value_or(""));
  bool needs_parent = out.kind() == v1::POST_KIND_REGENERATE || out.kind() == v1::POST_KIND_EDIT;
  if (needs_parent && out.parent_id().empty())
    reader.fail(make_error(
        ec::invalid_argument,
        fmt::format("parent_id is missing: {} needs the id of the user message", *kind)));
  if (out.kind() != v1::POST_KIND_REGENERATE)
    read_content(reader, out, limits);
  else if (reader.find("content") != nullptr)
    reader.fail(make_error(ec::invalid_argument,
                           "content must be absent: regenerate answers parent_id again"));
  out.set_author(reader.text("author", limits.author_bytes).value_or(""));
  out.set_model(reader.text_or_null("model", limits.model_bytes).value_or(""));
  out.set_params_json(read_params(reader, limits).value_or(""));
  out.set_tools_json(read_tools(reader, limits).value_or(""));
  if (auto err = reader.finish())
    return err;
  return out;
}

} // namespace troupe::gateway
