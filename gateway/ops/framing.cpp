#include "gateway/ops/framing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace troupe::gateway::ops {

namespace {

constexpr std::size_t target_bytes_max = 4'096;

frame refuse(int status, std::string message) {
  return {frame::state::refused, 0, status, std::move(message)};
}

bool is_token(std::string_view text) {
  constexpr std::string_view marks{"!#$%&'*+-.^_`|~"};
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || marks.find(c) != marks.npos;
  });
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t");
  if (first == text.npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool has_bad_byte(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; });
}

/// Empty if the request line is good.
std::string check_request_line(std::string_view line) {
  auto first = line.find(' ');
  auto second = first == line.npos ? first : line.find(' ', first + 1);
  if (second == line.npos || !is_token(line.substr(0, first)))
    return "the request line must be: METHOD /path HTTP/1.1";
  auto target = line.substr(first + 1, second - first - 1);
  auto version = line.substr(second + 1);
  auto is_printable = [](unsigned char c) { return c > ' ' && c < 0x7f; };
  if (target.empty() || target.front() != '/' || target.size() > target_bytes_max
      || !std::all_of(target.begin(), target.end(), is_printable))
    return fmt::format("the request's target must be a path of at most {} bytes", target_bytes_max);
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return "the version must be HTTP/1.1 or HTTP/1.0";
  return {};
}

class head_reader {
public:
  explicit head_reader(const frame_limits& limits) : limits_(limits) {}

  /// A refusal, or nothing.
  std::optional<frame> read(std::string_view head) {
    auto end = head.find("\r\n");
    if (auto wrong = check_request_line(head.substr(0, end)); !wrong.empty())
      return refuse(400, wrong);
    std::size_t fields = 0;
    while (end + 2 < head.size()) {
      head.remove_prefix(end + 2);
      end = head.find("\r\n");
      if (++fields > limits_.headers_max)
        return refuse(431, fmt::format("more than {} header fields", limits_.headers_max));
      if (auto refused = field(head.substr(0, end)))
        return refused;
    }
    return std::nullopt;
  }

  std::size_t body_bytes() const { return body_bytes_.value_or(0); }

private:
  std::optional<frame> field(std::string_view line) {
    auto colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon)) || has_bad_byte(line))
      return refuse(400, "a header field is malformed");
    auto name = line.substr(0, colon);
    auto text = trimmed(line.substr(colon + 1));
    if (equals_ignoring_case(name, "Transfer-Encoding"))
      return refuse(411, "send a Content-Length instead of Transfer-Encoding");
    if (equals_ignoring_case(name, "Range"))
      return refuse(400, "ranges are not served here");
    if (equals_ignoring_case(name, "Content-Length"))
      return content_length(text);
    return std::nullopt;
  }

  std::optional<frame> content_length(std::string_view text) {
    std::size_t bytes = 0;
    auto end = text.data() + text.size();
    auto [stop, failed] = std::from_chars(text.data(), end, bytes);
    if (body_bytes_ || text.empty() || stop != end || failed == std::errc::invalid_argument)
      return refuse(400, "Content-Length must be one number, given once");
    if (failed != std::errc{} || bytes > limits_.body_bytes_max)
      return refuse(413, fmt::format("a body of at most {} bytes, please", limits_.body_bytes_max));
    body_bytes_ = bytes;
    return std::nullopt;
  }

  const frame_limits& limits_;
  std::optional<std::size_t> body_bytes_;
};

/// A line feed without its carriage return, in what came of the head.
bool has_bare_line_feed(std::string_view head) {
  for (auto i = head.find('\n'); i != head.npos; i = head.find('\n', i + 1))
    if (i == 0 || head[i - 1] != '\r')
      return true;
  return false;
}

} // namespace

frame inspect(std::string_view bytes, const frame_limits& limits) {
  auto end = bytes.find("\r\n\r\n");
  auto head = bytes.substr(0, end == bytes.npos ? end : end + 2);
  if (has_bare_line_feed(head))
    return refuse(400, "lines must end in CR LF");
  if (head.size() > limits.header_bytes_max)
    return refuse(431,
                  fmt::format("a header of at most {} bytes, please", limits.header_bytes_max));
  if (end == bytes.npos)
    return {};
  head_reader reader{limits};
  if (auto refused = reader.read(head))
    return *refused;
  auto size = end + 4 + reader.body_bytes();
  if (bytes.size() < size)
    return {};
  return {frame::state::complete, size, 0, {}};
}

} // namespace troupe::gateway::ops
