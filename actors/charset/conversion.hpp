// A text on its way from one character set, form or script to another, in one go.
#pragma once

#include "actors/charset/charset.hpp"
#include "actors/charset/detect.hpp"
#include "actors/charset/forms.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::charset {

/// What is wanted. Names that are not known were refused before.
struct conversion {
  const charset* from = nullptr; // nullptr: it is found out
  const charset* to = nullptr;   // nullptr: UTF-8
  std::optional<normal_form> form;
  bool width = false; // full-width letters and digits to ASCII
  std::optional<han_way> han;
};

/// Reads the names of a conversion, of which each may be empty. `std::invalid_argument`, saying
/// what there is, for one that is not known.
conversion read_conversion(std::string_view from, std::string_view to, std::string_view form,
                           bool width, std::string_view han);

struct placed_loss {
  /// Of its first byte in the text that was given; nothing where that cannot be told: a form, width
  /// or script made it, or it comes after something that could not be read.
  std::optional<std::size_t> offset;
  std::string bytes; // as `loss` has them
  loss_kind kind;
};

struct conversion_result {
  std::string text;
  const charset* from;
  const charset* to;
  int confidence;                  // of what was found out; 100 if it was said
  std::vector<placed_loss> losses; // the first losses_max
  std::uint64_t lost = 0;
};

/// Nothing if the character set was to be found out and is not: the bytes look like no text. Throws
/// as `to_utf8`, `normalise` and `convert_han` do.
std::optional<conversion_result> convert(std::string_view bytes, const conversion& wanted);

} // namespace troupe::charset
