// How a OneBot implementation answers actions. Pure.
#pragma once

#include "actors/channels/onebot/protocol.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace troupe::test {

/// What the implementation knows when an action comes.
struct onebot_world {
  std::string self_id;
  std::string nickname;
  std::int64_t send_retcode = 0;
  std::string send_error;
  std::map<std::int64_t, nlohmann::json>* messages = nullptr;
  std::int64_t* last_id = nullptr;
};

nlohmann::json answer_action(const onebot_world& world, const nlohmann::json& action);
bool sends_message(const nlohmann::json& action);

/// The fields every event has.
nlohmann::json event_of(const std::string& self_id, const char* post_type);
nlohmann::json sender_of(std::int64_t user);
nlohmann::json segments_of(const onebot11::segments& message);

} // namespace troupe::test
