#include "gateway/upstream/demo_run.hpp"

#include <algorithm>
#include <utility>

namespace troupe::gateway {

demo_run::demo_run(io_shard& shard, demo_reply reply, const demo_options& options) :
    shard_(shard),
    reply_(std::move(reply)),
    due_(clock::now() + std::chrono::milliseconds{options.latency_ms}) {
  if (options.tokens_per_s > 0)
    between_ = std::chrono::duration_cast<clock::duration>(
        std::chrono::duration<double>(1 / options.tokens_per_s));
}

void demo_run::wait() {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - clock::now());
  shard_.set_timer(*this, std::max(left, std::chrono::milliseconds{0}));
}

void demo_run::expired() {
  auto now = clock::now();
  std::string text;
  bool ended = false;
  do {
    auto token = reply_.next();
    ended = token.empty();
    text += token;
    due_ += between_;
  } while (!ended && due_ <= now);
  if (!ended)
    wait();
  said(std::move(text), ended);
}

} // namespace troupe::gateway
