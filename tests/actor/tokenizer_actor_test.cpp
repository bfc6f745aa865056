// The tokenizer as others see it: by messages.
#include "actors/tokenizer/tokenizer.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace troupe;

namespace {

struct tokenizer_fixture : test::actor_fixture {
  tokenizer_fixture() {
    options.host = host;
    options.clock = clock;
    actor = troupe::spawn(host, tokenizer, options);
  }

  static v1::CountTokens query(const std::string& vocabulary, std::vector<std::string> texts) {
    v1::CountTokens result;
    result.set_vocabulary(vocabulary);
    for (auto& text : texts)
      result.add_texts(std::move(text));
    return result;
  }

  auto count(const v1::CountTokens& query) { return ask<TokensCounted>(actor, CountTokens{query}); }

  tokenizer_options options;
  tokenizer_actor actor;
};

/// Stands for a request's I/O thread: runs what is enqueued with it.
struct fake_io_thread : caf::execution_unit {
  explicit fake_io_thread(caf::actor_system& system) : caf::execution_unit(&system) {}

  void exec_later(caf::resumable* job) override { jobs.push_back(job); }

  int run() {
    int ran = 0;
    for (; !jobs.empty(); ++ran) {
      auto* job = jobs.back();
      jobs.pop_back();
      auto outcome = job->resume(this, 100);
      if (outcome == caf::resumable::resume_later)
        jobs.push_back(job);
      else if (outcome != caf::resumable::shutdown_execution_unit)
        caf::intrusive_ptr_release(job);
    }
    return ran;
  }

  std::vector<caf::resumable*> jobs;
};

std::string words(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += " word";
  return text;
}

} // namespace

TEST_CASE_FIXTURE(tokenizer_fixture, "the tokenizer counts each text and their sum") {
  auto answer = count(query("o200k_base", {"hello world", "", words(5)}));
  REQUIRE(answer);
  REQUIRE((*answer)->counts_size() == 3);
  CHECK((*answer)->counts(0) == 2);
  CHECK((*answer)->counts(1) == 0);
  CHECK((*answer)->counts(2) == 5);
  CHECK((*answer)->total() == 7);
  CHECK((*answer)->vocabulary() == "o200k_base");
  CHECK(!(*answer)->estimated());
  CHECK(options.probe->texts == 3);
  CHECK(options.probe->tokens == 7);
  CHECK(options.probe->handed_on == 0);
}

TEST_CASE_FIXTURE(tokenizer_fixture,
                  "a model is counted with its vocabulary, an unknown one by estimate") {
  auto known = query("", {"hello"});
  known.set_model("gpt-4-0613");
  auto answer = count(known);
  REQUIRE(answer);
  CHECK((*answer)->vocabulary() == "cl100k_base");
  CHECK(!(*answer)->estimated());
  auto unknown = query("", {"hello"});
  unknown.set_model("somebody-s-model");
  answer = count(unknown);
  REQUIRE(answer);
  CHECK((*answer)->vocabulary() == "o200k_base");
  CHECK((*answer)->estimated());
  CHECK(options.probe->estimated == 1);
}

TEST_CASE_FIXTURE(tokenizer_fixture,
                  "texts above the inline bound are counted by workers on the pool") {
  auto answer = count(query("cl100k_base", {words(5'000)}));
  REQUIRE(answer);
  CHECK((*answer)->total() == 5'000);
  CHECK(options.probe->handed_on == 1);
  CHECK(all_probes.of_type("tokenizer_worker").handled == 1);
  CHECK(all_probes.of_type("tokenizer_worker").live == 2);
}

TEST_CASE_FIXTURE(tokenizer_fixture,
                  "a long text leaves the I/O thread that asked, a short one stays") {
  run();
  fake_io_thread io{*system};
  auto send = [&](std::size_t count) {
    caf::actor_cast<caf::abstract_actor*>(actor)->enqueue(
        caf::make_mailbox_element(nullptr, caf::make_message_id(), {},
                                  CountTokens{query("o200k_base", {words(count)})}),
        &io);
    return io.run();
  };
  CHECK(send(10) == 1);
  CHECK(options.probe->texts == 1);
  CHECK(send(5'000) == 1);
  CHECK(options.probe->texts == 1);
  run();
  CHECK(options.probe->texts == 2);
}

TEST_CASE_FIXTURE(tokenizer_fixture,
                  "a limit holds for all texts together and stops the counting") {
  auto limited = query("o200k_base", {words(5), words(5), words(5)});
  limited.set_limit(10);
  auto answer = count(limited);
  REQUIRE(answer);
  CHECK((*answer)->limit_reached());
  CHECK((*answer)->total() > 10);
  CHECK((*answer)->total() < 15);
  limited.set_limit(15);
  answer = count(limited);
  REQUIRE(answer);
  CHECK(!(*answer)->limit_reached());
  CHECK((*answer)->total() == 15);
}

TEST_CASE_FIXTURE(tokenizer_fixture, "requests that make no sense are refused with what to do") {
  auto unknown = count(query("o100k", {"x"}));
  REQUIRE(!unknown);
  CHECK(info(unknown.error()).code == ec::invalid_argument);
  CHECK(describe(unknown.error()).find("o200k_base") != std::string::npos);
  auto neither = count(query("", {"x"}));
  REQUIRE(!neither);
  CHECK(info(neither.error()).code == ec::invalid_argument);
  auto negative = query("o200k_base", {"x"});
  negative.set_limit(-1);
  CHECK(!count(negative));
  auto huge = count(query("o200k_base", {std::string(33 * 1'024 * 1'024, 'a')}));
  REQUIRE(!huge);
  CHECK(info(huge.error()).code == ec::too_large);
  CHECK(options.probe->refused == 4);
}

TEST_CASE_FIXTURE(tokenizer_fixture, "long texts whose asker gave up are not counted") {
  auto late = query("o200k_base", {words(5'000)});
  late.mutable_context()->set_deadline_us(clock->now_us() - 1);
  auto answer = count(late);
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::deadline_exceeded);
  CHECK(options.probe->texts == 0);
}

TEST_CASE_FIXTURE(tokenizer_fixture, "full workers refuse instead of queueing without end") {
  options.queue_max = 3;
  actor = troupe::spawn(host, tokenizer, options);
  caf::scoped_actor self{*system};
  auto request = CountTokens{query("o200k_base", {words(2'000)})};
  for (int i = 0; i < 10; ++i)
    self->send(actor, request);
  run();
  CHECK(all_probes.of_type("tokenizer_worker").shed == 4);
  CHECK(all_probes.of_type("tokenizer_worker").handled == 6);
  CHECK(all_probes.of_type("tokenizer_worker").depth == 0);
}

TEST_CASE_FIXTURE(
    test::actor_fixture,
    "a vocabulary file that is not there is an error that says where it was looked for") {
  tokenizer_options options;
  options.host = host;
  options.library =
      std::make_shared<tokens::library>(std::vector<std::filesystem::path>{"/nowhere"});
  auto actor = troupe::spawn(host, tokenizer, options);
  v1::CountTokens query;
  query.set_vocabulary("o200k_base");
  query.add_texts("x");
  auto answer = ask<TokensCounted>(actor, CountTokens{query});
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::internal);
  CHECK(describe(answer.error()).find("/nowhere") != std::string::npos);
  CHECK(all_probes.of_type("tokenizer").failed == 0);
}

TEST_CASE_FIXTURE(tokenizer_fixture, "a worker that ends is replaced") {
  caf::scoped_actor self{*system};
  self->send(actor, CountTokens{query("o200k_base", {words(2'000)})});
  run();
  caf::strong_actor_ptr worker;
  self->receive([&](const TokensCounted&) { worker = self->current_sender(); });
  REQUIRE(worker != nullptr);
  self->send_exit(caf::actor_cast<caf::actor>(worker), caf::exit_reason::kill);
  worker = nullptr;
  run();
  CHECK(all_probes.of_type("tokenizer_worker").spawned == 3);
  CHECK(all_probes.of_type("tokenizer_worker").live == 2);
  for (int i = 0; i < 4; ++i)
    CHECK(count(query("o200k_base", {words(2'000)})));
}
