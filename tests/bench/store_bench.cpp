// What the store costs on this machine: store_bench [folder [conversations [url]]]
//
// With the URL of an empty PostgreSQL database it is measured there, else in an SQLite file. Prints
// `figure <name> <value>` lines. Commits wait for the disk: put the folder on the disk that is
// meant.
#include "actors/account/ledger.hpp"
#include "messages/id.hpp"
#include "persistence/commands.hpp"
#include "persistence/soci/postgresql.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_system.hpp"
#include "tests/support/turns.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

void figure(const std::string& name, double value) {
  fmt::print("figure {} {:.1f}\n", name, value);
}

/// The disk's own pace: appends of 4 kB, each synced.
void bench_disk(const std::string& folder) {
  auto path = folder + "/sync";
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string block(4'096, 'x');
  auto start = steady::now();
  int count = 0;
  for (; seconds_since(start) < 2; ++count)
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0)
      std::abort();
  figure("disk_syncs_per_s", count / seconds_since(start));
  ::close(fd);
}

void bench_ledger_rows(persistence::database_factory& factory) {
  auto db = factory.open(persistence::access::write);
  constexpr int group = 10'000;
  constexpr int groups = 30;
  std::vector<std::string> principals;
  for (int i = 0; i < 100; ++i)
    principals.push_back(new_id());
  auto start = steady::now();
  for (int g = 0; g < groups; ++g) {
    v1::RecordUsage command;
    for (int i = 0; i < group; ++i)
      *command.add_records() =
          test::usage_record(new_id(), principals[static_cast<std::size_t>(i) % principals.size()],
                             1'700'000'000'000'000 + g * group + i);
    persistence::unit_of_work unit{*db, persistence::access::write};
    persistence::record_usage(*db, command, {});
    unit.commit();
  }
  figure("store_ledger_rows_per_s", groups * group / seconds_since(start));
}

/// `askers` clients, each one turn after the other, for some seconds.
void bench_turns(test::store_system& s, int askers) {
  auto latencies = std::make_shared<std::vector<std::vector<double>>>(askers);
  std::atomic<bool> stop{false};
  std::atomic<int> running{askers};
  auto commits = [&] { return (*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->commits(); };
  auto before = commits();
  auto start = steady::now();
  for (int i = 0; i < askers; ++i)
    s.system().spawn([&, i, latencies](caf::event_based_actor* self) {
      auto next = std::make_shared<std::function<void()>>();
      *next = [&, self, i, latencies, next] {
        if (stop) {
          --running;
          return;
        }
        auto sent = steady::now();
        self->request(s.store(), 60s, AcceptTurn{test::new_turn(new_id(), "a short question")})
            .then(
                [&, i, latencies, next, sent](const TurnStored&) {
                  (*latencies)[static_cast<std::size_t>(i)].push_back(seconds_since(sent) * 1e3);
                  (*next)();
                },
                [](const caf::error& error) {
                  fmt::print(stderr, "{}\n", describe(error));
                  std::abort();
                });
      };
      (*next)();
    });
  std::this_thread::sleep_for(4s);
  auto took = seconds_since(start);
  stop = true;
  while (running > 0)
    std::this_thread::sleep_for(1ms);
  std::vector<double> all;
  for (const auto& of_one : *latencies)
    all.insert(all.end(), of_one.begin(), of_one.end());
  std::sort(all.begin(), all.end());
  auto name = fmt::format("store_turns_{}", askers);
  figure(name + "_per_s", static_cast<double>(all.size()) / took);
  figure(name + "_commits_per_s", static_cast<double>(commits() - before) / took);
  figure(name + "_p50_ms", all[all.size() / 2]);
  figure(name + "_p99_ms", all[all.size() * 99 / 100]);
}

/// Conversations of four messages each, in large commits.
std::vector<std::string> fill(persistence::database_factory& factory, int conversations) {
  auto db = factory.open(persistence::access::write);
  std::vector<std::string> out;
  out.reserve(static_cast<std::size_t>(conversations));
  std::vector<std::string> owners;
  for (int i = 0; i < 1'000; ++i)
    owners.push_back(new_id());
  auto start = steady::now();
  std::optional<persistence::unit_of_work> unit;
  for (int i = 0; i < conversations; ++i) {
    if (i % 20'000 == 0) {
      if (unit)
        unit->commit();
      unit.reset();
      unit.emplace(*db, persistence::access::write);
    }
    v1::Conversation conversation;
    conversation.set_id(new_id());
    conversation.set_owner_id(owners[static_cast<std::size_t>(i) % owners.size()]);
    conversation.set_title("A conversation");
    conversation.set_updated_us(i);
    conversation.set_message_count(4);
    std::vector<v1::Message> messages(4);
    for (std::size_t m = 0; m < messages.size(); ++m) {
      auto& message = messages[m];
      message.set_id(new_id());
      message.set_conversation_id(conversation.id());
      message.set_role(m % 2 == 0 ? v1::ROLE_USER : v1::ROLE_ASSISTANT);
      if (m > 0)
        message.set_parent_id(messages[m - 1].id());
      message.add_parts()->mutable_text()->set_text(std::string(150, 'a'));
    }
    conversation.set_leaf_id(messages.back().id());
    db->conversations().insert(conversation);
    for (std::size_t m = 0; m < messages.size(); ++m)
      db->messages().insert(messages[m], static_cast<std::int64_t>(m));
    out.push_back(conversation.id());
  }
  if (unit)
    unit->commit();
  figure("store_fill_conversations_per_s", conversations / seconds_since(start));
  return out;
}

void bench_loads(test::store_system& s, const std::vector<std::string>& ids) {
  caf::scoped_actor self{s.system()};
  std::mt19937 random{1};
  std::vector<double> took;
  for (int i = 0; i < 20'000; ++i) {
    v1::LoadSession query;
    query.set_conversation_id(ids[random() % ids.size()]);
    query.set_max_messages(200);
    query.set_max_bytes(262'144);
    auto start = steady::now();
    self->request(s.store(), 30s, LoadSession{std::move(query)})
        .receive(
            [](const SessionLoaded& x) {
              if (x->messages_size() != 4)
                std::abort();
            },
            [](const caf::error& error) {
              fmt::print(stderr, "{}\n", describe(error));
              std::abort();
            });
    took.push_back(seconds_since(start) * 1e6);
  }
  std::sort(took.begin(), took.end());
  figure("store_load_p50_us", took[took.size() / 2]);
  figure("store_load_p99_us", took[took.size() * 99 / 100]);
}

void bench_journal(const std::string& folder) {
  usage_journal journal{folder};
  journal.replay();
  constexpr int count = 300'000;
  v1::RecordUsage one;
  *one.add_records() = test::usage_record(new_id(), new_id(), 1'700'000'000'000'000);
  auto start = steady::now();
  for (int i = 0; i < count; ++i) {
    journal.append(one.records(0));
    if (i % 100 == 99)
      journal.turn_over();
  }
  figure("ledger_journal_ns_per_record", seconds_since(start) / count * 1e9);
}

void bench_ledger_actor(test::store_system& s, const std::string& folder, bool with_journal) {
  config::ledger_section limits;
  auto intake = std::make_shared<usage_intake>(
      limits, with_journal ? std::make_shared<usage_journal>(folder) : nullptr);
  auto counts = intake->counts();
  auto book = troupe::spawn(s.host(), ledger, ledger_options{s.store(), limits, intake});
  constexpr std::uint64_t count = 200'000;
  std::vector<v1::UsageRecord> records;
  for (std::uint64_t i = 0; i < count; ++i)
    records.push_back(test::usage_record(new_id(), "p", 1'700'000'000'000'000));
  auto start = steady::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    while (counts->buffered > 50'000) // stay within its buffer
      std::this_thread::yield();
    intake->put(std::move(records[i]));
  }
  while (counts->written + counts->dropped < count)
    std::this_thread::sleep_for(1ms);
  figure(with_journal ? "ledger_actor_rows_per_s" : "ledger_actor_rows_per_s_without_journal",
         static_cast<double>(counts->written) / seconds_since(start));
  caf::anon_send_exit(book, caf::exit_reason::user_shutdown);
}

} // namespace

int main(int argc, char** argv) {
  std::optional<test::temp_dir> own;
  std::string folder = argc > 1 ? argv[1] : own.emplace().path();
  int conversations = argc > 2 ? std::atoi(argv[2]) : 1'000'000;
  std::string url = argc > 3 ? argv[3] : "";
  std::filesystem::create_directories(folder);
  auto file = folder + "/troupe.db";
  auto connect = [&](std::int64_t cache_bytes) {
    persistence::sqlite_options options;
    options.cache_bytes = cache_bytes;
    return url.empty() ? persistence::make_sqlite_factory(file, options)
                       : persistence::make_postgresql_factory(url);
  };
  constexpr std::int64_t mib = 1024 * 1024;
  set_log_level(log_level::warn);
  bench_disk(folder);
  {
    test::store_system s{connect(mib)};
    bench_ledger_rows(*s.factory());
    bench_ledger_actor(s, folder, false);
    bench_ledger_actor(s, folder, true);
    for (int askers : {1, 8, 64})
      bench_turns(s, askers);
  }
  bench_journal(folder);
  auto ids = fill(*connect(256 * mib), conversations);
  if (url.empty())
    figure("store_file_mb", static_cast<double>(std::filesystem::file_size(file)) / 1e6);
  test::store_system s{connect(mib)};
  bench_loads(s, ids);
  for (int askers : {1, 8, 64})
    bench_turns(s, askers);
}
