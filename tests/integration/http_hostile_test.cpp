// The whole program against clients that mean harm: a corpus of bad requests, each of which must be
// refused at least as strictly as nginx does, and ten thousand connections that do nothing.
#include "tests/support/honest_client.hpp"
#include "tests/support/hostile_http.hpp"
#include "tests/support/idle_crowd.hpp"
#include "tests/support/nginx.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <set>
#include <sstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 10s; // for one answer
constexpr auto honest_p99_max = 250ms;

std::string node_config(int header_limit_ms, int idle_limit_ms) {
  return "gateway:\n  listen: 127.0.0.1:0\n  header_limit_ms: " + std::to_string(header_limit_ms)
         + "\n  idle_limit_ms: " + std::to_string(idle_limit_ms)
         + "\nchannels:\n  onebot:\n    - account: main\n      access_token: "
           "a-long-enough-secret\n";
}

// Resident memory of a process, in kB.
long resident_kb(pid_t pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:"))
      return std::stol(line.substr(6));
  return 0;
}

// What a shell allows, so that the node must ask for more itself. Only lowers.
void allow_few_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_cur, 1'024);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

struct one_node {
  one_node(int header_limit_ms, int idle_limit_ms) :
      node(dir, node_config(header_limit_ms, idle_limit_ms)) {}

  std::uint16_t port() const { return static_cast<std::uint16_t>(node.port()); }
  int status_of(const std::string& path) const {
    return raw_client{port()}.ask("GET " + path + " HTTP/1.1\r\nHost: t\r\n\r\n").status;
  }

  temp_dir dir;
  troupe_node node;
};

void check_honest(honest_client& honest) {
  honest.stop();
  INFO("asked " << honest.asked() << " times, p50 " << honest.percentile(50).count() << " us, p99 "
                << honest.percentile(99).count() << " us");
  MESSAGE("the honest client asked " << honest.asked() << " times: p50 "
                                     << honest.percentile(50).count() << " us, p99 "
                                     << honest.percentile(99).count() << " us");
  CHECK(honest.asked() > 10);
  CHECK(honest.refused() == 0);
  CHECK(honest.percentile(99) < honest_p99_max);
}

void check_case(const hostile_case& c, std::uint16_t ours, std::uint16_t theirs) {
  auto other = std::async(std::launch::async, [&] { return send_hostile(c, theirs, patience); });
  auto own = send_hostile(c, ours, patience);
  auto reference = other.get();
  INFO("troupe: " << describe(own) << "; nginx: " << describe(reference));
  CHECK_MESSAGE(own.statuses == c.statuses, c.name);
  CHECK_MESSAGE(own.closed, c.name);
  CHECK_MESSAGE(own.accepted() <= reference.accepted(), c.name);
}

} // namespace

TEST_CASE("bad HTTP is refused as nginx does or more strictly, while others are served") {
  one_node troupe{2'000, 60'000};
  nginx reference;
  auto cases = hostile_cases();
  std::set<std::string> names;
  for (const auto& c : cases)
    CHECK_MESSAGE(names.insert(c.name).second, c.name);
  CHECK(troupe.status_of("/openapi.json") == 200);
  auto before_kb = resident_kb(troupe.node.child().pid());
  {
    honest_client honest{troupe.port()};
    for (const auto& c : cases)
      check_case(c, troupe.port(), reference.port());
    check_honest(honest);
  }
  MESSAGE(cases.size() << " cases");
  CHECK(cases.size() >= 60);
  CHECK(troupe.status_of("/healthz") == 200);
  CHECK(troupe.status_of("/readyz") == 200);
  auto grown_kb = resident_kb(troupe.node.child().pid()) - before_kb;
  MESSAGE("resident memory grew by " << grown_kb << " kB");
#ifndef TROUPE_SANITIZED // it keeps what was freed, to find its uses
  CHECK(grown_kb < 64 * 1'024);
#endif
  CHECK(troupe.node.log().find("connection_failed") == std::string::npos);
}

TEST_CASE("ten thousand idle HTTP connections are cut at their deadline, and others are served") {
  allow_few_files();
  constexpr auto header_limit = 15s;
  constexpr auto idle_limit = 12s;
  one_node troupe{static_cast<int>(header_limit / 1ms), static_cast<int>(idle_limit / 1ms)};
  auto before_kb = resident_kb(troupe.node.child().pid());
  honest_client honest{troupe.port()};
  // Half of them never say a word; half have asked once.
  idle_crowd silent{troupe.port(), 5'000};
  idle_crowd asked{troupe.port(), 5'000};
  auto begin = std::chrono::steady_clock::now();
  REQUIRE(silent.open() == 5'000);
  CHECK(asked.ask("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n", patience) == 5'000);
  auto opened = std::chrono::steady_clock::now() - begin;
  CHECK(silent.open() + asked.open() == 10'000);
  auto grown_kb = resident_kb(troupe.node.child().pid()) - before_kb;
  MESSAGE("10,000 connections: " << grown_kb << " kB, opened and asked in " << opened / 1ms
                                 << " ms");
  CHECK(grown_kb < 200 * 1'024);
  auto until = std::chrono::steady_clock::now() + header_limit + 5s;
  while (silent.open() + asked.open() > 0 && std::chrono::steady_clock::now() < until) {
    silent.watch(10ms);
    asked.watch(10ms);
  }
  CHECK(silent.open() + asked.open() == 0);
  CHECK(silent.first_close() >= header_limit - 100ms);
  CHECK(asked.first_close() >= idle_limit - 100ms);
  check_honest(honest);
  CHECK(troupe.status_of("/healthz") == 200);
}
