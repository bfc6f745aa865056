#include "tests/support/audit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

namespace troupe::test {

using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
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

/// The turn of an acknowledged message, if both are there as they should be.
std::optional<v1::Turn> find_kept(persistence::database& db, const acknowledged_message& m,
                                  load_log& log) {
  auto turn = db.turns().find(m.turn_id);
  auto message = db.messages().find(m.message_id);
  if (turn && message && message->conversation_id() == m.conversation_id
      && message->parts_size() == 1 && message->parts(0).text().text() == m.text
      && turn->message_id() == m.message_id)
    return turn;
  log.lost(m.text + " (turn " + m.turn_id + ") was acknowledged and is not in the database");
  return std::nullopt;
}

void check_turn(persistence::database& db, const acknowledged_message& m,
                const conversation_count& counted, ledger_count& ledger, bool at_the_end,
                load_log& log) {
  auto turn = find_kept(db, m, log);
  if (!turn)
    return;
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

} // namespace

int runs_wanted(int sample) {
  const char* asked = std::getenv("TROUPE_CAMPAIGN_RUNS");
  return asked != nullptr ? std::max(1, std::atoi(asked)) : sample;
}

unsigned seed_wanted() {
  const char* asked = std::getenv("TROUPE_SEED");
  return asked != nullptr ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10))
                          : std::random_device{}();
}

std::string db_check(const temp_dir& dir, const std::string& folder) {
  auto log = dir.path() + "/check.log";
  fs::remove(log);
  process command{{troupe_binary(), "db", "check", "--config", dir.path() + "/troupe.yaml", "--set",
                   "node.data_dir=" + folder},
                  {},
                  log};
  auto status = command.wait(60s);
  return status == 0 ? std::string{}
                     : "exit " + std::to_string(status.value_or(-1)) + ": " + read_file(log);
}

void check_messages(persistence::database_factory& database,
                    const std::vector<std::string>& conversations,
                    const std::vector<acknowledged_message>& acknowledged, bool at_the_end,
                    load_log& log) {
  auto db = database.open(persistence::access::write);
  persistence::unit_of_work snapshot{*db, persistence::access::read}; // nodes may go on writing
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

void check_kept(persistence::database_factory& database,
                std::span<const acknowledged_message> acknowledged, load_log& log) {
  auto db = database.open(persistence::access::write);
  persistence::unit_of_work snapshot{*db, persistence::access::read};
  for (const auto& m : acknowledged)
    find_kept(*db, m, log);
}

void check_completions(persistence::database_factory& database, load_log& log) {
  auto db = database.open(persistence::access::write);
  auto ledger = count_ledger(*db);
  for (const auto& request_id : log.completions())
    if (!ledger.of_requests.contains(request_id))
      log.lost("request " + request_id + " has no line in the ledger");
}

void tell(const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size() && i < 20; ++i)
    MESSAGE(lines[i]);
}

} // namespace troupe::test
