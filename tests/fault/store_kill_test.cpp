// kill -9 and full disks: what was acknowledged is there exactly once.
#include "actors/account/ledger.hpp"
#include "persistence/commands.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_system.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

#include <caf/event_based_actor.hpp>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using test::finish_turn;
using test::new_turn;
using test::store_system;

namespace {

constexpr int chains = 8;

/// Appends one line with one write: nothing of it is lost when the process dies.
struct ack_file {
  explicit ack_file(const std::string& path) :
      fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
  void line(const std::string& text) const {
    auto whole = text + "\n";
    if (::write(fd, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size()))
      std::abort();
  }
  int fd;
};

/// One conversation: turns one after the other, each acknowledged step noted.
void run_chain(caf::event_based_actor* self, const store_actor& store, const ack_file& acks,
               int chain, const std::string& run, int number) {
  auto name = run + "-" + std::to_string(chain) + "-" + std::to_string(number);
  auto turn = new_turn("conversation-" + std::to_string(chain), name, "key-" + name);
  auto fail = [](const caf::error& error) {
    std::fprintf(stderr, "refused: %s\n", describe(error).c_str());
    std::abort();
  };
  self->request(store, 60s, AcceptTurn{turn})
      .then(
          [=, &acks](const TurnStored& stored) {
            acks.line("A key-" + name + " " + stored->turn_id());
            auto end = finish_turn(turn, "reply to " + name);
            *end.add_outbox() = test::outbox_row(turn.turn().id(), name);
            *end.mutable_usage() = test::usage_record("turn-" + name, "p", 1);
            self->request(store, 60s, AdvanceTurn{end})
                .then(
                    [=, &acks](const TurnStored&) {
                      acks.line("F " + turn.turn().id() + " " + end.outbox(0).id());
                      run_chain(self, store, acks, chain, run, number + 1);
                    },
                    fail);
          },
          fail);
}

/// The child: turns and ledger records until it is killed.
void work_until_killed(const std::string& folder, const std::string& run) {
  store_system s{folder + "/troupe.db"};
  ack_file acks{folder + "/acks"};
  config::ledger_section limits;
  auto intake = std::make_shared<usage_intake>(limits, std::make_shared<usage_journal>(folder));
  auto counts = intake->counts();
  auto book = troupe::spawn(s.host(), ledger, ledger_options{s.store(), limits, intake});
  { // What the journal had is counted before anything is sent.
    caf::scoped_actor self{s.system()};
    self->request(book, 60s, RecordUsage{}, true)
        .receive([](const Done&) {}, [](const caf::error&) { std::abort(); });
  }
  for (int i = 0; i < chains; ++i)
    s.system().spawn(
        [&, i](caf::event_based_actor* self) { run_chain(self, s.store(), acks, i, run, 0); });
  for (std::uint64_t sent = 0;; ++sent) {
    intake->put(test::usage_record("ledger-" + run + "-" + std::to_string(sent), "p", 1));
    acks.line("L ledger-" + run + "-" + std::to_string(sent));
    std::this_thread::sleep_for(200us); // a pace, not a wait for something
  }
}

struct acknowledged {
  std::map<std::string, std::string> accepted; // dedupe key -> turn
  std::map<std::string, std::string> finished; // turn -> outbox row
  std::set<std::string> ledger;
};

acknowledged read_acks(const std::string& path) {
  acknowledged out;
  std::ifstream in{path};
  for (std::string kind, first, second; in >> kind >> first;) {
    if (kind == "L") {
      out.ledger.insert(first);
      continue;
    }
    in >> second;
    (kind == "A" ? out.accepted : out.finished)[first] = second;
  }
  return out;
}

std::size_t size_of(const std::string& path) {
  std::error_code error;
  auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

/// The records that the journal still has go to the database, as at the next start of a node.
void settle_ledger(const std::string& folder) {
  store_system s{folder + "/troupe.db"};
  config::ledger_section limits;
  auto intake = std::make_shared<usage_intake>(limits, std::make_shared<usage_journal>(folder));
  auto book = troupe::spawn(s.host(), ledger, ledger_options{s.store(), limits, intake});
  caf::scoped_actor self{s.system()};
  self->request(book, 60s, RecordUsage{}, true)
      .receive([](const Done&) {}, [](const caf::error& e) { FAIL(describe(e)); });
  caf::anon_send_exit(book, caf::exit_reason::user_shutdown);
}

void check_all(const std::string& folder, const acknowledged& acks) {
  auto db = persistence::open_sqlite(folder + "/troupe.db", persistence::access::write);
  for (const auto& found : db->verify())
    FAIL_CHECK(found.check << ": " << found.detail);
  std::size_t missing = 0;
  for (const auto& [key, turn_id] : acks.accepted) {
    auto turn = db->turns().find(turn_id);
    auto message = turn ? db->messages().find(turn->message_id()) : std::nullopt;
    auto entry = db->dedupe().find("", key);
    missing += !turn || !message || !entry || entry->turn_id != turn_id;
  }
  for (const auto& [turn_id, outbox_id] : acks.finished) {
    auto turn = db->turns().find(turn_id);
    auto row = db->outbox().find(outbox_id);
    missing += !turn || turn->status() != v1::TURN_STATUS_FINISHED
               || !db->messages().find(turn->reply_id()) || !row || row->turn_id() != turn_id;
  }
  CHECK(missing == 0);
  // Every message once: the count and the bodies of a branch agree (verify has counted the rows).
  persistence::ledger_filter all;
  std::set<std::string> lines;
  std::optional<persistence::page_position> after;
  for (;;) {
    auto page = db->ledger().list(all, after, 1'000);
    for (const auto& record : page)
      CHECK(lines.insert(record.request_id()).second);
    if (page.size() < 1'000)
      break;
    after = persistence::page_position{page.back().started_us(), page.back().request_id()};
  }
  std::size_t lost = 0;
  for (const auto& id : acks.ledger)
    lost += lines.count(id) == 0;
  CHECK(lost == 0);
}

int campaign_runs() {
  const char* asked = std::getenv("TROUPE_CAMPAIGN_RUNS");
  return asked != nullptr ? std::max(1, std::atoi(asked)) : 20;
}

unsigned campaign_seed() {
  const char* asked = std::getenv("TROUPE_SEED");
  return asked != nullptr ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10))
                          : std::random_device{}();
}

} // namespace

TEST_CASE("store child: works until it is killed" * doctest::skip()) {
  const char* folder = std::getenv("TROUPE_CHILD_FOLDER");
  const char* run = std::getenv("TROUPE_CHILD_RUN");
  REQUIRE(folder != nullptr);
  REQUIRE(run != nullptr);
  work_until_killed(folder, run);
}

TEST_CASE("a killed store has every acknowledged write exactly once") {
  auto runs = campaign_runs();
  auto seed = campaign_seed();
  MESSAGE("runs " << runs << ", TROUPE_SEED=" << seed);
  std::mt19937 random{seed};
  test::temp_dir dir;
  auto acks_path = dir.path() + "/acks";
  for (int i = 0; i < runs; ++i) {
    CAPTURE(i);
    auto before = size_of(acks_path);
    {
      test::process child{
          {"/proc/self/exe", "-tc=store child*", "--no-skip"},
          {{"TROUPE_CHILD_FOLDER", dir.path()}, {"TROUPE_CHILD_RUN", std::to_string(i)}},
          dir.path() + "/child.log"};
      auto limit = std::chrono::steady_clock::now() + 60s;
      while (size_of(acks_path) == before && child.running()
             && std::chrono::steady_clock::now() < limit)
        std::this_thread::sleep_for(1ms);
      // The moment of death: anywhere within some commits.
      std::this_thread::sleep_for(std::chrono::microseconds{random() % 150'000});
      REQUIRE_MESSAGE(child.running(), "the child ended by itself: see its log");
      child.kill();
    }
    // Sometimes the next run starts on what is left, sometimes all is looked at first.
    if (random() % 4 == 0 || i + 1 == runs) {
      settle_ledger(dir.path());
      check_all(dir.path(), read_acks(acks_path));
    }
  }
  auto acks = read_acks(acks_path);
  CHECK(acks.accepted.size() > static_cast<std::size_t>(runs));
  CHECK(acks.finished.size() > 0);
  CHECK(acks.ledger.size() > static_cast<std::size_t>(runs));
  MESSAGE(acks.accepted.size() << " turns accepted, " << acks.finished.size() << " finished, "
                               << acks.ledger.size() << " ledger records, " << runs << " kills");
}

TEST_CASE("a full disk is a clear error, and the store writes again once there is room") {
  test::temp_dir dir;
  auto disk = dir.path() + "/disk";
  std::filesystem::create_directory(disk);
  bool mounted = ::mount("none", disk.c_str(), "tmpfs", 0, "size=8m") == 0;
  persistence::sqlite_options sqlite;
  if (!mounted) {
    MESSAGE("no tmpfs could be mounted here: SQLite's own page limit stands for the full disk");
    sqlite.pages_max = 200;
  }
  struct unmounter {
    std::string path;
    bool mounted;
    ~unmounter() {
      if (mounted)
        ::umount2(path.c_str(), MNT_DETACH);
    }
  } unmounter{disk, mounted};
  {
    store_system s{disk + "/troupe.db", {}, sqlite};
    auto turn = [&] { return s.ask<v1::TurnStored>(new_turn("c1", std::string(2'000, 'x'))); };
    REQUIRE(turn());
    auto filler = disk + "/filler";
    if (mounted) {
      std::ofstream out{filler, std::ios::binary};
      std::string block(4'096, 'f');
      while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush())
        ;
    }
    // The store tries by itself whether it can write again, and little may still have room.
    caf::error refused;
    bool writable = true;
    for (int i = 0; i < 2'000 && writable; ++i) {
      if (auto answer = turn(); !answer) {
        refused = answer.error();
        writable = (*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->writable();
      }
    }
    REQUIRE(refused);
    CHECK(!writable);
    CHECK(info(refused).code == ec::store_unavailable);
    CHECK(info(refused).http_status == 503);
    CHECK(describe(refused).find("disk is full") != std::string::npos);
    // What is there can be read all the while.
    v1::LoadSession load;
    load.set_conversation_id("c1");
    CHECK(s.ask<v1::SessionLoaded>(load));
    if (mounted) {
      std::filesystem::remove(filler);
      auto freed = std::chrono::steady_clock::now();
      // It notices by itself, though nobody writes.
      bool noticed = false;
      while (!noticed && std::chrono::steady_clock::now() - freed < 5s)
        noticed = (*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->writable();
      auto took = std::chrono::steady_clock::now() - freed;
      CHECK(noticed);
      CHECK(took < 1s);
      CHECK(turn());
    }
    CHECK(s.factory()->open(persistence::access::read)->verify().empty());
  }
}
