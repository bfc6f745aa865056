// What the store costs on this machine, on one database: scripts/bench store runs it on each.
// Commits wait for the disk: put the folder, or the server's, on the disk that is meant.
#include "actors/account/ledger.hpp"
#include "messages/id.hpp"
#include "persistence/commands.hpp"
#include "persistence/migration.hpp"
#include "persistence/open.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_system.hpp"
#include "tests/support/turns.hpp"

#include <CLI/CLI.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
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

void figure(const std::string& name, double value, std::string_view unit) {
  fmt::print("figure {} {:.1f} {}\n", name, value, unit);
}

double percentile(std::vector<double>& sorted, std::size_t percent) {
  return sorted.at(std::min(sorted.size() * percent / 100, sorted.size() - 1));
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
  figure("disk_syncs_per_s", count / seconds_since(start), "syncs/s");
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
  figure("ledger_rows_per_s", groups * group / seconds_since(start), "rows/s");
}

/// One client: turns of new conversations, one after the other, each accepted and then finished.
class client {
public:
  client(test::store_system& s, const std::atomic<bool>& stop, std::atomic<int>& running) :
      store_(s.store()), stop_(stop), running_(running) {}

  void next(caf::event_based_actor* self) {
    if (stop_) {
      --running_;
      return;
    }
    turn_ = test::new_turn(new_id(), "a short question");
    sent_ = steady::now();
    self->request(store_, 60s, AcceptTurn{turn_})
        .then(
            [this, self](const TurnStored&) {
              accepted_ms.push_back(seconds_since(sent_) * 1e3);
              finish(self);
            },
            fail);
  }

  std::vector<double> accepted_ms;
  std::size_t finished = 0;

private:
  void finish(caf::event_based_actor* self) {
    auto end = test::finish_turn(turn_, std::string(300, 'a'));
    self->request(store_, 60s, AdvanceTurn{std::move(end)})
        .then(
            [this, self](const TurnStored&) {
              ++finished;
              next(self);
            },
            fail);
  }

  static void fail(const caf::error& error) {
    fmt::print(stderr, "{}\n", describe(error));
    std::abort();
  }

  store_actor store_;
  const std::atomic<bool>& stop_;
  std::atomic<int>& running_;
  v1::AcceptTurn turn_;
  steady::time_point sent_;
};

void bench_turns(test::store_system& s, int clients_count, double seconds) {
  std::atomic<bool> stop{false};
  std::atomic<int> running{clients_count};
  std::deque<client> clients;
  auto commits = [&] { return (*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->commits(); };
  auto before = commits();
  auto start = steady::now();
  for (int i = 0; i < clients_count; ++i) {
    auto* one = &clients.emplace_back(s, stop, running);
    s.system().spawn([one](caf::event_based_actor* self) { one->next(self); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>{seconds});
  stop = true;
  while (running > 0)
    std::this_thread::sleep_for(1ms);
  auto took = seconds_since(start);
  std::vector<double> all;
  std::size_t finished = 0;
  for (const auto& one : clients) {
    all.insert(all.end(), one.accepted_ms.begin(), one.accepted_ms.end());
    finished += one.finished;
  }
  std::sort(all.begin(), all.end());
  figure("turns_per_s", static_cast<double>(finished) / took, "turns/s");
  figure("commits_per_s", static_cast<double>(commits() - before) / took, "commits/s");
  figure("ack_p50_ms", percentile(all, 50), "ms");
  figure("ack_p99_ms", percentile(all, 99), "ms");
}

/// One owner with many conversations: what a page of 100 takes, from anywhere in the list.
void bench_listing(persistence::database_factory& factory, int conversations) {
  auto db = factory.open(persistence::access::write);
  auto owner = new_id();
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
    conversation.set_owner_id(owner);
    conversation.set_title(fmt::format("Conversation {}", i));
    conversation.set_updated_us(1'700'000'000'000'000 + i * 1'000'000LL);
    db->conversations().insert(conversation);
  }
  unit->commit();
  auto reader = factory.open(persistence::access::read);
  std::mt19937 random{1};
  std::vector<double> took;
  v1::ListConversations query;
  query.mutable_context()->set_principal_id(owner);
  query.set_limit(100);
  for (int i = 0; i < 2'000; ++i) {
    auto at = static_cast<std::int64_t>(random() % static_cast<unsigned>(conversations));
    query.set_cursor(i % 2 == 0 ? ""
                                : fmt::format("1.{:x}.z", 1'700'000'000'000'000 + at * 1'000'000));
    auto start = steady::now();
    persistence::unit_of_work look{*reader, persistence::access::read};
    if (persistence::list_conversations(*reader, query, {}).conversations_size() == 0)
      std::abort();
    took.push_back(seconds_since(start) * 1e3);
  }
  std::sort(took.begin(), took.end());
  figure("listing_p50_ms", percentile(took, 50), "ms");
  figure("listing_p99_ms", percentile(took, 99), "ms");
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
  figure("fill_conversations_per_s", conversations / seconds_since(start), "conversations/s");
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
  figure("load_p50_us", percentile(took, 50), "us");
  figure("load_p99_us", percentile(took, 99), "us");
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
  figure("ledger_journal_ns_per_record", seconds_since(start) / count * 1e9, "ns");
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
         static_cast<double>(counts->written) / seconds_since(start), "rows/s");
  caf::anon_send_exit(book, caf::exit_reason::user_shutdown);
}

} // namespace

int main(int argc, char** argv) {
  config::node_config config;
  std::string what;
  double seconds = 4;
  int clients = 64;
  int conversations = 1'000'000;
  CLI::App app{"Measures the store on one database."};
  app.add_option("what", what, "What to measure.")
      ->required()
      ->check(CLI::IsMember({"turns", "listing", "loads", "ledger", "disk"}));
  app.add_option("--backend", config.store.backend, "sqlite, postgresql or mysql.");
  app.add_option("--url", config.store.url, "Of the database, which must be new.")->required();
  app.add_option("--folder", config.node.data_dir, "For files beside it.");
  app.add_option("--seconds", seconds, "Of turns.");
  app.add_option("--clients", clients, "Turns at a time.");
  app.add_option("--conversations", conversations, "To list, or to load from.");
  CLI11_PARSE(app, argc, argv);
  set_log_level(log_level::warn);
  std::optional<test::temp_dir> own;
  if (config.node.data_dir.empty() || config.node.data_dir == config::node_config{}.node.data_dir)
    config.node.data_dir = own.emplace().path();
  auto factory = persistence::make_database_factory(config);
  persistence::migrate(*factory->open(persistence::access::write));
  if (what == "disk") {
    bench_disk(config.node.data_dir);
    bench_journal(config.node.data_dir);
  } else if (what == "ledger") {
    test::store_system s{factory};
    bench_ledger_rows(*factory);
    bench_ledger_actor(s, config.node.data_dir, false);
    bench_ledger_actor(s, config.node.data_dir, true);
  } else if (what == "turns") {
    test::store_system s{factory};
    bench_turns(s, clients, seconds);
  } else if (what == "listing") {
    bench_listing(*factory, conversations);
  } else {
    auto ids = fill(*factory, conversations);
    test::store_system s{factory};
    bench_loads(s, ids);
  }
}
