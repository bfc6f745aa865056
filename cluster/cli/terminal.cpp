#include "cluster/cli/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <ctime>

namespace troupe::cli {

namespace {

winsize window() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
    size = {};
  return size;
}

std::size_t width_of(UChar32 c) {
  auto type = u_charType(c);
  if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR)
    return 0;
  auto wide = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);
  return wide == U_EA_WIDE || wide == U_EA_FULLWIDTH ? 2 : 1;
}

/// Calls f(code point, bytes it takes) until it says false. Broken bytes are U+FFFD.
template <class F>
void each_code_point(std::string_view text, F f) {
  const auto* s = reinterpret_cast<const std::uint8_t*>(text.data());
  auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    auto start = i;
    UChar32 c = 0;
    U8_NEXT(s, i, size, c);
    if (!f(c < 0 ? 0xfffd : c,
           text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(i - start))))
      return;
  }
}

} // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

int terminal_columns() {
  auto size = window();
  return size.ws_col == 0 ? 80 : size.ws_col;
}

int terminal_rows() {
  auto size = window();
  return size.ws_row == 0 ? 24 : size.ws_row;
}

styles styles::of_stdout() {
  const auto* no_color = std::getenv("NO_COLOR");
  const auto* term = std::getenv("TERM");
  if (!is_terminal(STDOUT_FILENO) || (no_color != nullptr && *no_color != '\0')
      || (term != nullptr && std::string_view{term} == "dumb"))
    return {};
  return {"\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"};
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  each_code_point(text, [&](UChar32 c, std::string_view bytes) {
    bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
    // Marks that reorder the line could make it lie.
    bool reorders = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    if (c == 0xfffd)
      out += "\xef\xbf\xbd";
    else if (!control && !reorders)
      out += bytes;
    return true;
  });
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  each_code_point(text, [&](UChar32 c, std::string_view) {
    width += width_of(c);
    return true;
  });
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns)
    return std::string{text};
  std::string out;
  std::size_t width = 1; // the ellipsis
  each_code_point(text, [&](UChar32 c, std::string_view bytes) {
    width += width_of(c);
    if (width > columns)
      return false;
    out += bytes;
    return true;
  });
  return columns == 0 ? std::string{} : out + "…";
}

text_table::text_table(std::vector<std::string> head, std::vector<bool> right) :
    right_(std::move(right)) {
  right_.resize(head.size());
  rows_.push_back(std::move(head));
}

void text_table::add(std::vector<std::string> row) {
  row.resize(right_.size());
  for (auto& cell : row) {
    cell = printable(cell);
    std::replace_if(
        cell.begin(), cell.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  }
  rows_.push_back(std::move(row));
}

std::string text_table::render(const styles& style, int columns_max) const {
  std::vector<std::size_t> widths(right_.size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const auto& cell = rows_[r][i];
      std::string gap(widths[i] - display_width(cell), ' ');
      line += i == 0 ? "" : "  ";
      line += right_[i] ? gap + cell : cell + gap;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (columns_max > 0)
      line = cut_to_width(line, static_cast<std::size_t>(columns_max));
    out += r == 0 ? fmt::format("{}{}{}\n", style.bold, line, style.reset) : line + "\n";
  }
  return out;
}

std::string short_number(double value) {
  static constexpr std::array<const char*, 5> units{"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0 && value == std::floor(value))
    return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}{}", value, units[unit]);
}

std::string short_duration(double seconds) {
  auto s = static_cast<std::int64_t>(std::max(seconds, 0.0));
  if (s < 60)
    return fmt::format("{}s", s);
  if (s < 3'600)
    return fmt::format("{}m {}s", s / 60, s % 60);
  if (s < 86'400)
    return fmt::format("{}h {}m", s / 3'600, s / 60 % 60);
  return fmt::format("{}d {}h", s / 86'400, s / 3'600 % 24);
}

std::string short_time(std::int64_t us) {
  if (us == 0)
    return "never";
  auto seconds = static_cast<std::time_t>(us / 1'000'000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[32];
  auto size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return {text, size};
}

} // namespace troupe::cli
