// A reply of the demo as it is given: at its pace, in process.
#pragma once

#include "gateway/server/io_shard.hpp"
#include "gateway/upstream/demo_reply.hpp"

#include <chrono>
#include <string>

namespace troupe::gateway {

/// Says a reply token by token. Only on its shard's thread, and gone before the shard is. Thousands
/// may run at once: no coroutine, and a timer of the shard's wheel.
class demo_run : private timer {
public:
  demo_run(io_shard& shard, demo_reply reply, const demo_options& options);

  /// The first token is due after the latency.
  void begin() { wait(); }

protected:
  /// Called with what is due, which may be several tokens, and whether that was all. May destroy
  /// this.
  virtual void said(std::string text, bool ended) = 0;

  const demo_reply& reply() const { return reply_; }

private:
  using clock = std::chrono::steady_clock;

  void wait();
  void expired() override;

  io_shard& shard_;
  demo_reply reply_;
  clock::time_point due_;
  clock::duration between_{};
};

} // namespace troupe::gateway
