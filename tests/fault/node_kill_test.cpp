// kill -9 of a whole node under load, again and again: nothing that was acknowledged is lost, and
// nothing is there, or said, twice.
#include "persistence/soci/sqlite.hpp"
#include "tests/support/chat_load.hpp"
#include "tests/support/mock_process.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

namespace fs = std::filesystem;

int kills_wanted() {
  const char* asked = std::getenv("TROUPE_CAMPAIGN_RUNS");
  return asked != nullptr ? std::max(1, std::atoi(asked)) : 20;
}

unsigned seed_wanted() {
  const char* asked = std::getenv("TROUPE_SEED");
  return asked != nullptr ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10))
                          : std::random_device{}();
}

std::string read_file(const std::string& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// `troupe db check` of the database in `folder`; what it said, if it found something.
std::string db_check(const test::temp_dir& dir, const std::string& folder) {
  auto log = dir.path() + "/check.log";
  fs::remove(log);
  test::process command{{test::troupe_binary(), "db", "check", "--config",
                         dir.path() + "/troupe.yaml", "--set", "node.data_dir=" + folder},
                        {},
                        log};
  auto status = command.wait(60s);
  return status == 0 ? std::string{}
                     : "exit " + std::to_string(status.value_or(-1)) + ": " + read_file(log);
}

/// What a dead node left, before another process touches it.
std::string copy_of_data(const test::temp_dir& dir) {
  auto copy = dir.path() + "/copy";
  fs::remove_all(copy);
  fs::create_directory(copy);
  for (const char* name : {"troupe.db", "troupe.db-wal"})
    if (fs::exists(dir.path() + "/data/" + name))
      fs::copy_file(dir.path() + "/data/" + name, copy + "/" + name);
  return copy;
}

/// All messages of a conversation: how often each text of a user is there, and the replies of each
/// turn.
struct conversation_count {
  std::map<std::string, int> said;
  std::map<std::string, int> replies;
};

conversation_count count_messages(persistence::database& db, const std::string& id) {
  conversation_count out;
  std::string before;
  for (bool more = true; more;) {
    auto page = db.messages().all(id, before, 500, 1 << 24);
    for (const auto& message : page.messages) {
      if (message.role() == v1::ROLE_USER)
        ++out.said[message.parts_size() > 0 ? message.parts(0).text().text() : ""];
      else
        ++out.replies[message.turn_id()];
      before = message.id();
    }
    more = page.more;
  }
  return out;
}

/// The ledger's lines: by turn, and by request.
struct ledger_count {
  std::map<std::string, int> of_turns;
  std::map<std::string, int> of_requests;
};

ledger_count count_ledger(persistence::database& db) {
  ledger_count out;
  std::optional<persistence::page_position> after;
  for (bool more = true; more;) {
    auto page = db.ledger().list({}, after, 1'000);
    for (const auto& record : page) {
      ++out.of_requests[record.request_id()];
      if (!record.turn_id().empty())
        ++out.of_turns[record.turn_id()];
    }
    more = page.size() == 1'000;
    if (more)
      after = persistence::page_position{page.back().started_us(), page.back().request_id()};
  }
  return out;
}

void check_turn(persistence::database& db, const test::acknowledged_message& m,
                const conversation_count& counted, ledger_count& ledger, bool at_the_end,
                test::load_log& log) {
  auto turn = db.turns().find(m.turn_id);
  auto message = db.messages().find(m.message_id);
  if (!turn || !message || message->conversation_id() != m.conversation_id
      || message->parts_size() != 1 || message->parts(0).text().text() != m.text
      || turn->message_id() != m.message_id) {
    log.lost(m.text + " (turn " + m.turn_id + ") was acknowledged and is not in the database");
    return;
  }
  auto found = counted.replies.find(m.turn_id);
  auto replies = found == counted.replies.end() ? 0 : found->second;
  auto lines = ledger.of_turns.contains(m.turn_id) ? ledger.of_turns[m.turn_id] : 0;
  if (turn->status() == v1::TURN_STATUS_FINISHED) {
    if (replies == 0)
      log.lost("turn " + m.turn_id + " finished and its reply is not there");
    if (lines == 0)
      log.lost("turn " + m.turn_id + " finished and has no line in the ledger");
  } else if (at_the_end && turn->status() != v1::TURN_STATUS_FAILED) {
    log.lost("turn " + m.turn_id + " never ended");
  }
  if (replies > 1)
    log.doubled("turn " + m.turn_id + " has " + std::to_string(replies) + " replies");
  if (lines > 1)
    log.doubled("turn " + m.turn_id + " has " + std::to_string(lines) + " lines in the ledger");
}

/// Every message acknowledged by now against the database.
void check_messages(const std::string& folder, const std::vector<std::string>& conversations,
                    const std::vector<test::acknowledged_message>& acknowledged, bool at_the_end,
                    test::load_log& log) {
  auto db = persistence::open_sqlite(folder + "/troupe.db", persistence::access::write);
  std::map<std::string, conversation_count> counted;
  for (const auto& id : conversations) {
    counted[id] = count_messages(*db, id);
    for (const auto& [text, times] : counted[id].said)
      if (times > 1)
        log.doubled(text + " is there " + std::to_string(times) + " times");
  }
  auto ledger = count_ledger(*db);
  for (const auto& [request, times] : ledger.of_requests)
    if (times > 1)
      log.doubled("request " + request + " has " + std::to_string(times) + " lines");
  for (const auto& m : acknowledged)
    check_turn(*db, m, counted[m.conversation_id], ledger, at_the_end, log);
}

void check_completions(const std::string& folder, test::load_log& log) {
  auto db = persistence::open_sqlite(folder + "/troupe.db", persistence::access::write);
  auto ledger = count_ledger(*db);
  for (const auto& request_id : log.completions())
    if (!ledger.of_requests.contains(request_id))
      log.lost("request " + request_id + " has no line in the ledger");
}

struct campaign {
  explicit campaign(unsigned seed) : random(seed) {
    config = mock.yaml() + "log: {access: false}\nsession: {queue_max: 32}\n";
    start();
    ready_ms.clear(); // of restarts alone
  }

  void start() {
    auto began = steady::now();
    node.emplace(dir, config, 60s);
    ready_ms.push_back(std::chrono::duration<double, std::milli>(steady::now() - began).count());
    place.set(*node);
  }

  /// Dies at a random moment, comes back on the same folder; what it left is looked at meanwhile.
  void kill_once(const std::vector<std::string>& conversations) {
    // Now and then while it is still taking up what it left the last time.
    std::this_thread::sleep_for(
        std::chrono::microseconds{random() % (random() % 4 == 0 ? 50'000 : 900'000)});
    auto acknowledged = log.messages();
    node->child().kill();
    ++kills;
    place.clear();
    auto copy = copy_of_data(dir);
    start();
    if (auto findings = db_check(dir, copy); !findings.empty()) {
      ++db_check_failures;
      log.odd("troupe db check after kill " + std::to_string(kills) + ": " + findings);
    }
    check_messages(copy, conversations, acknowledged, false, log);
  }

  double ready_p99_ms() const {
    auto sorted = ready_ms;
    std::sort(sorted.begin(), sorted.end());
    auto rank = std::ceil(0.99 * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  }

  test::temp_dir dir;
  test::mock_process mock{dir, {"--latency-ms", "10", "--tokens", "40", "--tokens-per-s", "400"}};
  std::string config;
  std::mt19937 random;
  test::node_place place;
  test::load_log log;
  std::optional<test::troupe_node> node;
  std::vector<double> ready_ms;
  std::size_t kills = 0;
  int db_check_failures = 0;
};

void tell(const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size() && i < 20; ++i)
    MESSAGE(lines[i]);
}

void print_figures(const campaign& c) {
  std::printf("figure kills %zu count\n", c.kills);
  std::printf("figure acknowledged_messages %zu count\n", c.log.messages().size());
  std::printf("figure acknowledged_lost %zu count\n", c.log.lost().size());
  std::printf("figure doubled %zu count\n", c.log.doubled().size());
  std::printf("figure db_check_failures %d count\n", c.db_check_failures);
  std::printf("figure turns_given_up %zu count\n", c.log.failed_turns());
  std::printf("figure restart_to_ready_p99_ms %.0f ms\n", c.ready_p99_ms());
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a node killed under load keeps what it acknowledged, exactly once") {
  auto seed = seed_wanted();
  MESSAGE("kills " << kills_wanted() << ", TROUPE_SEED=" << seed);
  campaign c{seed};
  test::chat_load_options options;
  options.seed = seed;
  options.model = "mock";
  {
    test::chat_load load{c.place, c.log, options};
    for (int i = 0; i < kills_wanted(); ++i)
      c.kill_once(load.conversations());
    load.finish();
    // An orderly end writes what the ledger holds.
    c.node->child().signal(SIGTERM);
    CHECK(c.node->child().wait(30s) == 0);
    auto data = c.dir.path() + "/data";
    CHECK(db_check(c.dir, data) == "");
    check_messages(data, load.conversations(), c.log.messages(), true, c.log);
    check_completions(data, c.log);
  }
  tell(c.log.lost());
  tell(c.log.doubled());
  tell(c.log.odd());
  CHECK(c.log.lost().empty());
  CHECK(c.log.doubled().empty());
  CHECK(c.log.odd().empty());
  CHECK(c.db_check_failures == 0);
  CHECK(c.log.messages().size() > c.kills);
  CHECK(!c.log.completions().empty());
  MESSAGE(c.log.messages().size() << " messages acknowledged, " << c.log.completions().size()
                                  << " completions, " << c.log.failed_turns()
                                  << " turns given up, ready after " << c.ready_p99_ms()
                                  << " ms (p99)");
  print_figures(c);
}
