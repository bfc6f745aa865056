#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

namespace {

v1::Node read_node(row_view row) {
  v1::Node out;
  unpack(row.text(4), out);
  out.set_name(std::move(row.text(0)));
  out.set_incarnation(row.number(1));
  out.set_state(static_cast<v1::NodeState>(row.number(2)));
  out.set_lease_until_us(row.number(3));
  return out;
}

std::string body_of(v1::Node rest) {
  rest.clear_name();
  rest.clear_incarnation();
  rest.clear_state();
  rest.clear_lease_until_us();
  return pack(rest);
}

constexpr std::string_view node_kinds = "tiiib";

} // namespace

sql_cluster::sql_cluster(sql_session& sql) :
    sql_(sql),
    state_("SELECT cluster_id, version, leader, leader_incarnation, leader_until_us "
           "FROM cluster_state WHERE id = 1"),
    state_locked_(state_ + std::string{sql.sql_dialect().hold_row()}),
    first_state_(sql.sql_dialect().insert_new(
        "cluster_state (id, cluster_id, version, leader, leader_incarnation, leader_until_us) "
        "VALUES (1, '', 0, '', 0, 0)")),
    hold_epoch_("SELECT epoch FROM shards WHERE id = :id"
                + std::string{sql.sql_dialect().share_row()}),
    hold_shards_("SELECT id FROM shards WHERE owner = :owner ORDER BY id"
                 + std::string{sql.sql_dialect().hold_row()}) {}

std::int64_t sql_cluster::now_us() {
  std::int64_t out = 0;
  sql_.each(sql_.sql_dialect().now_us(), "i", [&](row_view row) { out = row.number(0); });
  return out;
}

cluster_state sql_cluster::state(bool lock) {
  std::optional<cluster_state> out;
  auto read = [&] {
    sql_.each(lock ? state_locked_ : state_, "titii", [&](row_view row) {
      out = cluster_state{std::move(row.text(0)), row.number(1), std::move(row.text(2)),
                          row.number(3), row.number(4)};
    });
  };
  read();
  if (!out && lock) {
    // The first of all: a row that is not there cannot be held.
    sql_.run(first_state_);
    read();
  }
  return out.value_or(cluster_state{});
}

void sql_cluster::put_state(const cluster_state& x) {
  sql_.run("UPDATE cluster_state SET cluster_id = :cluster, version = :version, "
           "leader = :leader, leader_incarnation = :incarnation, leader_until_us = :until "
           "WHERE id = 1",
           x.cluster_id, x.version, x.leader, x.leader_incarnation, x.leader_until_us);
}

std::vector<v1::Node> sql_cluster::nodes() {
  std::vector<v1::Node> out;
  sql_.each("SELECT name, incarnation, state, lease_until_us, body FROM nodes ORDER BY name",
            node_kinds, [&](row_view row) { out.push_back(read_node(row)); });
  return out;
}

std::optional<v1::Node> sql_cluster::find_node(std::string_view name) {
  std::optional<v1::Node> out;
  sql_.each(
      "SELECT name, incarnation, state, lease_until_us, body FROM nodes WHERE name = :name",
      node_kinds, [&](row_view row) { out = read_node(row); }, name);
  return out;
}

void sql_cluster::put_node(const v1::Node& x) {
  auto body = body_of(x);
  if (sql_.run("UPDATE nodes SET incarnation = :incarnation, state = :state, "
               "lease_until_us = :until, body = :body WHERE name = :name",
               x.incarnation(), static_cast<int>(x.state()), x.lease_until_us(), bytes_value{body},
               x.name())
      == 0)
    sql_.run("INSERT INTO nodes (name, incarnation, state, lease_until_us, body) "
             "VALUES (:name, :incarnation, :state, :until, :body)",
             x.name(), x.incarnation(), static_cast<int>(x.state()), x.lease_until_us(),
             bytes_value{body});
}

bool sql_cluster::renew(std::string_view name, std::int64_t incarnation,
                        std::int64_t lease_until_us) {
  return sql_.run("UPDATE nodes SET lease_until_us = :until WHERE name = :name AND "
                  "incarnation = :incarnation AND state < 3",
                  lease_until_us, name, incarnation)
         != 0;
}

bool sql_cluster::mark_dead(std::string_view name, std::int64_t incarnation, std::int64_t now_us) {
  return sql_.run("UPDATE nodes SET state = 4 WHERE name = :name AND incarnation = :incarnation "
                  "AND state < 3 AND lease_until_us <= :now",
                  name, incarnation, now_us)
         != 0;
}

std::vector<v1::Suspicion> sql_cluster::suspicions() {
  std::vector<v1::Suspicion> out;
  sql_.each("SELECT by_node, node, incarnation FROM suspicions ORDER BY by_node, node", "tti",
            [&](row_view row) {
              auto& one = out.emplace_back();
              one.set_by(std::move(row.text(0)));
              one.set_node(std::move(row.text(1)));
              one.set_incarnation(row.number(2));
            });
  return out;
}

void sql_cluster::add_suspicion(const v1::Suspicion& x) {
  sql_.run("INSERT INTO suspicions (by_node, node, incarnation) VALUES (:by, :node, :incarnation)",
           x.by(), x.node(), x.incarnation());
}

void sql_cluster::erase_suspicions_by(std::string_view by) {
  sql_.run("DELETE FROM suspicions WHERE by_node = :by", by);
}

void sql_cluster::erase_suspicions_of(std::string_view node) {
  sql_.run("DELETE FROM suspicions WHERE node = :node", node);
}

std::vector<v1::Shard> sql_cluster::shards() {
  std::vector<v1::Shard> out;
  sql_.each("SELECT id, owner, incarnation, epoch, target FROM shards ORDER BY id", "itiit",
            [&](row_view row) {
              auto& one = out.emplace_back();
              one.set_id(static_cast<std::int32_t>(row.number(0)));
              one.set_owner(std::move(row.text(1)));
              one.set_incarnation(row.number(2));
              one.set_epoch(row.number(3));
              one.set_target(std::move(row.text(4)));
            });
  return out;
}

void sql_cluster::make_shards(int count) {
  // One statement: a server is a round trip away, and a lease runs meanwhile.
  sql_.run("INSERT INTO shards (id, owner, incarnation, epoch, target) "
           "WITH RECURSIVE ids (id) AS "
           "(SELECT 0 UNION ALL SELECT id + 1 FROM ids WHERE id + 1 < :count) "
           "SELECT id, '', 0, 0, '' FROM ids",
           count);
}

bool sql_cluster::assign(int shard, std::int64_t epoch, std::string_view owner,
                         std::int64_t incarnation) {
  return sql_.run("UPDATE shards SET owner = :owner, incarnation = :incarnation, "
                  "epoch = epoch + 1, target = '' WHERE id = :id AND epoch = :epoch",
                  owner, incarnation, shard, epoch)
         != 0;
}

std::int64_t sql_cluster::take_over(std::string_view owner, std::int64_t incarnation) {
  // In order of their ids, as everyone holds shards: nobody waits for who waits for him.
  sql_.each(
      hold_shards_, "i", [](row_view) {}, owner);
  return sql_.run("UPDATE shards SET incarnation = :incarnation, epoch = epoch + 1, target = '' "
                  "WHERE owner = :owner",
                  incarnation, owner);
}

bool sql_cluster::set_target(int shard, std::int64_t epoch, std::string_view target) {
  return sql_.run("UPDATE shards SET target = :target WHERE id = :id AND epoch = :epoch", target,
                  shard, epoch)
         != 0;
}

std::int64_t sql_cluster::hold_epoch(int shard) {
  std::int64_t out = -1;
  sql_.each(
      hold_epoch_, "i", [&](row_view row) { out = row.number(0); }, shard);
  return out;
}

} // namespace troupe::persistence
