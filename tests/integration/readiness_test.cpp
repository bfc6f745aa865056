// Waiting for sockets without a system call: no byte and no end is missed.
#include "gateway/server/readiness.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace troupe::gateway;

namespace {

struct pair_of_sockets {
  pair_of_sockets() {
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    far.connect(acceptor.local_endpoint());
    acceptor.accept(near);
    near.non_blocking(true);
    ready.watch(near);
    // The first wait is the kernel's, and the one after it may end for nothing: not of interest.
    for (const char* text : {"1", "2"}) {
      wait();
      send(text);
      poll();
      read();
    }
    woken = 0;
    woken_for_nothing = 0;
  }

  /// Reads at most `room` bytes; "" if nothing is there, "<end>" at the end.
  std::string read(std::size_t room = 1'024) {
    std::string text(room, '\0');
    error_code e;
    text.resize(ready.read(near.native_handle(), text, e));
    return e == asio::error::eof ? "<end>" : text;
  }
  /// Waits as connections do: who is woken for nothing reads, and waits again.
  void wait() {
    ready.wait(near, [this](error_code e) {
      char byte;
      error_code nothing;
      near.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, nothing);
      if (!e && nothing == asio::error::would_block) {
        ++woken_for_nothing;
        ready.read(near.native_handle(), {&byte, 1}, nothing);
        wait();
        return;
      }
      ++woken;
      last = e;
    });
  }
  void send(const std::string& text) { asio::write(far, asio::buffer(text)); }
  /// All that is to be done without waiting.
  void poll() {
    io.restart();
    io.poll();
  }

  asio::io_context io{1};
  tcp::socket near{io};
  tcp::socket far{io};
  readiness ready;
  int woken = 0;
  int woken_for_nothing = 0;
  error_code last;
};

} // namespace

TEST_CASE_FIXTURE(pair_of_sockets,
                  "a socket that was read empty wakes with the next byte, and not before") {
  send("one");
  wait();
  poll();
  CHECK(woken == 1);
  CHECK(read() == "one");
  for (int i = 0; i < 3; ++i) {
    wait();
    poll();
    poll();
    int before = woken;
    send("more");
    poll();
    CHECK(woken == before + 1);
    CHECK(read() == "more");
  }
  CHECK(woken_for_nothing == 0);
}

TEST_CASE_FIXTURE(pair_of_sockets, "what came while nobody waited wakes who waits then") {
  send("one");
  wait();
  poll();
  CHECK(read() == "one");
  send("two");
  poll(); // the edge passes, and nobody waits
  wait();
  poll();
  CHECK(woken == 2);
  CHECK(read() == "two");
}

TEST_CASE_FIXTURE(pair_of_sockets, "an end that came with the last bytes is not missed") {
  wait();
  poll();
  send("bye");
  far.shutdown(tcp::socket::shutdown_send);
  poll(); // one edge for all of it
  CHECK(read() == "bye");
  wait();
  poll();
  CHECK(woken == 2);
  CHECK(read() == "<end>");
}

TEST_CASE_FIXTURE(pair_of_sockets, "what a small read left wakes at once") {
  wait();
  poll();
  send("four");
  poll(); // one edge for all of it
  CHECK(read(2) == "fo");
  wait();
  poll();
  CHECK(woken == 2);
  CHECK(read(2) == "ur");
  wait();
  poll();
  CHECK(woken == 2);
  CHECK(read(2).empty());
}

TEST_CASE_FIXTURE(pair_of_sockets, "closing ends a wait") {
  send("one");
  wait();
  poll();
  CHECK(read() == "one");
  CHECK(read().empty());
  wait();
  poll();
  int before = woken;
  near.close();
  poll();
  CHECK(woken == before + 1);
  CHECK(last == asio::error::operation_aborted);
}

TEST_CASE_FIXTURE(pair_of_sockets, "who takes the socket over misses nothing of what was left") {
  wait();
  poll();
  send("for you and for them");
  poll(); // one edge for all of it
  CHECK(read(7) == "for you");
  ready.hand_over(near);
  std::array<char, 64> room{};
  std::string theirs;
  near.async_read_some(asio::buffer(room), [&](error_code e, std::size_t n) {
    if (!e)
      theirs.assign(room.data(), n);
  });
  poll();
  CHECK(theirs == " and for them");
}

TEST_CASE("a context that ends destroys who still waits") {
  auto held = std::make_shared<int>(1);
  {
    pair_of_sockets x;
    x.send("one");
    x.wait();
    x.poll();
    CHECK(x.read() == "one");
    CHECK(x.read().empty());
    x.ready.wait(x.near, [held](error_code) {});
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
}
