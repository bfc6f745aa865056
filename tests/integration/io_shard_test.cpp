// The I/O shard: actors asked from coroutines, and messages that come back to its thread.
#include "gateway/server/shard.hpp"
#include "messages/system.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <future>
#include <thread>

using namespace troupe;
using namespace troupe::gateway;
using namespace std::chrono_literals;

namespace {

struct counter_state {
  static inline const char* name = "counter";
  std::thread::id ran_on;
  caf::typed_response_promise<TokensCounted> held;
};

TokensCounted counted(std::int64_t total) {
  v1::TokensCounted answer;
  answer.set_total(total);
  return answer;
}

CountTokens question(std::string vocabulary) {
  v1::CountTokens query;
  query.set_vocabulary(std::move(vocabulary));
  return query;
}

std::int64_t thread_number() {
  return static_cast<std::int64_t>(std::hash<std::thread::id>{}(std::this_thread::get_id()) >> 1);
}

// "where": the thread it runs on. "hold": answers when asked for "release". "never": keeps silent.
tokenizer_actor::behavior_type counter(self_pointer<tokenizer_actor, counter_state> self) {
  return {[self](const CountTokens& query) -> caf::result<TokensCounted> {
    const auto& what = query->vocabulary();
    if (what == "where")
      return counted(thread_number());
    if (what == "fail")
      return make_error(ec::not_found, "no such thing");
    if (what == "hold" || what == "never") {
      self->state.held = self->make_response_promise<TokensCounted>();
      return self->state.held;
    }
    if (what == "release")
      self->state.held.deliver(counted(7));
    if (what == "quit")
      self->quit();
    return counted(1);
  }};
}

struct shard_fixture {
  system_config config{2};
  probes all_probes; // outlives the last actor
  caf::actor_system system{config};
  actor_host host{&system, &all_probes};
  shard io{host, 0};

  shard_fixture() { io.start(); }
  ~shard_fixture() { io.stop(); }

  template <class T>
  std::future<T> begin(asio::awaitable<T> body) {
    auto done = std::make_shared<std::promise<T>>();
    auto result = done->get_future();
    auto all = [](asio::awaitable<T> inner,
                  std::shared_ptr<std::promise<T>> to) -> asio::awaitable<void> {
      to->set_value(co_await std::move(inner));
    };
    asio::co_spawn(io.context(), all(std::move(body), done), asio::detached);
    return result;
  }
  template <class T>
  T run(asio::awaitable<T> body) {
    auto done = begin(std::move(body));
    REQUIRE(done.wait_for(10s) == std::future_status::ready);
    return done.get();
  }
  asio::awaitable<caf::expected<TokensCounted>> put(tokenizer_actor actor, std::string what,
                                                    std::chrono::milliseconds limit = 5s) {
    co_return co_await ask<TokensCounted>(io, actor, limit, question(std::move(what)));
  }
  asio::awaitable<bool> asks_for(tokenizer_actor actor, int number) {
    auto answer = co_await put(actor, std::to_string(number));
    co_return answer && (*answer)->total() == number;
  }
};

} // namespace

TEST_CASE_FIXTURE(shard_fixture, "an actor asked from a coroutine runs on the shard's thread") {
  // Lazy: an eager actor begins its life on the pool.
  auto actor = troupe::spawn<caf::lazy_init>(host, counter);
  auto ran_on = run(put(actor, "where"));
  REQUIRE(ran_on);
  auto here = run([&]() -> asio::awaitable<std::int64_t> {
    CHECK(io.on_thread());
    co_return thread_number();
  }());
  CHECK((*ran_on)->total() == here);
  CHECK(!io.on_thread());
  CHECK(io.asks_waiting() == 0);
}

TEST_CASE_FIXTURE(shard_fixture, "an actor's error comes back as it is") {
  auto answer = run(put(troupe::spawn(host, counter), "fail"));
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::not_found);
  CHECK(describe(answer.error()) == "no such thing");
}

TEST_CASE_FIXTURE(shard_fixture, "an answer of another type is an error, not a crash") {
  auto actor = troupe::spawn(host, counter);
  auto answer = run([&]() -> asio::awaitable<caf::expected<Conversation>> {
    co_return co_await ask<Conversation>(io, actor, 5s, question("x"));
  }());
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::internal);
}

TEST_CASE_FIXTURE(shard_fixture, "an actor that keeps silent gives a timeout in time") {
  auto start = std::chrono::steady_clock::now();
  auto actor = troupe::spawn(host, counter);
  auto answer = run(put(actor, "never", 60ms));
  auto took = std::chrono::steady_clock::now() - start;
  REQUIRE(!answer);
  CHECK(answer.error() == caf::sec::request_timeout);
  CHECK(took >= 60ms);
  CHECK(took < 2s);
  caf::anon_send_exit(actor, caf::exit_reason::kill); // its promise holds itself
}

TEST_CASE_FIXTURE(shard_fixture, "a late answer is dropped and does not answer the next request") {
  auto actor = troupe::spawn(host, counter);
  auto first = run(put(actor, "hold", 30ms));
  REQUIRE(!first);
  CHECK(first.error() == caf::sec::request_timeout);
  auto second = run([&]() -> asio::awaitable<caf::expected<TokensCounted>> {
    (void)co_await put(actor, "release");
    co_return co_await put(actor, "x");
  }());
  REQUIRE(second);
  CHECK((*second)->total() == 1);
  CHECK(io.asks_waiting() == 0);
}

TEST_CASE_FIXTURE(shard_fixture, "asking an actor that ended, or nobody, is an error at once") {
  auto actor = troupe::spawn(host, counter);
  (void)run(put(actor, "quit"));
  auto start = std::chrono::steady_clock::now();
  auto answer = run(put(actor, "x"));
  REQUIRE(!answer);
  CHECK(answer.error() == caf::sec::request_receiver_down);
  auto nobody = run(io.request(nullptr, caf::make_message(1), 5s));
  REQUIRE(!nobody);
  CHECK(nobody.error() == caf::sec::request_receiver_down);
  CHECK(std::chrono::steady_clock::now() - start < 2s);
}

TEST_CASE_FIXTURE(shard_fixture, "answers of pool threads resume their coroutines on the shard") {
  auto actor = caf::actor_cast<tokenizer_actor>(system.spawn<caf::detached>([]() -> caf::behavior {
    return {[](const CountTokens&) { return counted(thread_number()); }};
  }));
  auto good = run([&]() -> asio::awaitable<int> {
    int right = 0;
    for (int i = 0; i < 1000; ++i) {
      auto answer = co_await ask<TokensCounted>(io, actor, 5s, question("where"));
      right += answer && (*answer)->total() != thread_number() && io.on_thread();
    }
    co_return right;
  }());
  CHECK(good == 1000);
}

TEST_CASE_FIXTURE(shard_fixture, "many coroutines ask at once and each gets its own answer") {
  auto actor = caf::actor_cast<tokenizer_actor>(system.spawn([]() -> caf::behavior {
    return {[](const CountTokens& q) { return counted(std::stoll(q->vocabulary())); }};
  }));
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 2000; ++i)
    all.push_back(begin(asks_for(actor, i)));
  int right = 0;
  for (auto& one : all) {
    REQUIRE(one.wait_for(10s) == std::future_status::ready);
    right += one.get();
  }
  CHECK(right == 2000);
}

TEST_CASE_FIXTURE(shard_fixture, "a mailbox gets messages of all threads in order, until closed") {
  std::promise<void> all_there;
  std::vector<int> seen;
  bool elsewhere = false;
  auto box = run([&]() -> asio::awaitable<std::shared_ptr<io_shard::mailbox>> {
    co_return io.open_mailbox([&](caf::message& m) {
      elsewhere = elsewhere || !io.on_thread();
      seen.push_back(m.get_as<int>(0));
      if (seen.size() == 3000)
        all_there.set_value();
    });
  }());
  auto address = caf::actor_cast<caf::actor>(box->address());
  for (int i = 0; i < 3000; ++i)
    caf::anon_send(address, i);
  REQUIRE(all_there.get_future().wait_for(10s) == std::future_status::ready);
  CHECK(!elsewhere);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  caf::scoped_actor self{system};
  self->monitor(address);
  run([&]() -> asio::awaitable<int> {
    box->close();
    co_return 0;
  }());
  bool down = false;
  self->receive([&](const caf::down_msg&) { down = true; });
  CHECK(down);
  caf::anon_send(address, 1);
  run([&]() -> asio::awaitable<int> { co_return 0; }());
  CHECK(seen.size() == 3000);
}

TEST_CASE_FIXTURE(shard_fixture, "a mailbox nobody empties says so and closes") {
  std::promise<void> blocked;
  std::promise<void> go;
  std::promise<caf::message> last;
  int count = 0;
  auto box = run([&]() -> asio::awaitable<std::shared_ptr<io_shard::mailbox>> {
    co_return io.open_mailbox([&](caf::message& m) {
      ++count;
      if (m.match_elements<caf::error>())
        last.set_value(m);
    });
  }());
  io.context().get_executor().execute([&] {
    blocked.set_value();
    go.get_future().wait();
  });
  blocked.get_future().wait();
  for (int i = 0; i < 6000; ++i)
    caf::anon_send(caf::actor_cast<caf::actor>(box->address()), i);
  go.set_value();
  auto end = last.get_future();
  REQUIRE(end.wait_for(10s) == std::future_status::ready);
  CHECK(info(end.get().get_as<caf::error>(0)).code == ec::overloaded);
  CHECK(count == 4097);
}

TEST_CASE_FIXTURE(shard_fixture, "actors that never rest do not starve the shard's sockets") {
  auto busy = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int x) { self->send(self, x); }};
  });
  for (int i = 0; i < 4; ++i)
    run([&]() -> asio::awaitable<int> {
      tell(io, busy, 1);
      co_return 0;
    }());
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i)
    run([&]() -> asio::awaitable<int> { co_return 0; }());
  CHECK(std::chrono::steady_clock::now() - start < 2s);
  caf::anon_send_exit(busy, caf::exit_reason::kill);
}

TEST_CASE_FIXTURE(shard_fixture,
                  "stopping answers those who wait, and later messages are refused") {
  auto actor = troupe::spawn(host, counter);
  auto waits = begin(put(actor, "never", 60s));
  run([&]() -> asio::awaitable<int> { co_return 0; }());
  caf::actor address;
  std::shared_ptr<io_shard::mailbox> box;
  run([&]() -> asio::awaitable<int> {
    box = io.open_mailbox([](caf::message&) {});
    address = caf::actor_cast<caf::actor>(box->address());
    co_return 0;
  }());
  io.stop();
  REQUIRE(waits.wait_for(5s) == std::future_status::ready);
  auto answer = waits.get();
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::cancelled);
  caf::anon_send_exit(actor, caf::exit_reason::kill);
  caf::scoped_actor self{system};
  bool refused = false;
  self->request(address, 5s, 1)
      .receive([](int) {}, [&](const caf::error& e) { refused = info(e).code == ec::draining; });
  CHECK(refused);
}
