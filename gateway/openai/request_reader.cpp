#include "gateway/openai/request_reader.hpp"

#include "gateway/openai/shapes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <algorithm>

namespace troupe::gateway::openai {

namespace {

using namespace simdjson;

constexpr std::size_t scratch_kept_max = 1'048'576;

caf::error no_json(std::string_view what) {
  return make_error(ec::malformed_request, fmt::format("the body is not valid JSON: {}", what));
}

caf::error no_json(error_code code) {
  return no_json(code == CAPACITY || code == MEMALLOC ? "it is too large" : error_message(code));
}

/// Walks a document once: checks its form and depth, and finds places.
class body_walk {
public:
  body_walk(const char* start, request_facts& facts, const request_limits& limits) :
      start_(start), facts_(facts), limits_(limits) {}

  caf::error root(ondemand::document& document) {
    ondemand::object object;
    ondemand::json_type type;
    if (auto code = document.type().get(type))
      return no_json(code);
    if (type != ondemand::json_type::object)
      return make_error(ec::malformed_request, "the body must be a JSON object");
    if (auto code = document.get_object().get(object))
      return no_json(code);
    for (auto field : object) {
      std::string_view key;
      ondemand::value value;
      if (auto code = field.unescaped_key().get(key))
        return no_json(code);
      if (auto code = field.value().get(value))
        return no_json(code);
      if (auto err = member(key, value))
        return err;
    }
    if (document.current_location().error() != OUT_OF_BOUNDS)
      return no_json("something follows the object");
    return {};
  }

private:
  static body_place trimmed(std::size_t at, std::string_view token) {
    auto last = token.find_last_not_of(" \t\r\n");
    return {at, last == std::string_view::npos ? 0 : last + 1};
  }

  body_place place_of(ondemand::value& value) const {
    auto token = value.raw_json_token();
    return trimmed(static_cast<std::size_t>(token.data() - start_), token);
  }

  static bool is_null(ondemand::value& value) {
    ondemand::json_type type;
    bool null = false;
    return value.type().get(type) == SUCCESS && type == ondemand::json_type::null
           && value.is_null().get(null) == SUCCESS && null;
  }

  static caf::error twice(std::string_view key) {
    return make_error(ec::malformed_request, fmt::format("the body has \"{}\" twice", key));
  }

  caf::error member(std::string_view key, ondemand::value& value) {
    if (key == "model")
      return read_model(value);
    if (key == "stream")
      return read_stream(value);
    if (key == "stream_options")
      return read_options(value);
    return skip(value, 2);
  }

  caf::error read_model(ondemand::value& value) {
    if (facts_.model_value.length != 0)
      return twice("model");
    facts_.model_value = place_of(value);
    std::string_view model;
    if (value.get_string().get(model) != SUCCESS || model.empty())
      return make_error(ec::invalid_argument, "\"model\" must be a text that is not empty");
    if (model.size() > limits_.model_bytes_max)
      return make_error(ec::invalid_argument, "\"model\" is too long");
    facts_.model = model;
    return {};
  }

  caf::error read_stream(ondemand::value& value) {
    if (std::exchange(stream_seen_, true))
      return twice("stream");
    return read_flag(value, "stream", facts_.stream);
  }

  /// A boolean, or null for false.
  static caf::error read_flag(ondemand::value& value, std::string_view name, bool& flag) {
    if (is_null(value))
      return {};
    if (value.get_bool().get(flag) != SUCCESS)
      return make_error(ec::invalid_argument, fmt::format("\"{}\" must be true or false", name));
    return {};
  }

  caf::error read_options(ondemand::value& value) {
    if (facts_.options_form != stream_options_form::absent)
      return twice("stream_options");
    facts_.stream_options = place_of(value);
    if (is_null(value)) {
      facts_.options_form = stream_options_form::null;
      return {};
    }
    ondemand::object object;
    if (value.get_object().get(object) != SUCCESS)
      return make_error(ec::invalid_argument, "\"stream_options\" must be an object");
    facts_.options_form = stream_options_form::object;
    facts_.options_empty = true;
    for (auto field : object) {
      std::string_view key;
      ondemand::value inner;
      if (auto code = field.unescaped_key().get(key))
        return no_json(code);
      if (auto code = field.value().get(inner))
        return no_json(code);
      facts_.options_empty = false;
      if (auto err = key == "include_usage" ? read_include_usage(inner) : skip(inner, 3))
        return err;
    }
    return {};
  }

  caf::error read_include_usage(ondemand::value& value) {
    if (facts_.include_usage_value.length != 0)
      return twice("include_usage");
    facts_.include_usage_value = place_of(value);
    return read_flag(value, "include_usage", facts_.include_usage);
  }

  caf::error skip(ondemand::value& value, std::size_t depth) {
    if (depth > limits_.depth_max)
      return make_error(ec::malformed_request,
                        fmt::format("the body is nested deeper than {}", limits_.depth_max));
    ondemand::json_type type;
    if (auto code = value.type().get(type))
      return no_json(code);
    switch (type) {
      case ondemand::json_type::object:
        return skip_object(value, depth);
      case ondemand::json_type::array:
        return skip_array(value, depth);
      default:
        return skip_scalar(value, type);
    }
  }

  caf::error skip_object(ondemand::value& value, std::size_t depth) {
    ondemand::object object;
    if (auto code = value.get_object().get(object))
      return no_json(code);
    for (auto field : object) {
      ondemand::value inner;
      if (auto code = field.value().get(inner))
        return no_json(code);
      if (auto err = skip(inner, depth + 1))
        return err;
    }
    return {};
  }

  caf::error skip_array(ondemand::value& value, std::size_t depth) {
    ondemand::array array;
    if (auto code = value.get_array().get(array))
      return no_json(code);
    for (auto item : array) {
      ondemand::value inner;
      if (auto code = item.get(inner))
        return no_json(code);
      if (auto err = skip(inner, depth + 1))
        return err;
    }
    return {};
  }

  static caf::error skip_scalar(ondemand::value& value, ondemand::json_type type) {
    error_code code = SUCCESS;
    if (type == ondemand::json_type::string)
      code = value.get_raw_json_string().error();
    else if (type == ondemand::json_type::number)
      code = value.get_double().error();
    else if (type == ondemand::json_type::boolean)
      code = value.get_bool().error();
    else if (!is_null(value))
      code = N_ATOM_ERROR;
    return code == SUCCESS ? caf::error{} : no_json(code);
  }

  const char* start_;
  request_facts& facts_;
  const request_limits& limits_;
  bool stream_seen_ = false;
};

/// One a thread, used before anything else runs there.
struct scratch {
  ondemand::parser parser;
  std::string input;
};

scratch& local_scratch() {
  thread_local scratch one;
  return one;
}

void append_text(const nlohmann::json& content, std::string& text) {
  if (content.is_string()) {
    text += content.get_ref<const std::string&>();
  } else if (content.is_array()) {
    for (const auto& part : content)
      append_text(part, text);
  } else if (content.is_object() && content.contains("text")) {
    append_text(content["text"], text);
  }
}

} // namespace

caf::error read_request(std::string_view body, request_facts& facts, const request_limits& limits) {
  auto& local = local_scratch();
  if (local.input.capacity() > scratch_kept_max) {
    local.input = {};
    local.parser = ondemand::parser{};
  }
  local.input.reserve(body.size() + SIMDJSON_PADDING);
  local.input.assign(body);
  ondemand::document document;
  if (auto code = local.parser
                      .iterate(local.input.data(), local.input.size(),
                               local.input.size() + SIMDJSON_PADDING)
                      .get(document))
    return code == EMPTY ? no_json("it is empty") : no_json(code);
  body_walk walk{local.input.data(), facts, limits};
  if (auto err = walk.root(document))
    return err;
  facts.first_member = body.find('{') + 1;
  if (facts.model.empty())
    return make_error(ec::invalid_argument, "\"model\" is missing: name the model to ask");
  return {};
}

std::vector<body_edit> edits_for(const request_facts& facts, std::string_view upstream_model,
                                 bool ask_usage) {
  std::vector<body_edit> edits;
  if (upstream_model != facts.model) {
    std::string name;
    append_json_string(name, upstream_model);
    edits.push_back({facts.model_value.at, facts.model_value.length, std::move(name)});
  }
  if (!ask_usage || !facts.stream || facts.include_usage)
    return edits;
  const auto& options = facts.stream_options;
  switch (facts.options_form) {
    case stream_options_form::absent:
      edits.push_back({facts.first_member, 0, R"("stream_options":{"include_usage":true},)"});
      break;
    case stream_options_form::null:
      edits.push_back({options.at, options.length, R"({"include_usage":true})"});
      break;
    case stream_options_form::object:
      if (facts.include_usage_value.length != 0)
        edits.push_back({facts.include_usage_value.at, facts.include_usage_value.length, "true"});
      else
        edits.push_back(
            {options.at + 1, 0,
             facts.options_empty ? R"("include_usage":true)" : R"("include_usage":true,)"});
      break;
  }
  std::sort(edits.begin(), edits.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return edits;
}

std::string splice(std::string_view body, const std::vector<body_edit>& edits) {
  auto size = body.size();
  for (const auto& edit : edits)
    size += edit.text.size();
  std::string out;
  out.reserve(size);
  std::size_t at = 0;
  for (const auto& edit : edits) {
    out.append(body.substr(at, edit.at - at)).append(edit.text);
    at = edit.at + edit.length;
  }
  out.append(body.substr(at));
  return out;
}

std::vector<std::string> texts_of_request(std::string_view body) {
  std::vector<std::string> texts;
  auto request = nlohmann::json::parse(body, nullptr, false);
  if (!request.is_object())
    return texts;
  if (request.contains("messages") && request["messages"].is_array()) {
    for (const auto& message : request["messages"])
      if (message.is_object() && message.contains("content"))
        append_text(message["content"], texts.emplace_back());
    return texts;
  }
  for (auto name : {"prompt", "input"})
    if (request.contains(name))
      append_text(request[name], texts.emplace_back());
  return texts;
}

} // namespace troupe::gateway::openai
