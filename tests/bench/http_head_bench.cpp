// What reading a request costs before anything is done with it: its head, and a chunked body.
#include "gateway/server/http_checks.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>

using namespace troupe::gateway;

namespace {

const std::string api_head =
    "POST /v1/chat/completions HTTP/1.1\r\n"
    "Host: api.example.com\r\n"
    "Authorization: Bearer tr-0123456789abcdef0123456789abcdef0123456789ab\r\n"
    "User-Agent: OpenAI/Python 1.30.1\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Connection: keep-alive\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 512\r\n"
    "X-Stainless-Lang: python\r\n"
    "X-Stainless-Runtime: CPython\r\n\r\n";

const std::string small_head = "GET /healthz HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Nanoseconds of this thread's CPU a call: the best of many short rounds, for the machine may be
// busy.
double best_ns(const std::function<void()>& f) {
  constexpr int rounds = 200;
  constexpr int calls = 2'000;
  double best = 1e18;
  for (int round = 0; round < rounds; ++round) {
    auto begin = cpu_ns();
    for (int i = 0; i < calls; ++i)
      f();
    best = std::min(best, (cpu_ns() - begin) / calls);
  }
  return best;
}

void read(const std::string& text) {
  head_limits limits;
  head_scanner scanner;
  request_head head;
  if (scanner.scan(text, limits) != head_scanner::state::complete
      || read_head(text, limits, head) != refusal::none)
    std::abort();
}

void decode(const std::string& body, std::string& out) {
  chunked_decoder decoder{1'000'000};
  std::string_view in = body;
  out.clear();
  if (decoder.feed(in, out) != refusal::none || !decoder.done())
    std::abort();
}

} // namespace

int main() {
  std::printf("head of an API call (10 fields): %.0f ns\n", best_ns([] { read(api_head); }));
  std::printf("head of a probe (1 field):       %.0f ns\n", best_ns([] { read(small_head); }));
  std::string out;
  std::string one = "200\r\n" + std::string(512, 'x') + "\r\n0\r\n\r\n";
  std::string many;
  for (int i = 0; i < 64; ++i)
    many += "10\r\n0123456789abcdef\r\n";
  many += "0\r\n\r\n";
  std::printf("512 bytes in one chunk:          %.0f ns\n", best_ns([&] { decode(one, out); }));
  std::printf("1 kB in 64 chunks:               %.0f ns\n", best_ns([&] { decode(many, out); }));
}
