#include "actors/channels/onebot/protocol.hpp"

#include <nlohmann/json.hpp>

#include <charconv>

namespace troupe::onebot11 {

using nlohmann::json;

namespace {

// What a scalar is as text; nothing for objects, arrays and null.
std::string scalar_text(const json& value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_number() || value.is_boolean())
    return value.dump();
  return {};
}

const json& member(const json& object, const char* name) {
  static const json none;
  if (!object.is_object())
    return none;
  auto it = object.find(name);
  return it == object.end() ? none : *it;
}

std::string text_member(const json& object, const char* name) {
  return scalar_text(member(object, name));
}

// An id: a number, or a short text. Anything else is as if it were not there.
std::string id_member(const json& object, const char* name) {
  const auto& value = member(object, name);
  if (value.is_number_float() || value.is_boolean())
    return {};
  auto text = scalar_text(value);
  bool fine = text.size() <= id_bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
                return static_cast<unsigned char>(c) > 0x20;
              });
  return fine ? text : std::string{};
}

std::int64_t int_member(const json& object, const char* name) {
  const auto& value = member(object, name);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)
    return 0;
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

segment parse_segment(const json& value) {
  segment result{text_member(value, "type"), {}};
  const auto& data = member(value, "data");
  if (data.is_object())
    for (const auto& [name, field] : data.items())
      if (!field.is_structured() && !field.is_null())
        result.data.emplace(name, scalar_text(field));
  return result;
}

segments parse_message(const json& value) {
  if (value.is_string())
    return parse_cq(value.get_ref<const std::string&>());
  segments result;
  if (value.is_object()) {
    result.push_back(parse_segment(value));
  } else if (value.is_array()) {
    for (const auto& element : value) {
      if (result.size() == segments_max)
        break;
      if (element.is_object())
        result.push_back(parse_segment(element));
    }
  }
  return result;
}

std::string display_name(const json& sender) {
  auto card = text_member(sender, "card");
  return card.empty() ? text_member(sender, "nickname") : card;
}

frame parse_message_event(const json& event) {
  message_event result;
  auto type = text_member(event, "message_type");
  if (type != "private" && type != "group")
    return other_event{"message." + type};
  result.group = type == "group";
  const auto& sender = member(event, "sender");
  result.self_id = id_member(event, "self_id");
  result.user_id = id_member(event, "user_id");
  result.group_id = id_member(event, "group_id");
  if (!result.group && result.group_id.empty())
    result.group_id = id_member(sender, "group_id");
  result.message_id = id_member(event, "message_id");
  result.sender_name = display_name(sender);
  if (const auto& anonymous = member(event, "anonymous"); anonymous.is_object()) {
    result.anonymous_id = id_member(anonymous, "id");
    if (result.anonymous_id.empty())
      result.anonymous_id = text_member(anonymous, "name");
    result.sender_name = text_member(anonymous, "name");
  }
  if (auto time = int_member(event, "time"); time > 0 && time < 253'402'300'800)
    result.time_us = time * 1'000'000;
  const auto& message = member(event, "message");
  result.message = parse_message(message.is_null() ? member(event, "raw_message") : message);
  if (result.user_id.empty())
    return malformed_frame{"a message without user_id"};
  if (result.group && result.group_id.empty())
    return malformed_frame{"a group message without group_id"};
  return result;
}

frame parse_event(const json& event) {
  auto type = text_member(event, "post_type");
  if (type == "message")
    return parse_message_event(event);
  auto detail = text_member(event, (type + "_type").c_str());
  if (type == "meta_event" && detail == "lifecycle")
    return lifecycle_event{id_member(event, "self_id"), text_member(event, "sub_type")};
  if (type == "meta_event" && detail == "heartbeat") {
    const auto& online = member(member(event, "status"), "online");
    return heartbeat_event{id_member(event, "self_id"),
                           std::max<std::int64_t>(0, int_member(event, "interval")),
                           !online.is_boolean() || online.get<bool>()};
  }
  return other_event{type + "." + detail};
}

frame parse_answer(const json& answer) {
  action_answer result;
  result.echo = text_member(answer, "echo");
  result.retcode = int_member(answer, "retcode");
  auto status = text_member(answer, "status");
  result.ok = (result.retcode == 0 || result.retcode == 1) && status != "failed";
  result.error = text_member(answer, "wording");
  if (result.error.empty())
    result.error = text_member(answer, "message");
  if (result.error.empty())
    result.error = text_member(answer, "msg");
  const auto& data = member(answer, "data");
  result.message_id = id_member(data, "message_id");
  result.sender_name = display_name(member(data, "sender"));
  const auto& message = member(data, "message");
  result.message = parse_message(message.is_null() ? member(data, "raw_message") : message);
  return result;
}

json id_json(std::string_view id) {
  if (!is_number(id))
    return std::string{id};
  std::int64_t number = 0;
  std::from_chars(id.data(), id.data() + id.size(), number);
  return number;
}

std::string action_text(const char* name, json params, std::string_view echo) {
  json action{{"action", name}, {"params", std::move(params)}, {"echo", std::string{echo}}};
  return action.dump(-1, ' ', false, json::error_handler_t::replace);
}

json message_json(const segments& message) {
  auto result = json::array();
  for (const auto& s : message)
    result.push_back({{"type", s.type}, {"data", s.data}});
  return result;
}

} // namespace

std::string_view segment::field(const std::string& name) const {
  auto it = data.find(name);
  return it == data.end() ? std::string_view{} : std::string_view{it->second};
}

bool is_number(std::string_view id) noexcept {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  // Leading zeros would be lost.
  return error == std::errc{} && end == id.data() + id.size() && std::to_string(number) == id;
}

frame parse_frame(std::string_view text) {
  bool too_deep = false;
  auto keep = [&too_deep](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > json_depth_max;
    return !too_deep;
  };
  auto value = json::parse(text, keep, false);
  if (too_deep)
    return malformed_frame{"nested too deeply"};
  if (value.is_discarded())
    return malformed_frame{"not JSON"};
  if (!value.is_object())
    return malformed_frame{"not a JSON object"};
  if (value.contains("post_type"))
    return parse_event(value);
  if (value.contains("echo") || value.contains("retcode"))
    return parse_answer(value);
  return malformed_frame{"neither an event nor an answer"};
}

std::string send_group_msg(std::string_view group_id, const segments& message,
                           std::string_view echo) {
  json params{{"group_id", id_json(group_id)}, {"message", message_json(message)}};
  return action_text("send_group_msg", std::move(params), echo);
}

std::string send_private_msg(std::string_view user_id, std::string_view group_id,
                             const segments& message, std::string_view echo) {
  json params{{"user_id", id_json(user_id)}, {"message", message_json(message)}};
  if (!group_id.empty())
    params["group_id"] = id_json(group_id);
  return action_text("send_private_msg", std::move(params), echo);
}

std::string get_msg(std::string_view message_id, std::string_view echo) {
  return action_text("get_msg", {{"message_id", id_json(message_id)}}, echo);
}

std::string get_status(std::string_view echo) {
  return action_text("get_status", json::object(), echo);
}

} // namespace troupe::onebot11
