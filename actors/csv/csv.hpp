// Comma-separated values as RFC 4180 has them. Debian's readers do not do: libfccp-dev wants the
// columns known when it is compiled and knows no line end within quotes, libcsv tells no lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

inline constexpr std::size_t csv_fields_max = 64;
inline constexpr std::size_t csv_record_bytes_max = 256 * 1024;

/// Reads record after record of a UTF-8 text, which outlives the reader. Lines may end in LF or
/// CRLF; empty lines are no records.
class csv_reader {
public:
  explicit csv_reader(std::string_view text) : text_(text) {}

  /// False at the end, and at a fault.
  bool next(std::vector<std::string>& fields);

  std::size_t line() const noexcept { return line_; } // where the last record began, from 1
  const std::string& fault() const noexcept { return fault_; } // a sentence, or empty

private:
  bool read_field(std::string& field);
  bool read_quoted(std::string& field);
  bool skip_line_end();
  bool fail(const char* what);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t lines_ = 1; // up to here
  std::string fault_;
};

/// The fields as one record, with CRLF. A single empty field is quoted: an empty line is no record.
std::string csv_record(const std::vector<std::string>& fields);

} // namespace troupe
