// Beast's incremental HTTP parser, told to keep of an answer only what a proxy needs.
#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// Status, header lines and the de-chunked body of one answer. The body gathers in `body` until
/// who reads takes it.
class answer_parser final : public boost::beast::http::basic_parser<false> {
public:
  static constexpr std::uint32_t header_bytes_max = 65'536;

  answer_parser() {
    eager(true);
    header_limit(header_bytes_max);
    body_limit(std::uint64_t{1} << 50); // bounded by who reads
    header_lines.reserve(512);
  }

  int status = 0;
  std::string header_lines; // "name: value\n" each
  std::string body;

  /// The value of the first header of that name, or empty.
  std::string_view header(std::string_view name) const;

private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;
  using field = boost::beast::http::field;
  using verb = boost::beast::http::verb;

  void on_request_impl(verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { status = code; }
  void on_field_impl(field, string_view name, string_view value, error_code&) override {
    header_lines.append(name).append(": ").append(value).push_back('\n');
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length && *length <= body_reserve_max)
      body.reserve(*length + padding);
  }
  std::size_t on_body_impl(string_view bytes, error_code&) override {
    body.append(bytes);
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override {
    body.append(bytes);
    return bytes.size();
  }
  void on_finish_impl(error_code&) override {}

  static constexpr std::uint64_t body_reserve_max = 262'144;
  static constexpr std::size_t padding = 64; // room for a JSON parser to read past the end
};

} // namespace troupe::gateway
