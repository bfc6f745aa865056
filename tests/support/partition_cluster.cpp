#include "tests/support/partition_cluster.hpp"

#include "messages/shard.hpp"
#include "tests/support/api_client.hpp"
#include "tests/support/audit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

namespace troupe::test {

using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;

namespace {

constexpr int conversations_each = 4; // made at each node
constexpr std::size_t conversations_max = 200;
constexpr auto measure_limit = 20s;

const std::string watching = R"sql(
CREATE TABLE seen_writes (n BIGSERIAL PRIMARY KEY, shard BIGINT, epoch BIGINT, owner TEXT,
                          writer TEXT, what TEXT);
CREATE FUNCTION see_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO seen_writes (shard, epoch, owner, writer, what)
    SELECT NEW.shard, s.epoch, s.owner, host(inet_client_addr()), 'turn ' || NEW.id
      FROM shards s WHERE s.id = NEW.shard;
  RETURN NEW;
END $$;
CREATE TRIGGER see_write AFTER INSERT OR UPDATE ON turns FOR EACH ROW EXECUTE FUNCTION see_write();
)sql";

std::vector<int> first_ones(int count) {
  std::vector<int> out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

} // namespace

partition_cluster::partition_cluster(unsigned seed, int nodes_count) :
    hosts(nodes_count + 1),
    server({hosts.address(nodes_count), hosts.prefix(nodes_count)}),
    mock(dir, {"--latency-ms", "2", "--tokens", "3", "--tokens-per-s", "1000"}, hosts.outside()),
    nodes(nodes_count, mock.yaml() + "log: {access: false}\nsession: {queue_max: 200}\n", hosts,
          server),
    seed_(seed),
    database_(nodes_count) {
  watch_writes();
  for (int i = 0; i < nodes_count; ++i)
    for (int k = 0; k < conversations_each; ++k)
      make_conversation(i);
  // Who asks for those of a node learns nothing from a node that has none.
  for (int i = 0; i < nodes_count; ++i)
    while (owned_by(i).empty())
      make_conversation(i);
}

void partition_cluster::make_conversation(int i) {
  api_client http{nodes[i].host(), nodes[i].port(), nodes[i].token()};
  auto made = http.post("/api/v1/conversations", json::object());
  if (made.status != 201)
    throw std::runtime_error("no conversation was made: " + made.body.dump());
  if (conversations_.size() >= conversations_max)
    throw std::runtime_error("a node owns none of so many conversations");
  conversations_.push_back(made.body.value("id", ""));
}

void partition_cluster::watch_writes() { server.rows(watching, nodes.place().url()); }

void partition_cluster::begin() {
  std::vector<append_target> targets;
  for (int i = 0; i < nodes.count(); ++i) {
    targets.push_back(at(i));
    incarnations_.push_back(nodes.row(i, cluster_nodes::name(i))["incarnation"]);
  }
  append_load_options options;
  options.seed = seed_;
  load_ = std::make_unique<append_load>(history, targets, conversations_, options);
  for (const auto& conversation : conversations_)
    if (!time_to(append_outcome::acknowledged, history, at(0), conversation, steady::now(), 10s))
      throw std::runtime_error("a conversation took no message");
}

std::vector<std::string> partition_cluster::owned_by(int i) {
  std::vector<std::string> out;
  auto answer = nodes.ops(i, "/ops/v1/shards");
  for (const auto& shard : answer["shards"])
    for (const auto& conversation : conversations_)
      if (shard["id"] == shard_of(conversation) && shard["owner"] == cluster_nodes::name(i))
        out.push_back(conversation);
  return out;
}

std::optional<double> partition_cluster::slowest(const std::vector<int>& some,
                                                 const std::vector<std::string>& conversations,
                                                 time_point since, append_outcome wanted) {
  std::mutex mutex;
  std::optional<double> out = 0;
  std::vector<std::thread> probes;
  for (auto i : some)
    for (const auto& conversation : conversations)
      probes.emplace_back([&, target = at(i), conversation] {
        auto took = time_to(wanted, history, target, conversation, since, measure_limit);
        std::lock_guard lock{mutex};
        out = out && took ? std::optional{std::max(*out, *took)} : std::nullopt;
      });
  for (auto& probe : probes)
    probe.join();
  return out;
}

std::optional<double> partition_cluster::answering_ms(const std::vector<int>& some,
                                                      const std::vector<std::string>& conversations,
                                                      time_point since) {
  return slowest(some, conversations, since, append_outcome::acknowledged);
}

std::optional<double> partition_cluster::refusing_ms(const std::vector<int>& some,
                                                     const std::vector<std::string>& conversations,
                                                     time_point since) {
  return slowest(some, conversations, since, append_outcome::refused);
}

std::optional<double> partition_cluster::heal() {
  auto since = steady::now();
  hosts.heal();
  return answering_ms(first_ones(nodes.count()), conversations_, since);
}

double partition_cluster::waited_ms(time_point moment) const {
  double out = 0;
  for (const auto& op : history.ops())
    if (op.invoked < moment && op.completed > moment)
      out = std::max(out, std::chrono::duration<double, std::milli>(op.completed - moment).count());
  return out;
}

int partition_cluster::evictions() {
  int out = 0;
  for (int i = 0; i < nodes.count(); ++i) {
    auto row = nodes.row(i, cluster_nodes::name(i));
    auto before = incarnations_[static_cast<std::size_t>(i)];
    out += row.is_object() && row["incarnation"] == before ? 0 : 1;
  }
  return out;
}

void partition_cluster::finish() {
  load_->finish();
  CHECK(nodes.wait_settled(60s));
  for (int i = 0; i < nodes.count(); ++i)
    if (nodes.up(i))
      CHECK(nodes.stop(i) == 0);
  auto writes = read_writes();
  auto wrong =
      check_history(history.ops(), stored_appends(*nodes.place().connect(), conversations_));
  auto owners = check_owners(writes);
  tell(wrong);
  tell(owners);
  CHECK(wrong.empty());
  CHECK(owners.empty());
  CHECK(writes.size() >= acknowledged());
  CHECK(acknowledged() > 0);
}

std::vector<shard_write> partition_cluster::read_writes() {
  std::map<std::string, std::string> names;
  for (int i = 0; i < nodes.count(); ++i)
    names[hosts.address(i)] = cluster_nodes::name(i);
  std::vector<shard_write> out;
  for (const auto& row :
       server.rows("SELECT shard, epoch, owner, writer, what FROM seen_writes ORDER BY n",
                   nodes.place().url()))
    out.push_back({std::stoi(row[0]), std::stoll(row[1]), row[2], names[row[3]], row[4]});
  return out;
}

std::size_t partition_cluster::count_of(append_outcome outcome) const {
  auto ops = history.ops();
  return static_cast<std::size_t>(std::count_if(
      ops.begin(), ops.end(), [&](const append_op& op) { return op.outcome == outcome; }));
}

std::size_t partition_cluster::acknowledged() const {
  return count_of(append_outcome::acknowledged);
}

std::size_t partition_cluster::unknown() const { return count_of(append_outcome::unknown); }

} // namespace troupe::test
