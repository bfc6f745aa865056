#include "actors/charset/charset.hpp"
#include "actors/charset/utf8.hpp"

#include <fmt/format.h>
#include <unicode/ucnv.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

namespace troupe::charset {

namespace {

constexpr std::size_t loss_bytes_max = 8;
constexpr std::size_t chunk_units = 16 * 1'024;

struct closed {
  void operator()(UConverter* converter) const noexcept { ucnv_close(converter); }
};
using converter_ptr = std::unique_ptr<UConverter, closed>;

// It stops at what it cannot convert, and takes no character for one that only looks like it.
converter_ptr open(const charset& set) {
  auto status = U_ZERO_ERROR;
  converter_ptr converter{ucnv_open(std::string{set.icu_name}.c_str(), &status)};
  if (U_SUCCESS(status)) {
    ucnv_setToUCallBack(converter.get(), UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr,
                        &status);
    ucnv_setFromUCallBack(converter.get(), UCNV_FROM_U_CALLBACK_STOP, nullptr, nullptr, nullptr,
                          &status);
    ucnv_setFallback(converter.get(), false);
  }
  if (U_FAILURE(status))
    throw std::runtime_error(
        fmt::format("ICU has no converter of {}: {}", set.name, u_errorName(status)));
  return converter;
}

void check_size(std::string_view text) {
  if (text.size() > text_bytes_max)
    throw std::length_error(fmt::format("a text of {} bytes is too long: at most {} are converted",
                                        text.size(), text_bytes_max));
}

void note(converted& result, std::string_view source, std::size_t offset, std::size_t bytes,
          loss_kind kind) {
  ++result.lost;
  if (result.losses.size() < losses_max)
    result.losses.push_back(
        {offset, std::string{source.substr(offset, std::min(bytes, loss_bytes_max))}, kind});
}

bool is_loss(UErrorCode status) {
  return status == U_INVALID_CHAR_FOUND || status == U_ILLEGAL_CHAR_FOUND
         || status == U_TRUNCATED_CHAR_FOUND || status == U_ILLEGAL_ESCAPE_SEQUENCE
         || status == U_UNSUPPORTED_ESCAPE_SEQUENCE;
}

[[noreturn]] void fail(const charset& set, UErrorCode status) {
  throw std::runtime_error(
      fmt::format("ICU could not convert {}: {}", set.name, u_errorName(status)));
}

std::string_view order_mark_of(const charset& set) {
  if (set.name == "utf-8")
    return "\xef\xbb\xbf";
  if (set.name == "utf-16le")
    return "\xff\xfe";
  if (set.name == "utf-16be")
    return "\xfe\xff";
  if (set.name == "utf-32le")
    return {"\xff\xfe\0\0", 4};
  if (set.name == "utf-32be")
    return {"\0\0\xfe\xff", 4};
  return set.name == "gb18030" ? "\x84\x31\x95\x33" : "";
}

} // namespace

// The whole source is given at once, so that what is not converted lies just before where the
// converter stopped.
converted to_utf8(std::string_view bytes, const charset& from) {
  check_size(bytes);
  converted result;
  result.text.reserve(bytes.size() + bytes.size() / 2);
  auto mark = order_mark_of(from);
  result.marked_order = !mark.empty() && bytes.starts_with(mark);
  const auto* at = bytes.data() + (result.marked_order ? mark.size() : 0);
  const auto* end = bytes.data() + bytes.size();
  auto converter = open(from);
  std::array<char16_t, chunk_units> units;
  std::size_t kept = 0; // a leading surrogate, whose other half did not fit
  for (auto more = true; more;) {
    auto status = U_ZERO_ERROR;
    auto* out = units.data() + kept;
    ucnv_toUnicode(converter.get(), &out, units.data() + units.size(), &at, end, nullptr, true,
                   &status);
    auto got = static_cast<std::size_t>(out - units.data());
    kept = status == U_BUFFER_OVERFLOW_ERROR && got > 0 && U16_IS_LEAD(units[got - 1]) ? 1 : 0;
    append_utf8(result.text, std::u16string_view{units.data(), got - kept});
    if (kept == 1)
      units[0] = units[got - 1];
    if (is_loss(status)) {
      char rest[32];
      std::int8_t size = sizeof rest;
      auto kind = status == U_INVALID_CHAR_FOUND ? loss_kind::unmappable : loss_kind::invalid;
      status = U_ZERO_ERROR;
      ucnv_getInvalidChars(converter.get(), rest, &size, &status);
      auto offset = static_cast<std::size_t>(at - bytes.data());
      auto lost = std::min(offset, static_cast<std::size_t>(std::max<std::int8_t>(size, 0)));
      note(result, bytes, offset - lost, lost, kind);
      result.text += "\xef\xbf\xbd";
    } else {
      more = status == U_BUFFER_OVERFLOW_ERROR;
      if (!more && U_FAILURE(status))
        fail(from, status);
    }
  }
  return result;
}

namespace {

/// Goes through valid UTF-8 beside its UTF-16.
class place_in_text {
public:
  explicit place_in_text(std::string_view text) : text_(text) {}

  /// The bytes of the character that begins with unit `unit`; asked in growing order.
  std::string_view of(std::size_t unit) {
    while (unit_ < unit && at_ < text_.size()) {
      auto [value, bytes] = decode_utf8(text_, at_);
      unit_ += value > 0xffff ? 2 : 1;
      at_ += bytes;
    }
    return text_.substr(at_, at_ < text_.size() ? decode_utf8(text_, at_).bytes : 0);
  }

private:
  std::string_view text_;
  std::size_t at_ = 0, unit_ = 0;
};

class writer {
public:
  writer(std::string_view source, const charset& to, converted& result) :
      source_(source),
      to_(to),
      result_(result),
      converter_(open(to)),
      replacement_(replacement()) {}

  /// Of valid UTF-8, a part of the source.
  void append(std::string_view part) {
    auto units = utf16_of(part);
    const auto* at = units.data();
    const auto* end = at + units.size();
    place_in_text place{part};
    for (auto more = true; more;) {
      auto status = U_ZERO_ERROR;
      auto* out = bytes_.data();
      ucnv_fromUnicode(converter_.get(), &out, bytes_.data() + bytes_.size(), &at, end, nullptr,
                       true, &status);
      result_.text.append(bytes_.data(), static_cast<std::size_t>(out - bytes_.data()));
      more = status == U_BUFFER_OVERFLOW_ERROR || is_loss(status);
      if (is_loss(status)) {
        auto lost = place.of(static_cast<std::size_t>(at - units.data()) - lost_units());
        replace(lost, loss_kind::unmappable);
      } else if (!more && U_FAILURE(status)) {
        fail(to_, status);
      }
    }
  }

  /// For bytes of the source.
  void replace(std::string_view lost, loss_kind kind) {
    note(result_, source_, static_cast<std::size_t>(lost.data() - source_.data()), lost.size(),
         kind);
    result_.text += replacement_;
  }

private:
  std::size_t lost_units() {
    char16_t rest[32];
    std::int8_t size = 32;
    auto status = U_ZERO_ERROR;
    ucnv_getInvalidUChars(converter_.get(), rest, &size, &status);
    return U_SUCCESS(status) ? static_cast<std::size_t>(size) : 0;
  }

  /// `?` or U+FFFD in the charset.
  std::string replacement() {
    const char16_t character = to_.unicode ? 0xfffd : u'?';
    auto status = U_ZERO_ERROR;
    char bytes[16];
    auto size = ucnv_fromUChars(converter_.get(), bytes, sizeof bytes, &character, 1, &status);
    if (U_FAILURE(status))
      fail(to_, status);
    ucnv_resetFromUnicode(converter_.get());
    return {bytes, static_cast<std::size_t>(size)};
  }

  std::string_view source_;
  const charset& to_;
  converted& result_;
  converter_ptr converter_;
  std::string replacement_;
  std::array<char, chunk_units> bytes_;
};

} // namespace

converted from_utf8(std::string_view text, const charset& to) {
  check_size(text);
  converted result;
  result.text.reserve(text.size());
  result.marked_order = text.starts_with("\xef\xbb\xbf");
  writer out{text, to, result};
  for (std::size_t begin = result.marked_order ? 3 : 0; begin < text.size();) {
    auto end = end_of_valid_utf8(text, begin);
    out.append(text.substr(begin, end - begin));
    if (end == text.size())
      break;
    auto bytes = decode_utf8(text, end).bytes;
    out.replace(text.substr(end, bytes), loss_kind::invalid);
    begin = end + bytes;
  }
  return result;
}

} // namespace troupe::charset
