#include "actors/channels/core/command.hpp"

#include "actors/channels/core/text.hpp"

#include <array>

namespace troupe::channels {

namespace {

struct command_row {
  command what;
  std::string_view name;
  std::string_view chinese;
  std::string_view help;
};

constexpr std::array<command_row, 3> commands{{
    {command::help, "/help", "/帮助", "显示本帮助 · show this help"},
    {command::reset, "/reset", "/重置", "开始新对话 · begin a new conversation"},
    {command::stop, "/stop", "/停止", "停止当前回答 · stop the running answer"},
}};

} // namespace

std::optional<command> parse_command(std::string_view text) {
  std::string word{trimmed(text)};
  for (auto& c : word)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const auto& row : commands)
    if (word == row.name || word == row.chinese)
      return row.what;
  return std::nullopt;
}

std::string help_text() {
  std::string out;
  for (const auto& row : commands)
    out += fmt::format("{}{} {}：{}", out.empty() ? "" : "\n", row.name, row.chinese, row.help);
  return out;
}

} // namespace troupe::channels
