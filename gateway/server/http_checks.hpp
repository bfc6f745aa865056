// Reading HTTP/1 requests, strictly. Beast's parser takes them apart (http_head, http_chunks); what
// is here refuses what it is lenient about, so that no proxy in front can read another request than
// we do. Knows neither sockets nor CAF; Beast stays out of this header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// Why the server refuses a request or a connection. Append only: names are labels of metrics.
enum class refusal : std::uint8_t {
  none,
  bad_request_line,
  bad_method,
  bad_target,
  bad_version,
  bad_line_ending,
  folded_field,
  bad_field_name,
  bad_field_value,
  no_host,
  bad_host,
  repeated_field,
  bad_content_length,
  length_and_encoding,
  bad_transfer_encoding,
  unknown_transfer_encoding,
  bad_expectation,
  target_too_long,
  head_too_large,
  too_many_fields,
  bad_chunk,
  body_too_large,
  head_too_slow,
  body_too_slow,
  request_too_long,
  too_many_connections,
  bad_upgrade,
  not_found,
  method_not_allowed,
  draining,
};
inline constexpr std::size_t refusals = static_cast<std::size_t>(refusal::draining) + 1;

/// What one refusal is to the client.
struct refusal_info {
  std::string_view name;
  int status;
  std::string_view sentence;
};
const refusal_info& about(refusal why) noexcept;

/// How the body of a request ends.
enum class body_framing : std::uint8_t { none, length, chunked };

/// A request's line and header fields. Owns its text; the views are of it.
class request_head {
public:
  std::string_view method() const { return view(method_); }
  std::string_view path() const { return view(path_); }   // as sent, percent-encoded; starts with /
  std::string_view query() const { return view(query_); } // as sent, without the question mark
  /// The first field of that name (any case); empty if there is none.
  std::string_view field(std::string_view name) const;
  std::size_t fields() const { return fields_.size(); }
  std::pair<std::string_view, std::string_view> field_at(std::size_t i) const {
    return {view(fields_[i].name), view(fields_[i].value)};
  }
  bool http_1_0() const { return http_1_0_; }
  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }
  bool wants_websocket() const { return wants_websocket_; }
  body_framing framing() const { return framing_; }
  std::uint64_t content_length() const { return content_length_; }

  /// Keeps the request line only.
  void forget_fields();

private:
  friend class head_parser;
  struct span {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  struct field_span {
    span name;
    span value;
  };
  std::string_view view(span s) const { return std::string_view{text_}.substr(s.at, s.size); }

  std::string text_;
  std::vector<field_span> fields_;
  std::uint64_t content_length_ = 0;
  span method_;
  span path_;
  span query_;
  body_framing framing_ = body_framing::none;
  bool http_1_0_ = false;
  bool keep_alive_ = true;
  bool expects_continue_ = false;
  bool wants_websocket_ = false;
};

struct head_limits {
  std::size_t bytes_max = 32'768;
  std::size_t fields_max = 100;
  std::size_t target_max = 8'192;
};

/// Finds the end of a head in bytes that come in pieces. A hopeless one is refused at once, not at
/// its end: too large, a line that ends in a bare LF, a line that goes on the one before.
class head_scanner {
public:
  enum class state : std::uint8_t { incomplete, complete, refused };

  /// `bytes`: all of the head so far, from its first byte on.
  state scan(std::string_view bytes, const head_limits& limits);
  /// Of a complete head: its length with the empty line.
  std::size_t size() const { return next_; }
  refusal why() const { return why_; }

private:
  state refuse(refusal why) {
    why_ = why;
    return state::refused;
  }
  std::size_t next_ = 0; // first byte not looked at: the beginning of a line
  std::size_t lines_ = 0;
  refusal why_ = refusal::none;
};

/// Reads a complete head (as the scanner found it). `refusal::none`: `head` is filled.
refusal read_head(std::string_view text, const head_limits& limits, request_head& head);

/// Takes a chunked body apart. Bounded: sizes by `body_max`, extensions and trailers by 4 kB.
/// What it says does not depend on the pieces in which the bytes come.
class chunked_decoder {
public:
  explicit chunked_decoder(std::uint64_t body_max);
  ~chunked_decoder();
  chunked_decoder(const chunked_decoder&) = delete;
  chunked_decoder& operator=(const chunked_decoder&) = delete;

  /// Takes what it understands from the front of `in` and appends data to `out`; at the end of the
  /// body it stops and `done` is true.
  refusal feed(std::string_view& in, std::string& out);
  bool done() const { return part_ == part::done; }

private:
  // What the next bytes are: lines of framing, or data.
  enum class part : std::uint8_t { size, data, data_end, trailer, done };
  class parser;

  refusal take_line(std::string_view& in);
  refusal on_line(std::string_view line);

  std::unique_ptr<parser> parser_;
  std::string framing_;        // lines that the parser wants to see together
  std::size_t line_begin_ = 0; // of the last line of it
  part part_ = part::size;
};

/// True for the characters of a token: methods and field names.
bool is_token(std::string_view text) noexcept;

} // namespace troupe::gateway
