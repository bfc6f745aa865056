#include "gateway/server/shard_actor.hpp"

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/make_actor.hpp>
#include <caf/sec.hpp>
#include <caf/system_messages.hpp>

namespace troupe::gateway {

namespace {

constexpr std::uint32_t mailbox_waiting_max = 4'096;

class mailbox_handle final : public io_shard::mailbox {
public:
  explicit mailbox_handle(caf::strong_actor_ptr actor) : actor_(std::move(actor)) {}
  ~mailbox_handle() override { mailbox_handle::close(); }

  caf::strong_actor_ptr address() const override { return actor_; }
  void close() override { static_cast<mailbox_actor*>(actor_->get())->close(); }

private:
  caf::strong_actor_ptr actor_;
};

template <class Actor, class... Args>
caf::strong_actor_ptr make(const actor_host& host, Args... args) {
  caf::actor_config cfg;
  auto& system = *host.system;
  return caf::make_actor<Actor, caf::strong_actor_ptr>(system.next_actor_id(), system.node(),
                                                       &system, cfg, std::move(args)...);
}

} // namespace

caf::strong_actor_ptr make_asker(const actor_host& host, std::shared_ptr<shard_inbox> inbox) {
  return make<shard_actor>(host, std::move(inbox));
}

caf::strong_actor_ptr make_mailbox_actor(const actor_host& host, std::shared_ptr<shard_inbox> inbox,
                                         std::function<void(caf::message&)> handler) {
  return make<mailbox_actor>(host, std::move(inbox), std::move(handler));
}

void end_shard_actor(const caf::strong_actor_ptr& actor) {
  auto* self = static_cast<shard_actor*>(actor->get());
  // Having sent to another node puts an actor into the registry for good.
  actor->home_system->registry().erase(self->id());
  self->cleanup(caf::error{caf::exit_reason::normal}, nullptr);
}

void mailbox_actor::enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) {
  if (waiting_.fetch_add(1) < mailbox_waiting_max) {
    shard_actor::enqueue(std::move(element), unit);
    return;
  }
  waiting_.fetch_sub(1);
  if (!overflowed_.exchange(true)) {
    waiting_.fetch_add(1);
    shard_actor::enqueue(
        caf::make_mailbox_element(nullptr, caf::make_message_id(), {},
                                  make_error(ec::overloaded, "the I/O shard could not keep up")),
        unit);
  }
}

void mailbox_actor::handle(caf::mailbox_element_ptr element) {
  waiting_.fetch_sub(1);
  if (!open_) {
    if (element->sender != nullptr && element->mid.is_request())
      element->sender->enqueue(nullptr, element->mid.response_id(),
                               caf::make_message(caf::make_error(caf::sec::request_receiver_down)),
                               nullptr);
    return;
  }
  if (element->content().match_elements<caf::exit_msg>()) {
    close();
    return;
  }
  // The handler may close the mailbox, and must outlive that.
  auto handler = std::move(handler_);
  auto content = element->move_content_to_message();
  try {
    handler(content);
  } catch (const std::exception& e) {
    log_error("io_mailbox_handler_threw", {{"error", e.what()}});
  }
  if (!open_)
    return;
  handler_ = std::move(handler);
  if (content.match_elements<caf::error>())
    close();
}

void mailbox_actor::close() {
  if (!open_)
    return;
  open_ = false;
  handler_ = nullptr;
  end_shard_actor(caf::strong_actor_ptr{ctrl()});
}

std::shared_ptr<io_shard::mailbox> shard::open_mailbox(std::function<void(caf::message&)> handler) {
  return std::make_shared<mailbox_handle>(make_mailbox_actor(host_, inbox_, std::move(handler)));
}

} // namespace troupe::gateway
