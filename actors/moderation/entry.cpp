#include "actors/moderation/entry.hpp"

#include "actors/moderation/folding.hpp"
#include "actors/moderation/pattern.hpp"

#include <array>

namespace troupe::moderation {

namespace {

constexpr std::array<std::string_view, 3> kinds{"word", "pattern", "allowed"};
constexpr std::array<std::string_view, 5> actions{"log", "review", "mask", "replace", "block"};

template <class T, std::size_t N>
std::optional<T> named(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == name)
      return static_cast<T>(i);
  return std::nullopt;
}

/// How many characters; nothing if there is a byte that is no UTF-8, or a control character.
std::optional<std::size_t> characters_of(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    auto [code_point, bytes] = character_at(text, at);
    if (code_point == no_character || code_point < 0x20 || code_point == 0x7f)
      return std::nullopt;
    at += bytes;
  }
  return count;
}

std::string fault_of_label(std::string_view name, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max)
    return std::string{name} + " is longer than " + std::to_string(bytes_max) + " bytes";
  if (!characters_of(text))
    return std::string{name} + " has control characters or is no UTF-8";
  return {};
}

} // namespace

std::string_view name_of(entry_kind kind) noexcept { return kinds[static_cast<std::size_t>(kind)]; }

std::string_view name_of(action act) noexcept { return actions[static_cast<std::size_t>(act)]; }

std::optional<entry_kind> entry_kind_named(std::string_view name) noexcept {
  return named<entry_kind>(kinds, name);
}

std::optional<action> action_named(std::string_view name) noexcept {
  return named<action>(actions, name);
}

std::string fault_of(const entry& one) {
  if (one.text.size() > text_bytes_max)
    return "the text is longer than 512 bytes";
  auto characters = characters_of(one.text);
  if (!characters)
    return "the text has control characters or is no UTF-8";
  if (*characters == 0)
    return "the text is empty";
  if (one.kind != entry_kind::pattern && *characters > text_characters_max)
    return "the text is longer than 64 characters";
  if (one.level > level_max)
    return "the level is above 9";
  for (const auto& fault :
       {fault_of_label("the category", one.category, category_bytes_max),
        fault_of_label("the replacement", one.replacement, replacement_bytes_max),
        fault_of_label("the tenant", one.tenant, scope_bytes_max),
        fault_of_label("the channel", one.channel, scope_bytes_max)})
    if (!fault.empty())
      return fault;
  if (one.kind == entry_kind::pattern)
    return parse_pattern(one.text).fault;
  return {};
}

} // namespace troupe::moderation
