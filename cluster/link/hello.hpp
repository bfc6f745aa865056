// Whom a link may be made with. Pure.
#pragma once

#include "messages/error.hpp"
#include "troupe/v1/cluster.pb.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::link {

/// The protocol that this version speaks, and the oldest one that it understands.
inline constexpr std::int32_t protocol = 1;
inline constexpr std::int32_t protocol_min = 1;

/// What is known of a node by the last view.
struct known_node {
  std::int64_t incarnation = 0;
  bool present = false; // up, or leaving
  std::string address;
};
using known_nodes = std::map<std::string, known_node, std::less<>>;

/// The protocol of a link with who said this, once it was agreed with.
inline std::int32_t spoken_with(const v1::LinkHello& said) {
  return said.protocol() < protocol ? said.protocol() : protocol;
}

/// Of all nodes of a view but `self`.
known_nodes nodes_of(const v1::ClusterView& view, std::string_view self);

/// Why there can be no link with who said this, as a sentence that says what to do; nothing when
/// there can. `certified` says whether the peer's certificate is of this name.
std::optional<caf::error> refusal_of(const v1::LinkHello& hello, std::string_view cluster_id,
                                     std::string_view self, const known_nodes& known,
                                     bool certified);

} // namespace troupe::link
