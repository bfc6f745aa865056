#include "messages/log.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

namespace troupe {

namespace {

constexpr std::array<std::string_view, 6> level_names{"trace", "debug", "info",
                                                      "warn",  "error", "off"};

struct log_state {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger;
  log_options options;
};

log_state& state() {
  static log_state instance;
  return instance;
}

std::atomic<log_level> current_level{log_level::info};
std::atomic<bool> json_lines{false};

std::shared_ptr<spdlog::logger> make_logger(const log_options& options) {
  spdlog::sink_ptr sink;
  if (options.file.empty())
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  else
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
  auto logger = std::make_shared<spdlog::logger>("troupe", std::move(sink));
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::info);
  logger->set_pattern(options.json ? "%v" : "%Y-%m-%dT%H:%M:%S.%fZ %^%l%$ %v",
                      spdlog::pattern_time_type::utc);
  return logger;
}

std::shared_ptr<spdlog::logger> logger() {
  auto& s = state();
  std::lock_guard guard{s.mutex};
  if (!s.logger)
    s.logger = make_logger(s.options);
  return s.logger;
}

spdlog::level::level_enum to_spdlog(log_level level) {
  constexpr std::array map{spdlog::level::trace, spdlog::level::debug, spdlog::level::info,
                           spdlog::level::warn,  spdlog::level::err,   spdlog::level::off};
  return map[static_cast<std::size_t>(level)];
}

bool needs_quotes(std::string_view value) {
  if (value.empty())
    return true;
  for (unsigned char c : value)
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
      return true;
  return false;
}

std::string json_quoted(std::string_view value) {
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string now_text() {
  using namespace std::chrono;
  auto us = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  auto seconds = static_cast<std::time_t>(us / 1'000'000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, us % 1'000'000);
}

std::string json_line(log_level level, std::string_view event, std::span<const log_field> fields) {
  auto line = fmt::format(R"({{"time":"{}","level":"{}","event":{})", now_text(), to_string(level),
                          json_quoted(event));
  for (const auto& f : fields)
    line += fmt::format(",{}:{}", json_quoted(f.key), f.bare ? f.value : json_quoted(f.value));
  return line + "}";
}

std::string text_line(std::string_view event, std::span<const log_field> fields) {
  std::string line{event};
  for (const auto& f : fields) {
    line += ' ';
    line += f.key;
    line += '=';
    line += !f.bare && needs_quotes(f.value) ? json_quoted(f.value) : f.value;
  }
  return line;
}

} // namespace

bool parse_log_level(std::string_view text, log_level& level) noexcept {
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (level_names[i] == text) {
      level = static_cast<log_level>(i);
      return true;
    }
  }
  return false;
}

std::string_view to_string(log_level level) noexcept {
  return level_names[static_cast<std::size_t>(level)];
}

void open_log(const log_options& options) {
  auto made = make_logger(options);
  auto& s = state();
  std::lock_guard guard{s.mutex};
  s.options = options;
  s.logger = std::move(made);
  json_lines = options.json;
  current_level = options.level;
}

void reopen_log() {
  auto& s = state();
  std::lock_guard guard{s.mutex};
  if (s.logger)
    s.logger->flush();
  s.logger = make_logger(s.options);
}

void set_log_level(log_level level) noexcept { current_level = level; }

log_level get_log_level() noexcept { return current_level; }

bool log_enabled(log_level level) noexcept {
  return level >= current_level.load(std::memory_order_relaxed);
}

void log_event(log_level level, std::string_view event, log_fields fields) {
  log_line(level, event, {fields.begin(), fields.size()});
}

void log_line(log_level level, std::string_view event, std::span<const log_field> fields) {
  if (!log_enabled(level))
    return;
  auto line = json_lines ? json_line(level, event, fields) : text_line(event, fields);
  logger()->log(to_spdlog(level), line);
}

} // namespace troupe
