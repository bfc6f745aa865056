// Requests as a connection reads them, from bytes to heads and bodies: no input crashes the
// reader, the pieces in which the bytes come change nothing, and what is accepted reads the same
// when it is written out again.
#include "gateway/server/http_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

using namespace troupe::gateway;

namespace {

constexpr std::uint64_t body_max = 2'000;
constexpr std::size_t requests_max = 20;

void demand(bool holds) {
  if (!holds)
    std::abort();
}

// The bytes of one connection, a piece at a time.
class source {
public:
  /// `seed` 0: all at once; 1: byte by byte; else in random pieces.
  source(std::string_view bytes, std::uint32_t seed) : bytes_(bytes), seed_(seed), x_(seed) {}

  bool next(std::string_view& piece) {
    if (bytes_.empty())
      return false;
    piece = bytes_.substr(0, size());
    bytes_.remove_prefix(piece.size());
    return true;
  }

private:
  std::size_t size() {
    if (seed_ < 2)
      return seed_ == 0 ? bytes_.size() : 1;
    x_ = x_ * 1'664'525 + 1'013'904'223;
    return 1 + (x_ >> 16) % ((x_ >> 30) == 0 ? 200 : 8);
  }

  std::string_view bytes_;
  std::uint32_t seed_;
  std::uint32_t x_;
};

std::string text_of(const request_head& head) {
  std::string out;
  out.append(head.method()).append(" ").append(head.path());
  if (!head.query().empty())
    out.append("?").append(head.query());
  out.append(head.http_1_0() ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  for (std::size_t i = 0; i < head.fields(); ++i) {
    auto field = head.field_at(i);
    out.append(field.first).append(": ").append(field.second).append("\r\n");
  }
  return out + "\r\n";
}

std::string flags_of(const request_head& head) {
  return std::to_string(static_cast<int>(head.framing())) + " "
         + std::to_string(head.content_length()) + (head.keep_alive() ? " keep" : "")
         + (head.expects_continue() ? " continue" : "") + (head.wants_websocket() ? " socket" : "")
         + "\n";
}

void check_head(const request_head& head, const head_limits& limits) {
  demand(head.path().substr(0, 1) == "/");
  for (unsigned char c : head.path())
    demand(c > 0x20 && c < 0x7f);
  for (std::size_t i = 0; i < head.fields(); ++i) {
    demand(is_token(head.field_at(i).first));
    for (unsigned char c : head.field_at(i).second)
      demand((c >= 0x20 && c != 0x7f) || c == '\t');
  }
  demand(head.framing() != body_framing::chunked || head.field("content-length").empty());
  request_head again;
  auto text = text_of(head);
  demand(read_head(text, limits, again) == refusal::none);
  demand(text_of(again) == text && flags_of(again) == flags_of(head));
}

// One connection's reading, as gateway/server/connection_serve.cpp does it.
class reader {
public:
  reader(std::string_view bytes, std::uint32_t seed) : source_(bytes, seed) {}

  /// What it made of it: every request, and how it ended.
  std::string run() {
    for (std::size_t i = 0; i < requests_max; ++i) {
      std::string body;
      auto why = refusal::none;
      if (!read_request(why) || why != refusal::none)
        return told_ + std::string{about(why).name};
      check_head(head_, limits_);
      told_ += text_of(head_) + flags_of(head_);
      if (!read_body(body, why) || why != refusal::none)
        return told_ + "body: " + std::string{about(why).name};
      told_ += body + "\n";
    }
    return told_;
  }

private:
  bool more() {
    std::string_view piece;
    if (!source_.next(piece))
      return false;
    carry_.append(piece);
    return true;
  }

  bool read_request(refusal& why) {
    for (head_scanner scanner;;) {
      auto state = scanner.scan(carry_, limits_);
      if (state == head_scanner::state::incomplete) {
        if (!more())
          return false;
        continue;
      }
      why = scanner.why();
      if (state == head_scanner::state::complete) {
        why = read_head(std::string_view{carry_}.substr(0, scanner.size()), limits_, head_);
        carry_.erase(0, scanner.size());
      }
      return true;
    }
  }

  bool read_body(std::string& body, refusal& why) {
    if (head_.framing() == body_framing::chunked)
      return read_chunks(body, why);
    if (head_.content_length() > body_max) {
      why = refusal::body_too_large;
      return true;
    }
    while (carry_.size() < head_.content_length())
      if (!more())
        return false;
    body = carry_.substr(0, head_.content_length());
    carry_.erase(0, head_.content_length());
    return true;
  }

  bool read_chunks(std::string& body, refusal& why) {
    chunked_decoder decoder{body_max};
    std::string early;
    early.swap(carry_);
    for (std::string_view bytes = early;;) {
      why = decoder.feed(bytes, body);
      demand(body.size() <= body_max);
      if (why != refusal::none)
        return true;
      if (decoder.done()) {
        carry_.assign(bytes);
        return true;
      }
      demand(bytes.empty());
      if (!source_.next(bytes))
        return false;
    }
  }

  source source_;
  head_limits limits_{3'000, 20, 500};
  std::string carry_;
  std::string told_;
  request_head head_;
};

} // namespace

// The first byte chooses the pieces; the rest is what the connection brings.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto whole = reader{bytes, 0}.run();
  demand(reader{bytes, 1}.run() == whole);
  demand(reader{bytes, 2u + data[0]}.run() == whole);
  return 0;
}
