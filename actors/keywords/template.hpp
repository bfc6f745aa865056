// Answers with variables. No CAF.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace troupe::keywords {

/// What a template's variables stand for. In a template `{user}` is replaced by a name, `{1}` by
/// the first capture, `{city}` by the capture of that name; `{{` and `}}` are braces. What is put
/// in is never read as a template again.
struct template_values {
  std::string_view user;    // who wrote, as people are shown
  std::string_view user_id; // as the platform knows them
  std::string_view group;   // empty in a private chat
  std::string_view channel;
  std::string_view date; // as the rule's clock shows it
  std::string_view time;
  std::string_view message; // the whole text
  std::string_view matched; // {0}: the part that matched
  std::span<const std::string_view> captures;
  std::span<const std::string> capture_names; // of `captures`; empty names are not used
};

/// True for names that a capture may not have.
bool is_template_variable(std::string_view name) noexcept;

/// What is wrong with a template for a rule with so many captures of these names; empty if nothing.
std::string check_template(std::string_view text, std::size_t captures,
                           std::span<const std::string> capture_names);

/// The template with its variables replaced: at most `bytes_max` bytes, cut between characters.
/// What no template that was checked has (an unknown variable, a single brace) stays as it is.
std::string render_template(std::string_view text, const template_values& values,
                            std::size_t bytes_max);

} // namespace troupe::keywords
