// A node of a simulated cluster: the real membership and shard logic, with the parts around them
// (membership actor, shards' region, sessions) played as simply as they can be.
#pragma once

#include "cluster/membership/member.hpp"
#include "cluster/sharding/shard_holder.hpp"
#include "persistence/cluster_commands.hpp"
#include "persistence/failure.hpp"
#include "tests/support/simulated_world.hpp"

#include <map>
#include <memory>
#include <optional>

namespace troupe::test {

class simulated_node;

/// What the nodes have in common, and what is promised of all of them together.
class simulated_cluster {
public:
  simulated_cluster(simulated_world& world, int shards);

  struct counts {
    std::uint64_t commits = 0;
    std::uint64_t refused = 0;  // writes that came too late
    std::uint64_t answers = 0;  // of reads
    std::uint64_t handoffs = 0; // shards given away in order
    std::uint64_t fences = 0;
    std::uint64_t deaths = 0;
  };

  /// A durable write of a node's session on its shard: throws `not_owner` when it comes too late.
  void commit(const simulated_node& node, int shard, std::int64_t epoch, std::int64_t value);
  std::int64_t stored(int shard) const { return stored_[static_cast<std::size_t>(shard)].value; }
  /// A read is answered from memory.
  void answer(const simulated_node& node, int shard, std::int64_t epoch);

  /// After the tables changed, `declared` by a leader who was allowed to: everything is checked.
  void check_tables(const v1::DeclareDead* declared, bool allowed);
  /// Whether the rules allow it, read from the tables.
  bool may_declare(const v1::DeclareDead& command) const;
  /// After something changed at the node.
  void check_node(const simulated_node& node) const;

  simulated_world& world;
  const int shards;
  std::vector<std::unique_ptr<simulated_node>> nodes;
  counts counted;

private:
  struct register_row { // what the sessions of a shard have written
    std::int64_t value = 0;
    std::int64_t epoch = 0;
  };
  struct seen_shard {
    std::string owner;
    std::int64_t incarnation = 0;
    std::int64_t epoch = 0;
  };
  std::vector<register_row> stored_;
  std::vector<seen_shard> seen_;
  std::vector<v1::Node> seen_nodes_;
};

class simulated_node {
public:
  simulated_node(simulated_cluster& cluster, int index);

  // What happens to it.
  void start(bool new_identity);
  void kill();
  void pause(std::int64_t us);
  void wake();
  void leave(std::int64_t limit_us);
  void client_request(int shard);

  const std::string& name() const { return name_; }
  bool alive() const { return alive_; }
  bool paused() const { return now() < paused_until_; }
  bool leaving() const { return leave_by_us_ != 0; }
  bool joined() const { return alive_ && self_->incarnation() != 0; }
  /// Whether a request for the shard would be answered from here, with this epoch.
  bool serves(int shard, std::int64_t epoch) const;
  bool may_serve() const;
  const member& self() const { return *self_; }
  const shard_holder& holder() const { return *holder_; }
  std::int64_t clock() const;

private:
  struct call;
  struct slot {
    std::uint64_t session = 0;          // another one each time the shard is opened or closed
    int running = 0;                    // requests
    bool writes = false;                // one of them: it is the only one that does
    std::optional<std::int64_t> cached; // what the session has loaded or written
  };

  std::int64_t now() const { return cluster_.world.now(); }
  simulated_world& world() const { return cluster_.world; }
  /// Done by this process, once it runs: not if it is another one by then.
  void later(std::int64_t us, std::function<void()> work);
  void enter(std::function<void()> work);
  void tell(const std::string& to, std::function<void(simulated_node&)> work);
  /// Answered once, within a second. The database may see it later, and though the process has
  /// ended: unless `late` is false.
  template <class Answer, class Command>
  void ask(Command command, Answer (*work)(persistence::cluster_repository&, const Command&),
           std::function<void(const Answer&)> good, std::function<void(ec)> bad, bool late = true);
  template <class Answer, class Command>
  ec execute(const Command& command,
             Answer (*work)(persistence::cluster_repository&, const Command&), Answer& answer);

  // The membership actor.
  void join();
  void joined(const v1::ClusterJoined& answer, std::int64_t asked_us);
  void tick();
  void beat();
  void carry_out(member_wishes wishes);
  void decide(member_wishes& wishes);
  void renew(v1::RenewLease command);
  void learned(const v1::ClusterView& view);
  void publish();
  void check_left();

  // The shards' region, which hears of views a little later.
  void region_hears(std::function<void()> work);
  void region_view(const v1::ClusterView& view);
  void region_tick();
  void act(const std::vector<shard_change>& changes);
  void empty(int shard, std::int64_t epoch, std::int64_t limit_us);
  void hand_over();
  void close(int shard);
  slot& at(int shard) { return slots_[static_cast<std::size_t>(shard)]; }

  // Sessions.
  void serve(int shard);
  void write(int shard, std::uint64_t session, std::int64_t epoch);
  void read(int shard, std::uint64_t session, std::int64_t epoch);

  simulated_cluster& cluster_;
  int index_;
  std::string name_;
  std::string identity_;
  std::int64_t clock_base_us_ = 0;
  std::int64_t drift_ppm_ = 0;

  bool alive_ = false;
  std::uint64_t process_ = 0;
  std::int64_t paused_until_ = 0;
  std::uint64_t pauses_ = 0;
  std::deque<std::function<void()>> backlog_; // came in while it was paused

  std::unique_ptr<member> self_;
  bool renewing_ = false;
  bool joining_ = false;
  std::int64_t leave_by_us_ = 0;
  std::int64_t lease_until_us_ = 0;
  std::int64_t lease_incarnation_ = 0;
  std::int64_t published_version_ = -1;
  std::int64_t told_version_ = -1;
  std::int64_t published_incarnation_ = 0;

  std::unique_ptr<shard_holder> holder_;
  v1::ClusterView region_view_;
  std::int64_t region_at_us_ = 0;
  std::vector<slot> slots_;
  std::vector<int> leaving_;
  std::map<int, shard_change> handing_; // by shard; they go once the command before is answered
  bool handing_asked_ = false;
};

} // namespace troupe::test
