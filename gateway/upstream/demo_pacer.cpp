#include "gateway/upstream/demo_pacer.hpp"

#include <utility>
#include <vector>

namespace troupe::gateway {

demo_pacer::ticket demo_pacer::start(demo_reply reply, const demo_options& options, listener tell) {
  run one{std::move(reply), std::move(tell), clock::now(), {}};
  one.due += std::chrono::milliseconds{options.latency_ms};
  if (options.tokens_per_s > 0)
    one.between = std::chrono::duration_cast<clock::duration>(
        std::chrono::duration<double>(1 / options.tokens_per_s));
  due_.emplace(one.due, ++last_);
  runs_.emplace(last_, std::move(one));
  arm();
  return last_;
}

void demo_pacer::stop(ticket of) {
  auto found = runs_.find(of);
  if (found == runs_.end())
    return;
  auto [first, last] = due_.equal_range(found->second.due);
  for (; first != last; ++first) {
    if (first->second == of) {
      due_.erase(first);
      break;
    }
  }
  auto let_go = std::move(found->second.tell);
  runs_.erase(found);
}

void demo_pacer::arm() {
  if (due_.empty())
    return;
  auto at = due_.begin()->first;
  if (auto running = timer_.lock()) {
    if (armed_for_ <= at)
      return;
    running->cancel();
  }
  auto timer = std::make_shared<asio::steady_timer>(io_, at);
  timer_ = timer;
  armed_for_ = at;
  timer->async_wait([self = shared_from_this(), timer](const auto& error) mutable {
    timer.reset();
    if (!error)
      self->on_time();
  });
}

void demo_pacer::on_time() {
  auto now = clock::now();
  std::vector<ticket> now_due;
  while (!due_.empty() && due_.begin()->first <= now) {
    now_due.push_back(due_.begin()->second);
    due_.erase(due_.begin());
  }
  for (auto of : now_due)
    give(of, now);
  timer_.reset();
  arm();
}

// A listener may stop any run while it is told, also its own.
void demo_pacer::give(ticket of, clock::time_point now) {
  auto found = runs_.find(of);
  if (found == runs_.end())
    return;
  auto& one = found->second;
  std::string text;
  bool ended = false;
  do {
    auto token = one.reply.next();
    ended = token.empty();
    text += token;
    one.due += one.between;
  } while (!ended && one.due <= now);
  if (!ended) {
    due_.emplace(one.due, of);
    auto tell = one.tell;
    tell(one.reply, std::move(text), false);
    return;
  }
  auto last = std::move(one);
  runs_.erase(found);
  last.tell(last.reply, std::move(text), true);
}

} // namespace troupe::gateway
