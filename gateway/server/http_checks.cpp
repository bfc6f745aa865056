#include "gateway/server/http_checks.hpp"

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

void request_head::forget_fields() {
  std::vector<field_span>{}.swap(fields_); // assigning {} keeps its memory
  text_.resize(std::min(text_.find("\r\n", method_.at), text_.size()));
  text_.shrink_to_fit();
}

// -- the end of a head ----------------------------------------------------------------------------

head_scanner::state head_scanner::scan(std::string_view bytes, const head_limits& limits) {
  if (next_ == 0 && !bytes.empty() && bytes[0] != '\r' && (bytes[0] < 'A' || bytes[0] > 'Z'))
    return refuse(refusal::bad_method);
  while (next_ < bytes.size()) {
    if (lines_ > 0 && (bytes[next_] == ' ' || bytes[next_] == '\t'))
      return refuse(refusal::folded_field);
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

} // namespace troupe::gateway
