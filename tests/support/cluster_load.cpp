#include "tests/support/cluster_load.hpp"

#include <doctest/doctest.h>

#include <thread>

namespace troupe::test {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

// These conversations never end: a history of the length that people's have keeps a turn's cost
// what it is for them, and the machine for what happens between the nodes.
const std::string config =
    "log: {access: false}\nsession: {queue_max: 32, history_messages_max: 40}\n";

} // namespace

cluster_load::cluster_load(unsigned seed, const std::string& backend, int nodes_count,
                           const std::string& cluster) :
    nodes(nodes_count, mock.yaml() + config, backend, cluster) {
  options_.seed = seed;
  options_.model = "mock";
  options_.conversations = 8;
  options_.completions_per_s = 10; // they cost what turns need: 60 a second of three nodes will do
  for (int i = 0; i < nodes_count; ++i) {
    places_.push_back(std::make_unique<node_place>());
    lead(i, i);
  }
}

void cluster_load::begin() {
  began_ = steady::now();
  for (auto& place : places_) {
    options_.seed += 17;
    loads_.push_back(std::make_unique<chat_load>(*place, log, options_));
    const auto& more = loads_.back()->conversations();
    conversations_.insert(conversations_.end(), more.begin(), more.end());
  }
}

void cluster_load::check() {
  auto acknowledged = log.messages();
  check_kept(*nodes.place().connect(), std::span{acknowledged}.subspan(checked_), log);
  checked_ = acknowledged.size();
}

double cluster_load::unanswered_ms(int asked, const std::string& conversation,
                                   const std::string& text, steady::time_point since) {
  api_client http{nodes[asked].host(), nodes[asked].port(), nodes[asked].token()};
  api_answer answer;
  bool answered = wait_until(30s, [&] {
    answer = http.post("/api/v1/conversations/" + conversation + "/messages?wait=false",
                       {{"content", text}}, {{"Idempotency-Key", text}});
    return answer.status == 202;
  });
  if (!answered) {
    log.odd(text + " had no answer but " + std::to_string(answer.status) + " "
            + answer.body.dump());
    return 1e9;
  }
  return std::chrono::duration<double, std::milli>(steady::now() - since).count();
}

std::vector<double> cluster_load::unanswered_ms(int asked, steady::time_point since) {
  ++probes_;
  std::vector<double> out(conversations_.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < out.size(); ++i)
    threads.emplace_back([&, i] {
      auto text = "probe-" + std::to_string(probes_) + "-" + conversations_[i];
      out[i] = unanswered_ms(asked, conversations_[i], text, since);
    });
  for (auto& thread : threads)
    thread.join();
  return out;
}

void cluster_load::finish() {
  for (auto& load : loads_)
    load->finish();
  ended_ = steady::now();
  for (int i = 0; i < nodes.count(); ++i)
    if (nodes.up(i))
      CHECK(nodes.stop(i) == 0);
  check_messages(*nodes.place().connect(), conversations_, log.messages(), true, log);
  tell(log.lost());
  tell(log.doubled());
  tell(log.odd());
  CHECK(log.lost().empty());
  CHECK(log.doubled().empty());
  CHECK(log.odd().empty());
}

double cluster_load::messages_per_s() const {
  auto took = std::chrono::duration<double>(ended_ - began_).count();
  return static_cast<double>(log.messages().size()) / took;
}

} // namespace troupe::test
