// Heads of requests: Beast parses; what it is lenient about is refused here.
#include "gateway/server/http_checks.hpp"
#include "gateway/server/url.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>
#include <cctype>
#include <limits>
#include <utility>

namespace troupe::gateway {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t method_max = 24;
constexpr std::size_t length_digits_max = 18;
constexpr std::size_t fields_expected = 16; // most requests have no more

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
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

bool same(std::string_view x, std::string_view y) { return beast::iequals(x, y); }

// 16 bytes in base64, as RFC 6455 has it.
bool is_socket_key(std::string_view text) {
  auto is_digit = [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; };
  return text.size() == 24 && text.ends_with("==")
         && std::all_of(text.begin(), text.end() - 2, is_digit);
}

// Beast names a version it does not speak and a line that is no request line alike.
refusal of_version(std::string_view text) {
  auto line = text.substr(0, text.find("\r\n"));
  auto version = line.substr(line.rfind(' ') + 1);
  bool other = version.size() == 8 && version.starts_with("HTTP/") && version != "HTTP/1.1"
               && version != "HTTP/1.0";
  return other ? refusal::bad_version : refusal::bad_request_line;
}

} // namespace

class head_parser final : public http::basic_parser<true> {
public:
  head_parser(request_head& head, const head_limits& limits) : head_(head), limits_(limits) {
    header_limit(std::numeric_limits<std::uint32_t>::max()); // the scanner's part
    skip(true);                                              // the body is not its part
  }

  refusal read(std::string_view text) {
    if (text.starts_with("\r\n"))
      text.remove_prefix(2);
    head_.text_ = text;
    head_.fields_.reserve(fields_expected);
    error_code e;
    auto taken = put({head_.text_.data(), head_.text_.size()}, e);
    if (why_ != refusal::none)
      return why_;
    if (e)
      return why_of(e);
    // Parser and scanner must agree on the end.
    return is_header_done() && taken == text.size() ? check_whole() : refusal::bad_request_line;
  }

private:
  using span = request_head::span;
  using string_view = beast::string_view;
  using error_code = beast::error_code;
  using field = http::field;

  // -- what Beast tells ---------------------------------------------------------------------------

  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       error_code& e) override {
    auto is_method = [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
    if (method.size() > method_max || !std::all_of(method.begin(), method.end(), is_method))
      return refuse(refusal::bad_method, e);
    head_.method_ = span_of(method);
    head_.http_1_0_ = version == 10;
    refuse(read_target(target), e);
  }

  void on_field_impl(field f, string_view name, string_view value, error_code& e) override {
    head_.fields_.push_back({span_of(name), span_of(value)});
    bool framing = f == field::content_length || f == field::transfer_encoding;
    refuse(framing && has_tab(name) ? refusal::bad_field_value : note(f, value), e);
  }

  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  void refuse(refusal why, error_code& e) {
    why_ = why;
    if (why != refusal::none)
      e = http::error::bad_value; // any: it ends the parsing
  }

  // Beast takes tabs around a value for space, nginx for a part of it.
  bool has_tab(std::string_view name) const {
    auto line = std::string_view{head_.text_}.substr(span_of(name).at);
    return line.substr(0, line.find('\n')).find('\t') != line.npos;
  }

  refusal why_of(const error_code& e) const {
    if (e == http::error::bad_method)
      return refusal::bad_method;
    if (e == http::error::bad_version)
      return of_version(head_.text_);
    if (e == http::error::bad_line_ending)
      return refusal::bad_line_ending;
    if (e == http::error::bad_field)
      return refusal::bad_field_name;
    if (e == http::error::bad_value)
      return refusal::bad_field_value;
    if (e == http::error::bad_content_length)
      return has_encoding_ ? refusal::length_and_encoding : refusal::bad_content_length;
    if (e == http::error::multiple_content_length)
      return has_length_ ? refusal::repeated_field : refusal::bad_content_length;
    if (e == http::error::bad_transfer_encoding)
      return has_length_ ? refusal::length_and_encoding : refusal::repeated_field;
    return refusal::bad_request_line;
  }

  span span_of(std::string_view part) const {
    return {static_cast<std::uint32_t>(part.data() - head_.text_.data()),
            static_cast<std::uint32_t>(part.size())};
  }

  // -- what we add to it --------------------------------------------------------------------------

  refusal read_target(std::string_view text) {
    if (text.size() > limits_.target_max)
      return refusal::target_too_long;
    for (unsigned char c : text)
      if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
        return refusal::bad_target;
    // http://host/path: as good as /path, if the host is that of the Host field.
    for (std::string_view scheme : {"http://", "https://"}) {
      if (text.size() > scheme.size() && same(text.substr(0, scheme.size()), scheme)) {
        text.remove_prefix(scheme.size());
        auto slash = text.find_first_of("/?");
        if (slash == text.npos || text[slash] != '/')
          return refusal::bad_target;
        authority_ = text.substr(0, slash);
        if (authority_.empty())
          return refusal::bad_target;
        text.remove_prefix(slash);
        break;
      }
    }
    auto question = std::min(text.find('?'), text.size());
    if (!is_clean_path(text.substr(0, question)))
      return refusal::bad_target;
    head_.path_ = span_of(text.substr(0, question));
    if (question < text.size())
      head_.query_ = span_of(text.substr(question + 1));
    return refusal::none;
  }

  // What a field means to the framing.
  refusal note(field f, std::string_view value) {
    switch (f) {
      case field::host:
        return once(has_host_, is_host(value) ? refusal::none : refusal::bad_host);
      case field::expect:
        head_.expects_continue_ = same(value, "100-continue");
        return once(has_expect_,
                    head_.expects_continue_ ? refusal::none : refusal::bad_expectation);
      case field::upgrade:
        for_each_element(value, [&](auto x) { upgrade_ = upgrade_ || same(x, "websocket"); });
        return refusal::none;
      case field::connection:
        for_each_element(value, [&](auto x) {
          close_ = close_ || same(x, "close");
          connection_upgrade_ = connection_upgrade_ || same(x, "upgrade");
        });
        return refusal::none;
      case field::content_type:
        return once(has_type_, refusal::none);
      case field::authorization:
        return once(has_authorization_, refusal::none);
      case field::sec_websocket_key:
        return once(has_socket_key_, is_socket_key(value) ? refusal::none : refusal::bad_upgrade);
      case field::sec_websocket_version:
        return once(has_socket_version_, refusal::none);
      case field::content_length:
        return once(has_length_, read_length(value));
      case field::transfer_encoding:
        return once(has_encoding_, read_encoding(value));
      default:
        return refusal::none;
    }
  }

  static refusal once(bool& seen, refusal why) {
    return std::exchange(seen, true) ? refusal::repeated_field : why;
  }

  // Beast takes lists of equal numbers.
  refusal read_length(std::string_view value) {
    if (!is_digits(value) || value.size() > length_digits_max)
      return refusal::bad_content_length;
    std::uint64_t length = 0;
    for (char c : value)
      length = length * 10 + static_cast<std::uint64_t>(c - '0');
    head_.content_length_ = length;
    return refusal::none;
  }

  // Beast takes every list that ends in chunked, and ignores every other.
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
  std::string_view authority_;
  refusal why_ = refusal::none;
  bool has_host_ = false;
  bool has_expect_ = false;
  bool has_type_ = false;
  bool has_authorization_ = false;
  bool has_length_ = false;
  bool has_encoding_ = false;
  bool has_socket_key_ = false;
  bool has_socket_version_ = false;
  bool upgrade_ = false;
  bool connection_upgrade_ = false;
  bool close_ = false;
};

refusal read_head(std::string_view text, const head_limits& limits, request_head& head) {
  head = {};
  return head_parser{head, limits}.read(text);
}

} // namespace troupe::gateway
