// Writing to and reading from a person at a terminal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

bool is_terminal(int fd);

/// Columns of the terminal on standard output; 80 if unknown.
int terminal_columns();
int terminal_rows();

/// Escape sequences for standard output: empty when it is no terminal, or NO_COLOR is set, or TERM
/// is dumb.
struct styles {
  std::string_view bold;
  std::string_view dim;
  std::string_view red;
  std::string_view green;
  std::string_view cyan;
  std::string_view reset;

  static styles of_stdout();
};

/// Text of others without what would command a terminal: control characters but newline and tab.
std::string printable(std::string_view text);

/// A table in plain text: columns as wide as they need to be, the last one cut at the terminal's
/// border if `columns_max` > 0. Numbers are aligned to the right.
class text_table {
public:
  explicit text_table(std::vector<std::string> head, std::vector<bool> right = {});
  void add(std::vector<std::string> row);
  std::string render(const styles& style, int columns_max = 0) const;

private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

/// Columns that UTF-8 text takes on a terminal.
std::size_t display_width(std::string_view text);
/// `text` cut to `columns` columns, with an ellipsis if something was cut.
std::string cut_to_width(std::string_view text, std::size_t columns);

/// 1234567 -> 1.23M
std::string short_number(double value);
/// 93784.2 -> 1d 2h, 75 -> 1m 15s
std::string short_duration(double seconds);
/// Local date and time, to the minute; "never" for 0.
std::string short_time(std::int64_t us);

/// Reads lines with editing and history, kept in a file (mode 0600).
class line_editor {
public:
  /// An empty file: no history is kept.
  line_editor(std::string history_file, std::vector<std::string> completions);
  ~line_editor();

  enum class outcome { line, end, interrupted };
  /// Shows the prompt and reads a line, without its newline.
  outcome read(const std::string& prompt, std::string& line);
  void remember(const std::string& line);
  /// The line that the next prompt begins with, for the user to change.
  void prefill(std::string text);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::cli
