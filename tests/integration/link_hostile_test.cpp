// Strangers at the port of the node links (docs/decisions/0013): what CAF's own port does with them
// is named beside each.
#include "tests/support/link_node.hpp"
#include "tests/support/link_stranger.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

std::int64_t resident_bytes() {
  std::int64_t pages = 0;
  std::ifstream{"/proc/self/statm"} >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

constexpr std::int64_t growth_max = 16 * 1'024 * 1'024;

/// A link that goes on while strangers do what they do.
struct honest_pair {
  link_node a{"a"};
  link_node b{"b"};
  peer_actor to_b;
  honest_pair() {
    REQUIRE(join(a, b));
    to_b = a.handle("b");
    CHECK(works());
  }
  bool works() { return static_cast<bool>(a.ask(to_b, get_request("one"), 2s)); }
  /// Nothing of a stranger was handled, and nobody but the two was linked.
  void untouched() {
    CHECK(works());
    CHECK(a.handle("b") == to_b);
    CHECK(b.probe().links_made == 1);
    CHECK(b.probe().links_lost == 0);
    b.news().with([](auto& n) {
      for (auto& request : n.requests)
        CHECK(request->get().conversation_id() == "one");
    });
  }
};

} // namespace

TEST_CASE("a header that announces gigabytes costs nothing (CAF's grew a node to 1.69 GB)") {
  honest_pair pair;
  auto before = resident_bytes();
  std::vector<link_stranger> all;
  for (int i = 0; i < 32; ++i) {
    auto& stranger = all.emplace_back(pair.b.port());
    // As a BASP header is: 32 bytes, with a length of 4 GB where it stands, and as ours.
    std::string header(32, '\0');
    header[i % 2 == 0 ? 0 : 4] = '\x7f';
    header[1] = header[5] = '\xff';
    stranger.send_bytes(header);
    stranger.send_bytes(std::string(65'536, 'x'));
  }
  for (auto& stranger : all)
    CHECK(stranger.closed());
  CHECK(resident_bytes() - before < growth_max);
  CHECK(pair.b.probe().strangers_refused >= 32);
  pair.untouched();
}

TEST_CASE("a thousand sockets that say nothing go by themselves, and disturb no link (CAF keeps "
          "them)") {
  honest_pair pair;
  auto before = resident_bytes();
  std::vector<link_stranger> all;
  for (int i = 0; i < 1'000; ++i)
    all.emplace_back(pair.b.port());
  CHECK(pair.works());
  CHECK(eventually([&] { return pair.b.probe().strangers_refused >= 900; }));
  for (auto& stranger : all)
    CHECK(stranger.closed(10s));
  CHECK(resident_bytes() - before < growth_max);
  pair.untouched();
}

TEST_CASE("a hello that comes byte by byte has the same time as any other") {
  honest_pair pair;
  link_stranger slow{pair.b.port()};
  auto body = frame_of(link_hello("slow").SerializeAsString());
  auto start = std::chrono::steady_clock::now();
  std::size_t sent = 0;
  while (!slow.closed(30ms))
    slow.send_bytes(body.substr(sent++ % body.size(), 1));
  CHECK(std::chrono::steady_clock::now() - start < 2s);
  CHECK(!pair.b.handle("slow"));
  pair.untouched();
}

TEST_CASE("nothing is done for who did not say hello, or says something else first") {
  honest_pair pair;
  v1::LinkFrame request;
  *request.mutable_request() = get_request("stranger's");
  request.mutable_request()->set_id(1);
  link_stranger rude{pair.b.port()};
  rude.send(request);
  CHECK(rude.closed());
  // After its hello, and before it agreed.
  link_stranger hasty{pair.b.port()};
  hasty.send(link_hello("hasty"));
  hasty.send(request);
  CHECK(hasty.closed());
  link_stranger nonsense{pair.b.port()};
  nonsense.send_bytes(frame_of("\xff\xff\xff\xff"));
  CHECK(nonsense.closed());
  link_stranger web{pair.b.port()};
  web.send_bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(web.closed());
  CHECK(pair.b.probe().strangers_refused == 4);
  pair.untouched();
}

TEST_CASE("a node that sends a frame longer than allowed loses its link before it is taken in") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  auto before = resident_bytes();
  b.send_bytes(std::string("\x7f\xff\xff\xff", 4));
  b.send_bytes(std::string(1'000'000, 'x'));
  CHECK(b.closed());
  CHECK(resident_bytes() - before < growth_max);
}

TEST_CASE("a node that sends on without a grant loses its link") {
  auto limits = quick_links();
  limits.credit_bytes = 1'000;
  limits.frame_bytes_max = 10'000;
  limits.silence_limit_ms = 60'000;
  auto silent = [](const RemoteRequest&, const turn_sink_actor&) -> caf::result<RemoteAnswer> {
    static std::vector<caf::typed_response_promise<RemoteAnswer>> kept;
    return caf::typed_response_promise<RemoteAnswer>{};
  };
  link_node a{"a", limits, {}, silent};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  v1::LinkFrame request;
  *request.mutable_request() = get_request(std::string(5'000, 'x'));
  for (int i = 1; i <= 10; ++i) {
    request.mutable_request()->set_id(static_cast<std::uint64_t>(i));
    b.send(request);
  }
  CHECK(b.closed());
  CHECK(eventually([&] { return a.probe().links_lost == 1; }));
}
