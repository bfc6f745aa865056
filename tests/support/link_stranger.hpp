// Somebody who connects to a node's links, byte by byte: no node, or one that does wrong.
#pragma once

#include "troupe/v1/cluster.pb.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::test {

class link_stranger {
public:
  /// Connects to the port of this machine; throws when nobody listens.
  explicit link_stranger(std::uint16_t port);
  ~link_stranger();
  link_stranger(link_stranger&& other) noexcept;
  link_stranger& operator=(link_stranger&&) = delete;

  /// False: the other side is gone.
  bool send_bytes(std::string_view bytes);
  bool send(const v1::LinkFrame& frame);
  /// The next frame; nothing when none came in time, or the other side closed.
  std::optional<v1::LinkFrame> read(std::chrono::milliseconds limit = std::chrono::seconds{5});
  /// The next frame that is no beat.
  std::optional<v1::LinkFrame> read_past_beats();
  /// Waits for the other side's end; false when it stays open for longer.
  bool closed(std::chrono::milliseconds limit = std::chrono::seconds{5});

  /// Says this hello, reads the other's, and beats once: after that it is a node.
  bool agree(const v1::LinkFrame& hello);

private:
  bool fill(std::chrono::milliseconds limit);

  int fd_ = -1;
  std::string in_;
  bool ended_ = false;
};

/// As node `name` of the cluster "cluster" says it.
v1::LinkFrame link_hello(const std::string& name, std::int64_t incarnation = 1);
v1::LinkFrame link_beat();
std::string frame_of(std::string_view body);

} // namespace troupe::test
