// Texts in Unicode's normal form NFC, as some vocabularies want them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tokens {

/// A text in NFC, and where it came from.
///
/// Bytes that are not UTF-8 stay as they are.
class canonical_form {
public:
  /// Refers to the text if it is in NFC already.
  explicit canonical_form(std::string_view text);

  std::string_view text() const noexcept { return changed() ? composed_ : original_; }

  bool changed() const noexcept { return !changes_.empty(); }

  /// Where in the original the byte `at` of text() came from. Inside of what was changed, the
  /// change's end. Asked in growing order; `hint` begins at 0.
  std::size_t source_of(std::size_t at, std::size_t& hint) const noexcept;

private:
  /// What was composed: the bytes before `end` in text() that are not in an earlier change.
  struct change {
    std::size_t begin, end;               // in text()
    std::size_t source_begin, source_end; // in the original
  };
  void append_valid(std::size_t begin, std::size_t end);

  std::string_view original_;
  std::string composed_;
  std::vector<change> changes_;
};

} // namespace troupe::tokens
