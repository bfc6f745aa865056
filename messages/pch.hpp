// Precompiled for messages, config, persistence and actors: what most of their files read anyway.
// A header that instantiates templates in inline functions (nlohmann/json.hpp does) costs every
// file seconds even precompiled: it has no place here (docs/decisions/0008).
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>
