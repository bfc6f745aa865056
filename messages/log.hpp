// The log: one line an event, structured, by spdlog. The level can be changed at run time.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace troupe {

enum class log_level { trace, debug, info, warn, error, off };

/// "info" and the like; false if `text` names no level.
bool parse_log_level(std::string_view text, log_level& level) noexcept;
std::string_view to_string(log_level level) noexcept;

struct log_options {
  log_level level = log_level::info;
  bool json = false; // else key=value
  std::string file;  // empty: standard error
};

/// Opens the log. Before that, events go to standard error at level info.
void open_log(const log_options& options);
/// Writes what is buffered and reopens the file, for rotation.
void reopen_log();
void set_log_level(log_level level) noexcept;
log_level get_log_level() noexcept;
bool log_enabled(log_level level) noexcept;

/// One field of an event. Values are written as text; numbers and booleans bare.
struct log_field {
  std::string_view key;
  std::string value;
  bool bare = false;

  log_field(std::string_view k, std::string_view v) : key(k), value(v) {}
  log_field(std::string_view k, const std::string& v) : key(k), value(v) {}
  log_field(std::string_view k, const char* v) : key(k), value(v) {}
  template <class T>
  requires std::is_arithmetic_v<T> log_field(std::string_view k, T v) :
      key(k), value(fmt::format("{}", v)), bare(true) {}
};

using log_fields = std::initializer_list<log_field>;

/// Writes one event: its name in snake case, then its fields. Never put a secret into a field.
void log_event(log_level level, std::string_view event, log_fields fields);

/// The same with fields gathered at run time.
void log_line(log_level level, std::string_view event, std::span<const log_field> fields);

inline void log_debug(std::string_view event, log_fields fields) {
  if (log_enabled(log_level::debug))
    log_event(log_level::debug, event, fields);
}
inline void log_info(std::string_view event, log_fields fields) {
  log_event(log_level::info, event, fields);
}
inline void log_warn(std::string_view event, log_fields fields) {
  log_event(log_level::warn, event, fields);
}
inline void log_error(std::string_view event, log_fields fields) {
  log_event(log_level::error, event, fields);
}

} // namespace troupe
