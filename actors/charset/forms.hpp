// Texts in one form: Unicode's normal forms, width, and the script of Chinese.
#pragma once

#include "actors/charset/charset.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::charset {

// All of them take UTF-8 and keep bytes that are not. They throw std::length_error for a text of
// more than text_bytes_max and for a result of more than four times that, and are thread-safe.

enum class normal_form { nfc, nfd, nfkc, nfkd, nfkc_casefold };

/// nfc, NFKC, ...; nothing if there is none of this name.
std::optional<normal_form> find_normal_form(std::string_view name) noexcept;

std::string normalise(std::string_view text, normal_form form);

/// Full-width letters, digits and symbols (Ａ１！　) become ASCII, half-width kana and hangul their
/// usual width; kana takes the voice mark that follows it. All else stays.
std::string fold_width(std::string_view text);

/// Ways to write Chinese, after OpenCC's configurations.
enum class han_way {
  t2s,  // traditional to simplified
  s2t,  // simplified to traditional
  s2tw, // simplified to the characters of Taiwan
  s2hk, // simplified to those of Hong Kong
  tw2s, // and back
  hk2s,
  s2twp, // with the words of Taiwan
  tw2sp,
};

/// t2s, s2t, ...; nothing if there is none of this name.
std::optional<han_way> find_han_way(std::string_view name) noexcept;

/// Longest phrases first. Throws std::runtime_error, saying what to install, if OpenCC's
/// dictionaries are missing. The first use of a way reads them (some milliseconds).
std::string convert_han(std::string_view text, han_way way);

} // namespace troupe::charset
