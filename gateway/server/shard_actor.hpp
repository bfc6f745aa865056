// The actors through which messages come to an I/O shard.
#pragma once

#include "gateway/server/shard.hpp"

namespace troupe::gateway {

class shard_actor : public caf::monitorable_actor {
public:
  shard_actor(caf::actor_config& cfg, std::shared_ptr<shard_inbox> inbox) :
      monitorable_actor(cfg), inbox_(std::move(inbox)) {}

  using caf::monitorable_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit*) override {
    inbox_->deliver(*this, std::move(element));
  }
  const char* name() const override { return "io_shard"; }

private:
  std::shared_ptr<shard_inbox> inbox_;
};

/// The actor of one `open_mailbox`. All but `enqueue` on the shard's thread.
class mailbox_actor final : public shard_actor {
public:
  mailbox_actor(caf::actor_config& cfg, std::shared_ptr<shard_inbox> inbox,
                std::function<void(caf::message&)> handler) :
      shard_actor(cfg, std::move(inbox)), handler_(std::move(handler)) {}

  const char* name() const override { return "io_mailbox"; }

  using shard_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override;
  void handle(caf::mailbox_element_ptr element);
  void close();

private:
  std::function<void(caf::message&)> handler_;
  std::atomic<std::uint32_t> waiting_{0};
  std::atomic<bool> overflowed_{false};
  bool open_ = true;
};

caf::strong_actor_ptr make_asker(const actor_host& host, std::shared_ptr<shard_inbox> inbox);
caf::strong_actor_ptr make_mailbox_actor(const actor_host& host, std::shared_ptr<shard_inbox> inbox,
                                         std::function<void(caf::message&)> handler);

/// Tells who monitors it that it is gone. CAF keeps no registered actor alive for us then.
void end_shard_actor(const caf::strong_actor_ptr& actor);

} // namespace troupe::gateway
