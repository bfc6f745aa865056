#include "tests/support/onebot_answers.hpp"

#include <ctime>

namespace troupe::test {

using nlohmann::json;

namespace {

constexpr std::int64_t retcode_unknown_action = 1'404;

json id_json(const std::string& text) {
  return onebot11::is_number(text) ? json(std::stoll(text)) : json(text);
}

json group_info(std::int64_t group) {
  return {{"group_id", group},
          {"group_name", "group " + std::to_string(group)},
          {"member_count", 3},
          {"max_member_count", 200}};
}

json answer(std::int64_t retcode, json data, const std::string& error = {}) {
  bool ok = retcode == 0;
  json result{{"status", ok ? "ok" : "failed"}, {"retcode", retcode}, {"data", std::move(data)}};
  if (!ok)
    result.update({{"message", error}, {"wording", error}});
  return result;
}

json send_message(const onebot_world& world, const json& params) {
  if (world.send_retcode != 0)
    return answer(world.send_retcode, nullptr, world.send_error);
  auto id = ++*world.last_id;
  json sender{{"user_id", id_json(world.self_id)}, {"nickname", world.nickname}};
  (*world.messages)[id] = {
      {"message_id", id}, {"message", params.value("message", json::array())}, {"sender", sender}};
  return answer(0, {{"message_id", id}});
}

json get_message(const onebot_world& world, const json& params) {
  auto id = params.value("message_id", json{});
  std::int64_t number = 0;
  if (id.is_number_integer())
    number = id.get<std::int64_t>();
  else if (id.is_string())
    number = std::atoll(id.get<std::string>().c_str());
  auto it = world.messages->find(number);
  return it == world.messages->end() ? answer(100, nullptr, "no such message")
                                     : answer(0, it->second);
}

json do_action(const onebot_world& world, const std::string& name, const json& params) {
  if (name == "get_msg")
    return get_message(world, params);
  if (name == "get_login_info")
    return answer(0, {{"user_id", id_json(world.self_id)}, {"nickname", world.nickname}});
  if (name == "get_status")
    return answer(0, {{"online", true}, {"good", true}});
  if (name == "get_version_info")
    return answer(0, {{"app_name", "troupe-peer"},
                      {"app_version", TROUPE_VERSION},
                      {"protocol_version", "v11"}});
  if (name == "get_friend_list" || name == "get_group_list")
    return answer(0, json::array());
  if (name == "get_group_info")
    return answer(0, group_info(params.value("group_id", 0)));
  if (name == "get_group_member_info" || name == "get_stranger_info")
    return answer(0, sender_of(params.value("user_id", 0)));
  if (name == "can_send_image" || name == "can_send_record")
    return answer(0, {{"yes", false}});
  return answer(retcode_unknown_action, nullptr, "unknown action " + name);
}

} // namespace

bool sends_message(const json& action) {
  auto name = action.value("action", "");
  return name == "send_msg" || name == "send_group_msg" || name == "send_private_msg";
}

json answer_action(const onebot_world& world, const json& action) {
  auto params = action.value("params", json::object());
  auto result = sends_message(action) ? send_message(world, params)
                                      : do_action(world, action.value("action", ""), params);
  if (action.contains("echo"))
    result["echo"] = action["echo"];
  return result;
}

json event_of(const std::string& self_id, const char* post_type) {
  return {{"time", static_cast<std::int64_t>(std::time(nullptr))},
          {"self_id", id_json(self_id)},
          {"post_type", post_type}};
}

json sender_of(std::int64_t user) {
  return {{"user_id", user}, {"nickname", "user " + std::to_string(user)},
          {"card", ""},      {"sex", "unknown"},
          {"age", 0},        {"role", "member"}};
}

json segments_of(const onebot11::segments& message) {
  auto result = json::array();
  for (const auto& s : message)
    result.push_back({{"type", s.type}, {"data", s.data}});
  return result;
}

} // namespace troupe::test
