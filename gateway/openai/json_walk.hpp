// Walking through JSON without making a document of it. For the readers of this folder only.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace troupe::gateway::openai {

inline constexpr std::size_t scratch_kept_max = 1'048'576;

/// Keeps its memory from one text to the next, unless that was a large one.
struct json_walker {
  simdjson::ondemand::parser parser;
  std::string input;

  simdjson::simdjson_result<simdjson::ondemand::document> begin(std::string_view json) {
    if (input.capacity() > scratch_kept_max) {
      input = {};
      parser = simdjson::ondemand::parser{};
    }
    input.reserve(json.size() + simdjson::SIMDJSON_PADDING);
    input.assign(json);
    return parser.iterate(input.data(), input.size(), input.size() + simdjson::SIMDJSON_PADDING);
  }
};

/// One a thread: what it reads holds until the thread reads the next text, and thousands of calls
/// share its memory.
inline json_walker& local_walker() {
  thread_local json_walker one;
  return one;
}

/// False too if the value is broken.
inline bool is(simdjson::ondemand::value& value, simdjson::ondemand::json_type wanted) {
  simdjson::ondemand::json_type type;
  return value.type().get(type) == simdjson::SUCCESS && type == wanted;
}

/// Calls `f(arguments...)`, which may return nothing, or false to end the walk.
template <class F, class... Ts>
bool goes_on_after(F& f, Ts&&... arguments) {
  if constexpr (std::is_same_v<decltype(f(arguments...)), bool>) {
    return f(arguments...);
  } else {
    f(arguments...);
    return true;
  }
}

/// Calls `f(value)` for each item of an array. False if it is none, or broken, or `f` said so.
template <class F>
bool each_item(simdjson::ondemand::value& value, F&& f) {
  simdjson::ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS)
    return false;
  for (auto item : array) {
    simdjson::ondemand::value inner;
    if (item.get(inner) != simdjson::SUCCESS || !goes_on_after(f, inner))
      return false;
  }
  return true;
}

/// Calls `f(key, value)` for each member of an object. False if it is broken, or `f` said so.
template <class F>
bool each_member(simdjson::ondemand::object& object, F&& f) {
  for (auto field : object) {
    std::string_view key;
    simdjson::ondemand::value value;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS
        || field.value().get(value) != simdjson::SUCCESS || !goes_on_after(f, key, value))
      return false;
  }
  return true;
}

} // namespace troupe::gateway::openai
