#include "cluster/tools/tool_places.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr std::string_view role = "tools";
constexpr std::size_t nodes_max = 1'024;

void add(tool_work& to, std::int64_t requests, std::int64_t bytes) {
  to.requests += requests;
  to.bytes += bytes;
}

bool may_serve(const v1::Node& node) {
  return node.state() == v1::NODE_STATE_UP
         && std::find(node.roles().begin(), node.roles().end(), role) != node.roles().end();
}

} // namespace

tool_places::tool_places(std::string self, bool serves, tool_place_limits limits,
                         link_check linked) :
    self_(std::move(self)), serves_(serves), limits_(limits), linked_(std::move(linked)) {}

void tool_places::view(const v1::ClusterView& news) {
  std::lock_guard guard{mutex_};
  for (auto& [name, one] : nodes_)
    one.serves = false;
  for (const auto& node : news.nodes())
    if (node.name() != self_ && may_serve(node)
        && (nodes_.contains(node.name()) || nodes_.size() < nodes_max))
      nodes_[node.name()].serves = true;
  // Who is asked for something still keeps its place until that ended.
  std::erase_if(nodes_,
                [](const auto& x) { return !x.second.serves && x.second.in_flight.requests == 0; });
}

// Bytes: they are what counting costs.
std::int64_t tool_places::weight_of(const place& x, std::int64_t now_us) const {
  bool fresh = x.said_us >= 0 && now_us - x.said_us < limits_.report_kept_us;
  return x.in_flight.bytes + (fresh ? x.of_others.bytes : 0);
}

std::string tool_places::choose(const std::vector<std::string>& tried, std::int64_t now_us) {
  std::lock_guard guard{mutex_};
  bool busy = here_.requests >= limits_.local.requests || here_.bytes >= limits_.local.bytes;
  if (serves_ && !busy)
    return {};
  place* best = nullptr;
  const std::string* name = nullptr;
  std::int64_t least = 0;
  for (auto& [node, one] : nodes_) {
    if (!one.serves || one.rests_us > now_us
        || one.in_flight.requests >= limits_.remote_requests_max
        || std::find(tried.begin(), tried.end(), node) != tried.end() || !linked_(node))
      continue;
    auto weight = weight_of(one, now_us);
    // Of equals, who was not chosen for longest.
    if (best == nullptr || weight < least || (weight == least && one.chosen < best->chosen)) {
      best = &one;
      name = &node;
      least = weight;
    }
  }
  if (best == nullptr || (serves_ && least >= here_.bytes))
    return {};
  best->chosen = ++chosen_;
  return *name;
}

void tool_places::begin(const std::string& tool, const std::string& node, std::int64_t bytes) {
  std::lock_guard guard{mutex_};
  add(node.empty() ? here_ : nodes_[node].in_flight, 1, bytes);
  ++tools_[tool].nodes[name_of(node)].in_flight;
}

void tool_places::end(const std::string& tool, const std::string& node, std::int64_t bytes) {
  add(node.empty() ? here_ : nodes_[node].in_flight, -1, -bytes);
  --tools_[tool].nodes[name_of(node)].in_flight;
}

void tool_places::done(const std::string& tool, const std::string& node, std::int64_t bytes,
                       const v1::ToolLoad& said, std::int64_t now_us) {
  std::lock_guard guard{mutex_};
  end(tool, node, bytes);
  ++tools_[tool].nodes[name_of(node)].done;
  if (node.empty())
    return;
  // It counts this node's work as well. The other side may say anything.
  auto& one = nodes_[node];
  auto others = [](std::int64_t all, std::int64_t mine) {
    return std::max<std::int64_t>(std::max<std::int64_t>(all, 0) - mine, 0);
  };
  one.of_others = {others(said.requests(), one.in_flight.requests),
                   others(said.bytes(), one.in_flight.bytes)};
  one.said_us = now_us;
}

void tool_places::failed(const std::string& tool, const std::string& node, std::int64_t bytes,
                         std::int64_t now_us) {
  std::lock_guard guard{mutex_};
  end(tool, node, bytes);
  ++tools_[tool].nodes[name_of(node)].failed_over;
  nodes_[node].rests_us = now_us + limits_.rest_us;
}

void tool_places::gave_up(const std::string& tool, const std::string& node, std::int64_t bytes) {
  std::lock_guard guard{mutex_};
  end(tool, node, bytes);
}

void tool_places::short_work(const std::string& tool) {
  std::lock_guard guard{mutex_};
  ++tools_[tool].brief;
}

bool tool_places::serve(const std::string& tool, std::int64_t bytes) {
  std::lock_guard guard{mutex_};
  bool full = here_.requests > 0 && here_.bytes + bytes > limits_.serve_bytes_max;
  ++(full ? tools_[tool].refused : tools_[tool].served);
  if (!full)
    add(here_, 1, bytes);
  return !full;
}

void tool_places::served(std::int64_t bytes) {
  std::lock_guard guard{mutex_};
  add(here_, -1, -bytes);
}

v1::ToolLoad tool_places::load() const {
  std::lock_guard guard{mutex_};
  v1::ToolLoad out;
  out.set_requests(here_.requests);
  out.set_bytes(here_.bytes);
  return out;
}

tool_places::report tool_places::status(std::int64_t now_us) const {
  std::lock_guard guard{mutex_};
  report out{self_, serves_, here_, {}, tools_};
  for (const auto& [name, one] : nodes_)
    if (one.serves)
      out.nodes.push_back(
          {name, linked_(name), one.rests_us > now_us, one.in_flight,
           weight_of(one, now_us) > one.in_flight.bytes ? one.of_others : tool_work{}});
  return out;
}

} // namespace troupe
