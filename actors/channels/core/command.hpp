// What users can tell the bot itself instead of the model. No CAF.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe::channels {

enum class command { help, reset, stop };

/// The command that a message consists of: `/help`, `/reset`, `/stop` or their Chinese names, in
/// any case, with white space around and nothing else. Anything else goes to the model.
std::optional<command> parse_command(std::string_view text);

/// The commands and what they do, a line each.
std::string help_text();

/// What Troupe itself says to users, in Chinese and English.
namespace phrase {
inline constexpr std::string_view reset_done = "已开始新对话。\nA new conversation begins.";
inline constexpr std::string_view stopped = "已停止。\nStopped.";
inline constexpr std::string_view nothing_runs = "当前没有正在生成的回答。\nNothing is running.";
inline constexpr std::string_view busy =
    "现在有点忙，请稍后再发一次。\nToo busy right now, please send that again later.";
inline constexpr std::string_view failed =
    "消息处理失败，请联系管理员。\nThat message could not be handled; please tell the operator.";
inline constexpr std::string_view too_long =
    "消息太长了，请缩短后再发。\nThat message is too long, please shorten it.";
} // namespace phrase

} // namespace troupe::channels
