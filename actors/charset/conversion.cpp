#include "actors/charset/conversion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::charset {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD

const charset* read_charset(std::string_view what, std::string_view name) {
  if (name.empty())
    return nullptr;
  if (const auto* found = find_charset(name))
    return found;
  std::vector<std::string_view> names;
  for (const auto& known : charsets())
    names.push_back(known.name);
  throw std::invalid_argument(
      fmt::format("`{}` must be a character set: one of {}", what, fmt::join(names, ", ")));
}

template <class Found>
Found read_name(Found found, std::string_view name, const char* allowed) {
  if (!name.empty() && !found)
    throw std::invalid_argument(allowed);
  return found;
}

/// Where losses of the way out lie in the text that was given. What is between two of them came
/// from as many bytes as it becomes when it goes back.
class places {
public:
  places(std::string_view utf8, const charset& from, bool marked_order) :
      utf8_(utf8), from_(from), given_(marked_order ? mark_bytes(from) : 0) {}

  std::size_t of(std::size_t offset) {
    given_ += bytes_of(utf8_.substr(at_, offset - at_)).size();
    at_ = offset;
    return given_;
  }

  /// As they were given.
  std::string bytes_of(std::string_view text) const {
    return from_.name == "utf-8" ? std::string{text} : from_utf8(text, from_).text;
  }

private:
  static std::size_t mark_bytes(const charset& from) {
    return from_utf8("\xef\xbb\xbf", from).text.size();
  }

  std::string_view utf8_;
  const charset& from_;
  std::size_t at_ = 0;
  std::size_t given_;
};

std::string fold(std::string text, const conversion& wanted) {
  if (wanted.han)
    text = convert_han(text, *wanted.han);
  if (wanted.width)
    text = fold_width(text);
  if (wanted.form)
    text = normalise(text, *wanted.form);
  return text;
}

} // namespace

conversion read_conversion(std::string_view from, std::string_view to, std::string_view form,
                           bool width, std::string_view han) {
  conversion wanted;
  wanted.from = read_charset("from", from);
  wanted.to = read_charset("to", to);
  wanted.width = width;
  wanted.form = read_name(find_normal_form(form), form,
                          "`form` must be nfc, nfd, nfkc, nfkd or nfkc_casefold");
  wanted.han = read_name(find_han_way(han), han,
                         "`han` must be t2s, s2t, s2tw, s2hk, tw2s, hk2s, s2twp or tw2sp");
  return wanted;
}

std::optional<conversion_result> convert(std::string_view bytes, const conversion& wanted) {
  conversion_result result{{}, wanted.from, wanted.to, 100, {}, 0};
  if (result.from == nullptr) {
    auto guesses = detect(bytes);
    if (guesses.empty())
      return std::nullopt;
    result.from = guesses.front().set;
    result.confidence = guesses.front().confidence;
  }
  if (result.to == nullptr)
    result.to = find_charset("utf-8");
  auto read = to_utf8(bytes, *result.from);
  for (auto& loss : read.losses)
    result.losses.push_back({loss.offset, std::move(loss.bytes), loss.kind});
  result.lost = read.lost;
  auto placed = read.lost == 0 && !wanted.form && !wanted.width && !wanted.han;
  result.text = fold(std::move(read.text), wanted);
  if (result.to->name == "utf-8")
    return result;
  auto written = from_utf8(result.text, *result.to);
  // What could not be read is U+FFFD by now, and no loss again.
  auto again = result.to->unicode ? 0 : read.lost;
  result.lost += written.lost - std::min(written.lost, again);
  places where{result.text, *result.from, read.marked_order};
  for (auto& loss : written.losses) {
    if (result.losses.size() == losses_max)
      break;
    if (again > 0 && loss.bytes == replacement) {
      --again;
      continue;
    }
    if (placed)
      result.losses.push_back({where.of(loss.offset), where.bytes_of(loss.bytes), loss.kind});
    else
      result.losses.push_back({std::nullopt, std::move(loss.bytes), loss.kind});
  }
  result.text = std::move(written.text);
  return result;
}

} // namespace troupe::charset
