#include "actors/tokenizer/canonical_form.hpp"

#include "actors/tokenizer/unicode_classes.hpp"

#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

#include <stdexcept>

namespace troupe::tokens {

namespace {

// ICU takes texts whose size is an int32; a part ends between lines.
constexpr std::size_t part_bytes_max = 1 << 26;

const icu::Normalizer2& nfc() {
  static const icu::Normalizer2* const instance = [] {
    auto status = U_ZERO_ERROR;
    const auto* found = icu::Normalizer2::getNFCInstance(status);
    if (U_FAILURE(status))
      throw std::runtime_error("ICU has no NFC: its data is missing");
    return found;
  }();
  return *instance;
}

icu::StringPiece piece_of(std::string_view text) {
  return {text.data(), static_cast<std::int32_t>(text.size())};
}

/// Where a part that begins at `begin` ends: nothing composes with a newline.
std::size_t end_of_part(std::string_view text, std::size_t begin) {
  if (text.size() - begin <= part_bytes_max)
    return text.size();
  auto newline = text.rfind('\n', begin + part_bytes_max);
  if (newline != text.npos && newline > begin)
    return newline;
  auto end = begin + part_bytes_max;
  while (end > begin + 1 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return end;
}

bool is_composed(std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    auto end = end_of_part(text, begin);
    auto status = U_ZERO_ERROR;
    if (!nfc().isNormalizedUTF8(piece_of(text.substr(begin, end - begin)), status)
        || U_FAILURE(status))
      return false;
    begin = end;
  }
  return true;
}

} // namespace

canonical_form::canonical_form(std::string_view text) : original_(text) {
  if (is_composed(text))
    return;
  composed_.reserve(text.size());
  for (std::size_t begin = 0; begin < text.size();) {
    auto end = begin + first_invalid_utf8(text.substr(begin));
    while (begin < end) {
      auto part = begin + end_of_part(text.substr(begin, end - begin), 0);
      append_valid(begin, part);
      begin = part;
    }
    if (begin < text.size())
      composed_ += text[begin++];
  }
}

void canonical_form::append_valid(std::size_t begin, std::size_t end) {
  auto status = U_ZERO_ERROR;
  icu::Edits edits;
  auto offset = composed_.size();
  icu::StringByteSink<std::string> sink{&composed_};
  nfc().normalizeUTF8(0, piece_of(original_.substr(begin, end - begin)), sink, &edits, status);
  if (U_FAILURE(status) || edits.copyErrorTo(status))
    throw std::runtime_error("ICU cannot compose a text");
  auto at = edits.getFineChangesIterator();
  while (at.next(status)) {
    auto to = offset + static_cast<std::size_t>(at.destinationIndex());
    auto from = begin + static_cast<std::size_t>(at.sourceIndex());
    changes_.push_back({to, to + static_cast<std::size_t>(at.newLength()), from,
                        from + static_cast<std::size_t>(at.oldLength())});
  }
}

std::size_t canonical_form::source_of(std::size_t at, std::size_t& hint) const noexcept {
  while (hint < changes_.size() && changes_[hint].end < at)
    ++hint;
  if (hint < changes_.size() && at > changes_[hint].begin)
    return changes_[hint].source_end;
  if (hint == 0)
    return at;
  const auto& before = changes_[hint - 1];
  return before.source_end + (at - before.end);
}

} // namespace troupe::tokens
