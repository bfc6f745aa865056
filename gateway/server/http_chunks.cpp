// Chunked bodies: Beast parses; what it is lenient about is refused here.
#include "gateway/server/http_checks.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

namespace troupe::gateway {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t overhead_max = 4'096;             // extensions and trailers together
constexpr std::size_t framing_max = overhead_max + 128; // of lines that are parsed together

} // namespace

class chunked_decoder::parser final : public http::basic_parser<true> {
public:
  explicit parser(std::uint64_t body_max) {
    body_limit(body_max);
    // It begins with heads only. This is the shortest that has chunks behind it.
    error_code ignored;
    put(std::string_view{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}, ignored);
  }

  std::size_t put(std::string_view bytes, beast::error_code& e) {
    return basic_parser::put({bytes.data(), bytes.size()}, e);
  }

  std::string* out = nullptr;
  std::uint64_t left = 0; // of the chunk
  std::size_t overhead = 0;

private:
  using string_view = beast::string_view;
  using error_code = beast::error_code;

  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code&) override {
    left = size;
    overhead += extensions.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override {
    out->append(bytes.data(), bytes.size());
    left -= bytes.size();
    return bytes.size();
  }
  void on_finish_impl(error_code&) override {}
};

chunked_decoder::chunked_decoder(std::uint64_t body_max) :
    parser_(std::make_unique<parser>(body_max)) {}

chunked_decoder::~chunked_decoder() = default;

refusal chunked_decoder::feed(std::string_view& in, std::string& out) {
  parser_->out = &out;
  auto why = refusal::none;
  while (!in.empty() && part_ != part::done && why == refusal::none) {
    if (part_ != part::data) {
      why = take_line(in);
      continue;
    }
    beast::error_code e;
    in.remove_prefix(parser_->put(in, e));
    if (e)
      why = refusal::bad_chunk;
    if (parser_->left == 0)
      part_ = part::data_end;
  }
  return why;
}

// The parser is given whole lines only: so its answer is the same however they come.
refusal chunked_decoder::take_line(std::string_view& in) {
  auto lf = in.find('\n');
  auto size = lf == in.npos ? in.size() : lf + 1;
  if (framing_.size() + size > framing_max)
    return refusal::bad_chunk;
  framing_.append(in.substr(0, size));
  in.remove_prefix(size);
  auto line = std::string_view{framing_}.substr(line_begin_);
  // No need to wait for the end of a line that began wrongly.
  if (part_ == part::data_end && line.front() != '\r')
    return refusal::bad_chunk;
  if (lf == in.npos)
    return refusal::none;
  line_begin_ = framing_.size();
  return line.ends_with("\r\n") ? on_line(line) : refusal::bad_chunk;
}

refusal chunked_decoder::on_line(std::string_view line) {
  if (part_ == part::data_end) {
    // Beast takes it for a part of the next line.
    part_ = part::size;
    return line.size() == 2 ? refusal::none : refusal::bad_chunk;
  }
  if (part_ == part::trailer) {
    parser_->overhead += line.size();
    if (line.front() == ' ' || line.front() == '\t' || parser_->overhead > overhead_max)
      return refusal::bad_chunk;
    if (line.size() > 2)
      return refusal::none;
  } else if (line.find('"') != line.npos) {
    return refusal::bad_chunk; // a quoted string could hold the end of a line
  }
  beast::error_code e;
  auto taken = parser_->put(framing_, e);
  if (e == http::error::need_more && part_ == part::size) {
    part_ = part::trailer; // the last chunk is parsed with its trailers
    return refusal::none;
  }
  if (e == http::error::body_limit)
    return refusal::body_too_large;
  if (e || taken != framing_.size() || parser_->overhead > overhead_max)
    return refusal::bad_chunk;
  part_ = part_ == part::trailer ? part::done : part::data;
  framing_.clear();
  line_begin_ = 0;
  return refusal::none;
}

} // namespace troupe::gateway
