// What is known of well-known models: their vocabulary and their context window.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// True if `name` matches `pattern`, in which * stands for any text.
bool matches_pattern(std::string_view pattern, std::string_view name) noexcept;

/// True if the text is a pattern rather than a name.
bool is_pattern(std::string_view text) noexcept;

struct model_facts {
  std::string vocabulary;
  std::int64_t context_window_tokens = 0;
  bool known = false; // else a guess: o200k_base, and a window that nearly every model has
};

/// Facts of a model by its name, with or without a date, a fine-tune's frame (ft:...) or a
/// provider's prefix (openai/...).
model_facts facts_of(std::string_view model);

} // namespace troupe
