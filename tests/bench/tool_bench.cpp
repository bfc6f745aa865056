// What counting a text costs this node when it does it itself, and when another one does:
// tool_bench
//
// Two processes over loopback, plain. Prints `figure NAME VALUE UNIT` lines for texts of 1 kB to
// 1 MB: CPU of this node a text, and how long the answer takes, one after the other.
#include "actors/tokenizer/tokenizer.hpp"
#include "cluster/tools/tool_desk.hpp"
#include "messages/log.hpp"
#include "tests/support/link_node.hpp"

#include <caf/scoped_actor.hpp>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr auto each = 1s;

double cpu_us() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

std::string text_of(std::size_t bytes) {
  const std::vector<std::string> words{"The ",     "report ", "says that ", "it doesn't ",
                                       "change ",  "until ",  "Monday, ",   "because ",
                                       "people ",  "were ",   "still ",     "travelling.\n\n",
                                       "in 2024 ", "(of 12) "};
  std::string out;
  for (std::size_t i = 0; out.size() < bytes; ++i)
    out += words[i * 7 % words.size()];
  out.resize(bytes);
  return out;
}

CountTokens query_of(std::size_t bytes) {
  v1::CountTokens out;
  out.set_vocabulary("o200k_base");
  out.add_texts(text_of(bytes));
  return CountTokens{std::move(out)};
}

template <class Ask>
void measure(const std::string& name, std::size_t bytes, Ask ask) {
  for (int i = 0; i < 20; ++i)
    ask();
  std::vector<double> took;
  auto before = cpu_us();
  for (auto start = steady::now(); steady::now() - start < each;) {
    auto sent = steady::now();
    ask();
    took.push_back(std::chrono::duration<double, std::micro>(steady::now() - sent).count());
  }
  auto cpu = (cpu_us() - before) / static_cast<double>(took.size());
  std::sort(took.begin(), took.end());
  fmt::print("figure {}_{}_bytes_cpu_us {:.1f} us\n", name, bytes, cpu);
  fmt::print("figure {}_{}_bytes_p50_us {:.1f} us\n", name, bytes, took[took.size() / 2]);
}

template <class Answer, class Handle, class Message>
void ask_for(caf::scoped_actor& self, const Handle& to, const Message& message) {
  self->request(to, 20s, message)
      .receive([](const Answer&) {},
               [](const caf::error& err) {
                 fmt::print(stderr, "{}\n", describe(err));
                 std::abort();
               });
}

/// The node that counts for others, until it is killed.
void serve(int to_parent, int from_parent) {
  tokens::library library;
  test::link_node b{
      "b",
      test::quick_links(),
      {},
      [&](const RemoteRequest& x, const turn_sink_actor&) -> caf::result<RemoteAnswer> {
        auto encoding = library.find("o200k_base");
        v1::RemoteAnswer out;
        for (const auto& text : x->count_tokens().texts())
          out.mutable_tokens()->add_counts(encoding->count(text, 0).tokens);
        return RemoteAnswer{std::move(out)};
      }};
  auto row = b.row().SerializeAsString();
  if (::write(to_parent, row.data(), row.size()) < 0)
    std::_Exit(1);
  char buffer[1'024];
  auto n = ::read(from_parent, buffer, sizeof buffer);
  v1::Node a;
  a.ParseFromArray(buffer, static_cast<int>(n));
  b.view({a, b.row()});
  for (;;)
    ::pause();
}

} // namespace

int main() {
  int up[2];
  int down[2];
  if (::pipe(up) != 0 || ::pipe(down) != 0)
    return 1;
  auto child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(up[1], down[0]);
  }
  {
    test::link_node a{"a"};
    char buffer[1'024];
    auto n = ::read(up[0], buffer, sizeof buffer);
    v1::Node b;
    b.ParseFromArray(buffer, static_cast<int>(n));
    auto row = a.row().SerializeAsString();
    if (::write(down[1], row.data(), row.size()) < 0)
      return 1;
    a.view({a.row(), b});
    if (!a.linked("b"))
      return 1;
    tokenizer_options options;
    options.host = a.host();
    auto counter = troupe::spawn(a.host(), tokenizer, options);
    caf::scoped_actor self{a.system()};
    for (std::size_t bytes : {1'000, 4'000, 16'000, 64'000, 256'000, 1'000'000}) {
      auto query = query_of(bytes);
      measure("here", bytes, [&] { ask_for<TokensCounted>(self, counter, query); });
      measure("there", bytes, [&] {
        v1::RemoteRequest remote;
        token_counting::put(remote, *query);
        remote.set_limit_ms(10'000);
        ask_for<RemoteAnswer>(self, a.handle("b"), RemoteRequest{std::move(remote)});
      });
    }
    self->send_exit(counter, caf::exit_reason::user_shutdown);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return 0;
}
