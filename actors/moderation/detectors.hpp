// Links, e-mail addresses, telephone numbers and Chinese identity numbers. Part of matcher.hpp.
#pragma once

#include "actors/moderation/automaton.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::moderation {

enum class detector : std::uint8_t {
  link,     // http://..., www...., or a domain under a common ending
  email,    // name@domain
  phone,    // of mainland China with or without +86, or any that begins with +
  identity, // 18 digits with a date and a right check digit
};
inline constexpr std::size_t detectors_count = 4;

std::string_view name_of(detector one) noexcept;

/// Longer links are found as far as that.
inline constexpr std::size_t detected_bytes_max = 256;

/// A set of detectors at work. They see ASCII as it is written; folds do not matter.
class detector_set {
public:
  void add(detector one) { bits_ |= static_cast<std::uint8_t>(1u << static_cast<unsigned>(one)); }
  bool empty() const noexcept { return bits_ == 0; }

  /// As `automaton::scan`, with the number of the detector as the entry; `before` is the byte
  /// before the text, or 0, and afterwards that before the offset returned.
  std::size_t scan(std::string_view text, char& before, bool final, std::size_t hits_max,
                   std::vector<found>& hits) const;

private:
  bool has(detector one) const noexcept { return (bits_ >> static_cast<unsigned>(one) & 1) != 0; }

  std::uint8_t bits_ = 0;
};

} // namespace troupe::moderation
