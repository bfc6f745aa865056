// Where the work of tools is done: which nodes do it for others, what each has in hand, and who
// gets the next piece. Knows no actor.
#pragma once

#include "troupe/v1/cluster.pb.h"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// Pieces of work and their size.
struct tool_work {
  std::int64_t requests = 0;
  std::int64_t bytes = 0;
};

struct tool_place_limits {
  tool_work local{16, 1'048'576};           // in hand here: what comes beyond goes elsewhere
  std::int64_t serve_bytes_max = 8'388'608; // in hand here: more of others is refused
  std::int64_t remote_requests_max = 1'000; // of this node, at one other
  std::int64_t rest_us = 1'000'000;         // a node that failed is asked no more for so long
  std::int64_t report_kept_us = 1'000'000;  // what a node said of itself holds so long
};

/// What became of a tool's work, by the node that did it.
struct tool_counts {
  std::uint64_t done = 0;
  std::uint64_t failed_over = 0; // it failed there, and another one was asked
  std::int64_t in_flight = 0;
};

/// The receptionist's book. Thread-safe. Times are microseconds of one clock that never goes back.
class tool_places {
public:
  /// Whether there is a link to a node.
  using link_check = std::function<bool(const std::string& node)>;

  /// `serves`: this node has the role `tools`.
  tool_places(std::string self, bool serves, tool_place_limits limits, link_check linked);

  /// Who there is. Only nodes that are up and have the role `tools` are asked.
  void view(const v1::ClusterView& news);

  /// Who is to do the next piece of work; empty: this node. Here first, while less is in hand than
  /// the limits say, else with who has least in hand. Here as well when nobody else can: work is
  /// never refused. Nodes in `tried` are not asked again.
  std::string choose(const std::vector<std::string>& tried, std::int64_t now_us);

  /// Work of this node begins at `node` (empty: here), and ends there.
  void begin(const std::string& tool, const std::string& node, std::int64_t bytes);
  void done(const std::string& tool, const std::string& node, std::int64_t bytes,
            const v1::ToolLoad& said, std::int64_t now_us);
  /// It failed for no reason of its own: the node rests.
  void failed(const std::string& tool, const std::string& node, std::int64_t bytes,
              std::int64_t now_us);
  /// It failed by its own fault, or here.
  void gave_up(const std::string& tool, const std::string& node, std::int64_t bytes);
  /// Too little to be weighed: done here at once.
  void short_work(const std::string& tool);

  /// Work of another node; false: too much is in hand. `served` once it ended.
  bool serve(const std::string& tool, std::int64_t bytes);
  void served(std::int64_t bytes);

  /// In hand here, for itself and for others.
  v1::ToolLoad load() const;

  /// What operators read.
  struct node_report {
    std::string name;
    bool linked = false;
    bool rests = false;
    tool_work in_flight; // of this node
    tool_work of_others; // as it said last
  };
  struct tool_report {
    std::map<std::string, tool_counts> nodes; // this one by its own name
    std::uint64_t brief = 0;                  // too little to be weighed
    std::uint64_t served = 0;                 // for other nodes
    std::uint64_t refused = 0;
  };
  struct report {
    std::string name; // of this node
    bool serves = false;
    tool_work here;
    std::vector<node_report> nodes; // with the role, but this one
    std::map<std::string, tool_report> tools;
  };
  report status(std::int64_t now_us) const;

private:
  struct place {
    bool serves = false; // up, with the role
    tool_work in_flight;
    tool_work of_others;
    std::int64_t said_us = -1; // when it told that; -1: never
    std::int64_t rests_us = 0; // until when
    std::uint64_t chosen = 0;  // the last time, counted
  };

  std::int64_t weight_of(const place& x, std::int64_t now_us) const;
  const std::string& name_of(const std::string& node) const { return node.empty() ? self_ : node; }
  void end(const std::string& tool, const std::string& node, std::int64_t bytes);

  const std::string self_;
  const bool serves_;
  const tool_place_limits limits_;
  const link_check linked_;
  mutable std::mutex mutex_;
  std::map<std::string, place> nodes_; // others
  tool_work here_;
  std::uint64_t chosen_ = 0;
  std::map<std::string, tool_report> tools_;
};

} // namespace troupe
