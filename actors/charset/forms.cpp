#include "actors/charset/forms.hpp"

#include "actors/charset/utf8.hpp"

#include <fmt/format.h>
#include <opencc/Exception.hpp>
#include <opencc/SimpleConverter.hpp>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <array>
#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>

namespace troupe::charset {

namespace {

constexpr std::size_t result_bytes_max = 4 * text_bytes_max;

void check_size(std::string_view text) {
  if (text.size() > text_bytes_max)
    throw std::length_error(fmt::format("a text of {} bytes is too long: at most {} are converted",
                                        text.size(), text_bytes_max));
}

/// Appends to a string, and stops at the bound.
class bounded_sink final : public icu::ByteSink {
public:
  explicit bounded_sink(std::string& out) : out_(out) {}

  void Append(const char* bytes, std::int32_t size) override {
    if (out_.size() + static_cast<std::size_t>(size) > result_bytes_max)
      full_ = true;
    else
      out_.append(bytes, static_cast<std::size_t>(size));
  }

  void check() const {
    if (full_)
      throw std::length_error(
          fmt::format("the text would have more than {} bytes", result_bytes_max));
  }

private:
  std::string& out_;
  bool full_ = false;
};

/// Calls valid(part) and other(bytes) for the parts of the text in order.
template <class Valid>
void for_each_valid(std::string_view text, std::string& out, Valid&& valid) {
  for (std::size_t begin = 0; begin < text.size();) {
    auto end = end_of_valid_utf8(text, begin);
    if (end > begin)
      valid(text.substr(begin, end - begin));
    if (end < text.size())
      out += text[end++];
    begin = end;
  }
}

const icu::Normalizer2& normalizer_of(normal_form form) {
  auto status = U_ZERO_ERROR;
  const auto* found = form == normal_form::nfc    ? icu::Normalizer2::getNFCInstance(status)
                      : form == normal_form::nfd  ? icu::Normalizer2::getNFDInstance(status)
                      : form == normal_form::nfkc ? icu::Normalizer2::getNFKCInstance(status)
                      : form == normal_form::nfkd
                          ? icu::Normalizer2::getNFKDInstance(status)
                          : icu::Normalizer2::getNFKCCasefoldInstance(status);
  if (U_FAILURE(status))
    throw std::runtime_error("ICU has no data of the normal forms");
  return *found;
}

constexpr std::string_view form_names[] = {"nfc", "nfd", "nfkc", "nfkd", "nfkc_casefold"};
constexpr std::string_view way_names[] = {"t2s",  "s2t",  "s2tw",  "s2hk",
                                          "tw2s", "hk2s", "s2twp", "tw2sp"};

template <std::size_t count>
std::optional<std::size_t> index_of(const std::string_view (&names)[count],
                                    std::string_view name) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    if (names[i].size() == name.size()
        && std::equal(name.begin(), name.end(), names[i].begin(), [](char x, char y) {
             return (x >= 'A' && x <= 'Z' ? x + ('a' - 'A') : x) == y;
           }))
      return i;
  return std::nullopt;
}

/// The character in its usual width; itself if it has no other.
char32_t usual_width(char32_t c) {
  if (c >= 0xff01 && c <= 0xff5e)
    return c - 0xfee0;
  if (c == 0x3000)
    return ' ';
  if (c < 0xff00 || c > 0xffef)
    return c;
  auto kind = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_DECOMPOSITION_TYPE);
  icu::UnicodeString usual;
  if ((kind != U_DT_WIDE && kind != U_DT_NARROW)
      || !normalizer_of(normal_form::nfkc).getRawDecomposition(static_cast<UChar32>(c), usual))
    return c;
  return usual.countChar32() == 1 ? static_cast<char32_t>(usual.char32At(0)) : c;
}

const opencc::SimpleConverter& converter_of(han_way way) {
  static std::mutex mutex;
  static std::array<std::unique_ptr<opencc::SimpleConverter>, std::size(way_names)> converters;
  std::lock_guard lock{mutex};
  auto i = static_cast<std::size_t>(way);
  if (!converters[i]) {
    try {
      converters[i] =
          std::make_unique<opencc::SimpleConverter>(std::string{way_names[i]} + ".json");
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("OpenCC cannot convert {}: {}: install libopencc-data",
                                           way_names[i], e.what()));
    } catch (const opencc::Exception& e) {
      throw std::runtime_error(fmt::format("OpenCC cannot convert {}: {}: install libopencc-data",
                                           way_names[i], e.what()));
    }
  }
  return *converters[i];
}

} // namespace

std::optional<normal_form> find_normal_form(std::string_view name) noexcept {
  auto found = index_of(form_names, name);
  return found ? std::optional{static_cast<normal_form>(*found)} : std::nullopt;
}

std::optional<han_way> find_han_way(std::string_view name) noexcept {
  auto found = index_of(way_names, name);
  return found ? std::optional{static_cast<han_way>(*found)} : std::nullopt;
}

std::string normalise(std::string_view text, normal_form form) {
  check_size(text);
  const auto& normalizer = normalizer_of(form);
  std::string out;
  out.reserve(text.size());
  bounded_sink sink{out};
  for_each_valid(text, out, [&](std::string_view part) {
    auto status = U_ZERO_ERROR;
    normalizer.normalizeUTF8(0, {part.data(), static_cast<std::int32_t>(part.size())}, sink,
                             nullptr, status);
    if (U_FAILURE(status))
      throw std::runtime_error(fmt::format("ICU could not normalise: {}", u_errorName(status)));
  });
  sink.check();
  return out;
}

std::string fold_width(std::string_view text) {
  check_size(text);
  const auto& nfc = normalizer_of(normal_form::nfc);
  std::string out;
  out.reserve(text.size());
  for_each_valid(text, out, [&](std::string_view part) {
    std::size_t last = out.size(); // where the character before begins, if it was folded
    char32_t before = no_code_point;
    for (std::size_t i = 0; i < part.size();) {
      auto [value, bytes] = decode_utf8(part, i);
      auto usual = usual_width(value);
      auto composed =
          usual != value && before != no_code_point && (usual == 0x3099 || usual == 0x309a)
              ? nfc.composePair(static_cast<UChar32>(before), static_cast<UChar32>(usual))
              : U_SENTINEL;
      if (composed >= 0) {
        out.resize(last);
        usual = static_cast<char32_t>(composed);
      }
      last = out.size();
      before = usual != value && composed < 0 ? usual : no_code_point;
      if (usual == value)
        out.append(part.substr(i, bytes));
      else
        append_utf8(out, usual);
      i += bytes;
    }
  });
  return out;
}

// OpenCC takes a NUL for the text's end.
std::string convert_han(std::string_view text, han_way way) {
  check_size(text);
  const auto& converter = converter_of(way);
  std::string out;
  out.reserve(text.size());
  for_each_valid(text, out, [&](std::string_view part) {
    for (std::size_t begin = 0; begin < part.size();) {
      auto end = std::min(part.find('\0', begin), part.size());
      if (end > begin)
        out += converter.Convert(std::string{part.substr(begin, end - begin)});
      if (out.size() > result_bytes_max)
        throw std::length_error(
            fmt::format("the text would have more than {} bytes", result_bytes_max));
      if (end < part.size())
        out += part[end++];
      begin = end;
    }
  });
  return out;
}

} // namespace troupe::charset
