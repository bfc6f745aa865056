#include "tests/support/append_load.hpp"

#include "tests/support/api_client.hpp"

#include <algorithm>
#include <random>

namespace troupe::test {

using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;

namespace {

constexpr auto probe_limit = 1s; // of one request of a measurement
constexpr auto between_probes = 10ms;

/// Only what says so was not done for certain: any other failure may have come after the message
/// was stored.
append_outcome outcome_of(const api_answer& answer) {
  if (answer.status == 202)
    return append_outcome::acknowledged;
  auto error =
      answer.body.is_object() ? answer.body.value("error", json::object()) : json::object();
  auto says = error.is_object() ? error.value("message", "") : std::string{};
  bool refused = (answer.status >= 400 && answer.status < 500)
                 || (answer.status == 503 && says.find("nothing was done") != std::string::npos);
  return refused ? append_outcome::refused : append_outcome::unknown;
}

} // namespace

append_target target_of(const std::string& name, const troupe_node& node) {
  return {name, node.host(), node.port(), node.token()};
}

append_op append_history::append(const append_target& at, const std::string& conversation,
                                 std::chrono::milliseconds limit) {
  append_op op;
  op.conversation = conversation;
  op.node = at.node;
  op.text = at.node + std::to_string(++count_);
  // A connection each: one whose request was given up is of no use to the next.
  api_client http{at.host, at.port, at.token, limit};
  op.invoked = steady::now();
  auto answer = http.post("/api/v1/conversations/" + conversation + "/messages?wait=false",
                          {{"content", op.text}});
  op.completed = steady::now();
  op.outcome = outcome_of(answer);
  std::lock_guard lock{mutex_};
  ops_.push_back(op);
  return op;
}

std::vector<append_op> append_history::ops() const {
  std::lock_guard lock{mutex_};
  return ops_;
}

std::optional<double> time_to(append_outcome wanted, append_history& history,
                              const append_target& at, const std::string& conversation,
                              append_op::time_point since, std::chrono::milliseconds limit) {
  auto until = steady::now() + limit;
  while (steady::now() < until) {
    auto op = history.append(at, conversation, probe_limit);
    if (op.outcome == wanted)
      return std::chrono::duration<double, std::milli>(op.completed - since).count();
    std::this_thread::sleep_for(between_probes);
  }
  return std::nullopt;
}

std::vector<stored_append> stored_appends(persistence::database_factory& database,
                                          const std::vector<std::string>& conversations) {
  auto db = database.open(persistence::access::write);
  std::vector<stored_append> out;
  for (const auto& id : conversations) {
    std::vector<stored_append> newest_first;
    std::string before;
    for (bool more = true; more;) {
      auto page = db->messages().all(id, before, 500, 1 << 24);
      for (const auto& message : page.messages) {
        if (message.role() == v1::ROLE_USER && message.parts_size() > 0)
          newest_first.push_back({id, message.parts(0).text().text()});
        before = message.id();
      }
      more = page.more;
    }
    out.insert(out.end(), newest_first.rbegin(), newest_first.rend());
  }
  return out;
}

append_load::append_load(append_history& history, std::vector<append_target> targets,
                         std::vector<std::string> conversations, append_load_options options) :
    history_(history), conversations_(std::move(conversations)), options_(options) {
  for (const auto& at : targets)
    for (int i = 0; i < options_.clients_each; ++i)
      threads_.emplace_back(
          [this, at, seed = options_.seed * 1'000 + static_cast<unsigned>(threads_.size())] {
            run(at, seed);
          });
}

append_load::~append_load() { finish(); }

void append_load::finish() {
  finishing_ = true;
  for (auto& thread : threads_)
    if (thread.joinable())
      thread.join();
}

void append_load::run(const append_target& at, unsigned seed) {
  std::mt19937 random{seed};
  std::uniform_int_distribution<std::int64_t> pause{0, options_.pause.count()};
  while (!finishing_) {
    history_.append(at, conversations_[random() % conversations_.size()], options_.limit);
    std::this_thread::sleep_for(std::chrono::milliseconds{pause(random)});
  }
}

} // namespace troupe::test
