#include "gateway/server/http_checks.hpp"

#include "gateway/server/url.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace troupe::gateway {

namespace {

constexpr std::array<refusal_info, refusals> table{{
    {"none", 200, ""},
    {"bad_request_line", 400, "the request line is not METHOD /path HTTP/1.1"},
    {"bad_method", 400, "the method is not upper-case letters"},
    {"bad_target", 400, "the path is not a clean, percent-encoded path"},
    {"bad_version", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
    {"bad_line_ending", 400, "lines must end with CR LF and hold no control characters"},
    {"folded_field", 400, "a header field goes on in the next line, which is obsolete"},
    {"bad_field_name", 400, "the name of a header field is not a token followed by a colon"},
    {"bad_field_value", 400, "the value of a header field holds control characters"},
    {"no_host", 400, "the Host field is missing"},
    {"bad_host", 400, "the Host field is no host and port"},
    {"repeated_field", 400, "a header field that may be there once is there more than once"},
    {"bad_content_length", 400, "Content-Length is not one decimal number"},
    {"length_and_encoding", 400, "Content-Length and Transfer-Encoding exclude each other"},
    {"bad_transfer_encoding", 400, "Transfer-Encoding must be just: chunked"},
    {"unknown_transfer_encoding", 501, "this transfer coding is not known here; send chunked"},
    {"bad_expectation", 417, "only Expect: 100-continue is known here"},
    {"target_too_long", 414, "the path and query are too long"},
    {"head_too_large", 431, "the header is too large"},
    {"too_many_fields", 431, "there are too many header fields"},
    {"bad_chunk", 400, "the chunked body is malformed"},
    {"body_too_large", 413, "the body is too large"},
    {"head_too_slow", 408, "the header took too long to arrive"},
    {"body_too_slow", 408, "the body arrives too slowly"},
    {"request_too_long", 504, "the request took longer than the limit"},
    {"too_many_connections", 503, "too many connections from this address; try again later"},
    {"bad_upgrade", 400, "this is not a WebSocket request as RFC 6455 has it"},
    {"not_found", 404, "there is nothing at this path"},
    {"method_not_allowed", 405, "this path does not take this method"},
    {"draining", 503, "the node is going away; try another"},
}};

constexpr std::array<bool, 256> token_table = [] {
  std::array<bool, 256> t{};
  for (unsigned char c : std::string_view{"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
    t[c] = true;
  return t;
}();

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(std::string_view x, std::string_view y) {
  return x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), [](char a, char b) {
           return lower(a) == lower(b);
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; });
}

// Calls `f` with each element of a comma-separated list.
template <class F>
void for_each_element(std::string_view list, F f) {
  while (!list.empty()) {
    auto end = std::min(list.find(','), list.size());
    f(trimmed(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

bool is_digits(std::string_view text) {
  return !text.empty()
         && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 512)
    return false;
  std::string_view port;
  if (host.front() == '[') {
    auto end = host.find(']');
    if (end == std::string_view::npos || end < 3)
      return false;
    for (char c : host.substr(1, end - 1))
      if (!std::isxdigit(static_cast<unsigned char>(c)) && c != ':' && c != '.')
        return false;
    port = host.substr(end + 1);
  } else {
    auto end = std::min(host.find(':'), host.size());
    if (end == 0)
      return false;
    for (char c : host.substr(0, end))
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_')
        return false;
    port = host.substr(end);
  }
  if (port.empty())
    return true;
  return port.front() == ':' && port.size() <= 6 && is_digits(port.substr(1));
}

} // namespace

const refusal_info& about(refusal why) noexcept { return table[static_cast<std::size_t>(why)]; }

bool is_token(std::string_view text) noexcept {
  return !text.empty()
         && std::all_of(text.begin(), text.end(), [](unsigned char c) { return token_table[c]; });
}

std::string_view request_head::field(std::string_view name) const {
  for (const auto& f : fields_)
    if (f.name.size == name.size() && same(view(f.name), name))
      return view(f.value);
  return {};
}

// -- the end of a head ----------------------------------------------------------------------------

head_scanner::state head_scanner::scan(std::string_view bytes, const head_limits& limits) {
  if (next_ == 0 && !bytes.empty() && bytes[0] != '\r' && (bytes[0] < 'A' || bytes[0] > 'Z'))
    return refuse(refusal::bad_method);
  while (next_ < bytes.size()) {
    const auto* from = bytes.data() + next_;
    const auto* lf = static_cast<const char*>(std::memchr(from, '\n', bytes.size() - next_));
    auto end = lf == nullptr ? bytes.size() : static_cast<std::size_t>(lf - bytes.data()) + 1;
    // The first line holds the target; it is too long by itself.
    if (lines_ == 0 && end - next_ > limits.target_max + 64)
      return refuse(refusal::target_too_long);
    if (end > limits.bytes_max)
      return refuse(refusal::head_too_large);
    if (lf == nullptr)
      break;
    auto length = end - next_;
    if (length < 2 || bytes[end - 2] != '\r')
      return refuse(refusal::bad_line_ending);
    next_ = end;
    if (length == 2 && lines_ > 0)
      return state::complete;
    if (length == 2 && end > 2)
      return refuse(refusal::bad_request_line); // one empty line before the request is forgiven
    if (length > 2 && ++lines_ > limits.fields_max + 1)
      return refuse(refusal::too_many_fields);
  }
  return state::incomplete;
}

// -- a head ---------------------------------------------------------------------------------------

class head_reader {
public:
  head_reader(request_head& head, const head_limits& limits) : head_(head), limits_(limits) {}

  refusal read(std::string_view text) {
    if (text.starts_with("\r\n"))
      text.remove_prefix(2);
    head_.text_ = text;
    auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    head_.fields_.reserve(lines > 2 ? lines - 2 : 0);
    auto why = read_request_line(take_line());
    while (why == refusal::none) {
      auto line = take_line();
      if (line.size == 0)
        return at_ < head_.text_.size() ? refusal::bad_request_line : check_whole();
      why = read_field(line);
    }
    return why;
  }

private:
  using span = request_head::span;
  std::string_view view(span s) const { return head_.view(s); }

  // The next line without its end; empty at the end of the head.
  span take_line() {
    std::string_view text = head_.text_;
    auto end = text.find("\r\n", at_);
    if (end == std::string_view::npos)
      end = text.size();
    span line{static_cast<std::uint32_t>(at_), static_cast<std::uint32_t>(end - at_)};
    at_ = std::min(end + 2, text.size());
    return line;
  }

  refusal read_request_line(span line) {
    auto text = view(line);
    if (!is_field_value(text) || text.find('\t') != text.npos)
      return refusal::bad_line_ending;
    auto first = text.find(' ');
    auto second = first == text.npos ? text.npos : text.find(' ', first + 1);
    if (second == text.npos || text.find(' ', second + 1) != text.npos)
      return refusal::bad_request_line;
    auto method = text.substr(0, first);
    auto is_method = [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
    if (method.empty() || method.size() > 24
        || !std::all_of(method.begin(), method.end(), is_method))
      return refusal::bad_method;
    auto version = text.substr(second + 1);
    if (version == "HTTP/1.0")
      head_.http_1_0_ = true;
    else if (version != "HTTP/1.1")
      return version.size() == 8 && version.starts_with("HTTP/") ? refusal::bad_version
                                                                 : refusal::bad_request_line;
    head_.method_ = {line.at, static_cast<std::uint32_t>(first)};
    return read_target({line.at + static_cast<std::uint32_t>(first) + 1,
                        static_cast<std::uint32_t>(second - first - 1)});
  }

  refusal read_target(span target) {
    auto text = view(target);
    if (text.size() > limits_.target_max)
      return refusal::target_too_long;
    for (unsigned char c : text)
      if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
        return refusal::bad_target;
    // http://host/path: as good as /path, if the host is that of the Host field.
    for (std::string_view scheme : {"http://", "https://"}) {
      if (text.size() > scheme.size() && same(text.substr(0, scheme.size()), scheme)) {
        auto rest = text.substr(scheme.size());
        auto slash = rest.find_first_of("/?");
        if (slash == rest.npos || rest[slash] != '/')
          return refusal::bad_target;
        authority_ = rest.substr(0, slash);
        auto skip = static_cast<std::uint32_t>(scheme.size() + slash);
        target = {target.at + skip, target.size - skip};
        text = view(target);
        break;
      }
    }
    auto question = std::min(text.find('?'), text.size());
    if (!is_clean_path(text.substr(0, question)))
      return refusal::bad_target;
    head_.path_ = {target.at, static_cast<std::uint32_t>(question)};
    if (question < text.size())
      head_.query_ = {target.at + static_cast<std::uint32_t>(question) + 1,
                      static_cast<std::uint32_t>(text.size() - question - 1)};
    return refusal::none;
  }

  refusal read_field(span line) {
    auto text = view(line);
    if (text.front() == ' ' || text.front() == '\t')
      return refusal::folded_field;
    auto colon = text.find(':');
    if (colon == text.npos || !is_token(text.substr(0, colon)))
      return refusal::bad_field_name;
    auto raw = text.substr(colon + 1);
    if (!is_field_value(raw))
      return refusal::bad_field_value;
    auto value = trimmed(raw);
    auto at = value.empty() ? line.at + line.size
                            : static_cast<std::uint32_t>(value.data() - head_.text_.data());
    head_.fields_.push_back({{line.at, static_cast<std::uint32_t>(colon)},
                             {at, static_cast<std::uint32_t>(value.size())}});
    return note(text.substr(0, colon), value);
  }

  // What a field means to the framing.
  refusal note(std::string_view name, std::string_view value) {
    switch (name.size()) {
      case 4:
        if (same(name, "host"))
          return once(has_host_,
                      [&] { return is_host(value) ? refusal::none : refusal::bad_host; });
        break;
      case 6:
        if (same(name, "expect"))
          return once(has_expect_, [&] {
            head_.expects_continue_ = same(value, "100-continue");
            return head_.expects_continue_ ? refusal::none : refusal::bad_expectation;
          });
        break;
      case 7:
        if (same(name, "upgrade"))
          for_each_element(value, [&](auto x) { upgrade_ = upgrade_ || same(x, "websocket"); });
        break;
      case 10:
        if (same(name, "connection"))
          for_each_element(value, [&](auto x) {
            close_ = close_ || same(x, "close");
            connection_upgrade_ = connection_upgrade_ || same(x, "upgrade");
          });
        break;
      case 12:
        if (same(name, "content-type"))
          return once(has_type_, [] { return refusal::none; });
        break;
      case 13:
        if (same(name, "authorization"))
          return once(has_authorization_, [] { return refusal::none; });
        break;
      case 14:
        if (same(name, "content-length"))
          return once(has_length_, [&] { return read_length(value); });
        break;
      case 17:
        if (same(name, "transfer-encoding"))
          return once(has_encoding_, [&] { return read_encoding(value); });
        break;
      default:
        break;
    }
    return refusal::none;
  }

  template <class F>
  static refusal once(bool& seen, F f) {
    if (std::exchange(seen, true))
      return refusal::repeated_field;
    return f();
  }

  refusal read_length(std::string_view value) {
    if (!is_digits(value) || value.size() > 18)
      return refusal::bad_content_length;
    std::uint64_t length = 0;
    for (char c : value)
      length = length * 10 + static_cast<std::uint64_t>(c - '0');
    head_.content_length_ = length;
    return refusal::none;
  }

  static refusal read_encoding(std::string_view value) {
    if (same(value, "chunked"))
      return refusal::none;
    bool known = false;
    for_each_element(value, [&](auto x) { known = known || same(x, "chunked"); });
    return known || !is_token(value) ? refusal::bad_transfer_encoding
                                     : refusal::unknown_transfer_encoding;
  }

  refusal check_whole() {
    if (!has_host_ && !head_.http_1_0_)
      return refusal::no_host;
    if (!authority_.empty() && !same(authority_, head_.field("host")))
      return refusal::bad_host;
    if (has_length_ && has_encoding_)
      return refusal::length_and_encoding;
    if (has_encoding_ && head_.http_1_0_)
      return refusal::bad_transfer_encoding;
    if (has_encoding_)
      head_.framing_ = body_framing::chunked;
    else if (head_.content_length_ > 0)
      head_.framing_ = body_framing::length;
    head_.keep_alive_ = !head_.http_1_0_ && !close_;
    head_.expects_continue_ = head_.expects_continue_ && !head_.http_1_0_;
    head_.wants_websocket_ = upgrade_ && connection_upgrade_ && !head_.http_1_0_;
    return refusal::none;
  }

  request_head& head_;
  const head_limits& limits_;
  std::size_t at_ = 0;
  std::string_view authority_;
  bool has_host_ = false;
  bool has_expect_ = false;
  bool has_type_ = false;
  bool has_authorization_ = false;
  bool has_length_ = false;
  bool has_encoding_ = false;
  bool upgrade_ = false;
  bool connection_upgrade_ = false;
  bool close_ = false;
};

refusal read_head(std::string_view text, const head_limits& limits, request_head& head) {
  head = {};
  return head_reader{head, limits}.read(text);
}

} // namespace troupe::gateway
