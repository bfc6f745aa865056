#include "cluster/link/hello.hpp"

#include <fmt/format.h>

namespace troupe::link {

namespace {

constexpr std::size_t name_bytes_max = 255;

/// Names come from strangers, and go into logs.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > name_bytes_max)
    return false;
  for (unsigned char c : text)
    if (c <= 0x20 || c >= 0x7f)
      return false;
  return true;
}

} // namespace

known_nodes nodes_of(const v1::ClusterView& view, std::string_view self) {
  known_nodes out;
  for (const auto& node : view.nodes())
    if (node.name() != self)
      out[node.name()] = {node.incarnation(),
                          node.state() == v1::NODE_STATE_UP
                              || node.state() == v1::NODE_STATE_LEAVING,
                          node.address()};
  return out;
}

std::optional<caf::error> refusal_of(const v1::LinkHello& hello, std::string_view cluster_id,
                                     std::string_view self, const known_nodes& known,
                                     bool certified) {
  if (!is_name(hello.name()))
    return make_error(ec::malformed_request, "a link's hello must name its node");
  if (hello.protocol() < protocol_min || hello.protocol_min() > protocol)
    return make_error(ec::unsupported,
                      fmt::format("node {} speaks link protocols {} to {}, node {} {} to {}: "
                                  "upgrade node {}, one version at a time",
                                  hello.name(), hello.protocol_min(), hello.protocol(), self,
                                  protocol_min, protocol,
                                  hello.protocol() < protocol_min ? hello.name() : self));
  if (hello.cluster_id() != cluster_id)
    return make_error(ec::forbidden,
                      fmt::format("node {} is of another cluster: give it the database of this "
                                  "one, or another address to join at",
                                  hello.name()));
  if (!certified)
    return make_error(ec::forbidden,
                      fmt::format("the certificate is not that of node {}: issue one with "
                                  "`troupe cluster ca issue {}`",
                                  hello.name(), hello.name()));
  if (hello.name() == self)
    return make_error(ec::conflict, fmt::format("another node has the name {} already: give one "
                                                "of them another name",
                                                self));
  auto found = known.find(hello.name());
  if (found == known.end() || found->second.incarnation < hello.incarnation())
    return std::nullopt;
  if (found->second.incarnation > hello.incarnation() || !found->second.present)
    return make_error(ec::fenced, fmt::format("incarnation {} of node {} is no member any more: "
                                              "it joins again by itself, or restart it",
                                              hello.incarnation(), hello.name()));
  return std::nullopt;
}

} // namespace troupe::link
