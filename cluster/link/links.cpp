#include "cluster/link/links.hpp"

#include "cluster/link/hub.hpp"

#include <boost/asio/post.hpp>

#include <fmt/format.h>

#include <future>
#include <mutex>

namespace troupe {

namespace {

using namespace link;

constexpr int backlog = 1'024;
constexpr std::chrono::seconds answer_limit{1};

/// The hub and its thread: shared by the listener and the links' actor, whichever lasts longer.
class machine {
public:
  machine(hub_options options, std::shared_ptr<io_thread> io,
          std::unique_ptr<stream_factory> streams, tcp::acceptor acceptor) :
      io_(std::move(io)), hub_(std::move(options), io_, std::move(streams), std::move(acceptor)) {}
  ~machine() { stop(); }

  void start(caf::actor_system& system) {
    asio::post(io_->context(), [this] { hub_.start(); });
    io_->start(system);
  }
  void stop() {
    std::lock_guard guard{mutex_};
    io_->stop([this] { hub_.stop(); });
  }
  void view(const ClusterView& news) {
    asio::post(io_->context(), [this, news] { hub_.view(news); });
  }
  caf::expected<Links> links() {
    auto answer = std::make_shared<std::promise<Links>>();
    auto got = answer->get_future();
    asio::post(io_->context(), [this, answer] { answer->set_value(hub_.links()); });
    if (got.wait_for(answer_limit) != std::future_status::ready)
      return make_error(ec::deadline_exceeded, "the links' thread is busy; try again later");
    return got.get();
  }

private:
  std::mutex mutex_; // of `stop`
  std::shared_ptr<io_thread> io_;
  hub hub_;
};

/// It has a thread of its own: it may wait for that of the links.
struct links_state {
  static inline const char* name = "links";
};

links_actor::behavior_type links(self_pointer<links_actor, links_state> self,
                                 std::shared_ptr<machine> all) {
  self->attach_functor([all] { all->stop(); });
  return {
      [all](const ClusterView& news) { all->view(news); },
      [all](const GetLinks&) -> caf::result<Links> {
        auto got = all->links();
        if (!got)
          return std::move(got.error());
        return std::move(*got);
      },
  };
}

class listener final : public link_listener {
public:
  listener(std::unique_ptr<stream_factory> streams, const link_limits& limits) :
      limits_(limits), streams_(std::move(streams)), acceptor_(io_->context()) {}

  caf::error listen(const std::string& at) {
    auto wrong = [&](const std::string& why) {
      return make_error(ec::config_invalid, "cluster.listen: " + why);
    };
    auto where = parse_endpoint(at);
    if (!where)
      return wrong(describe(where.error()));
    if (streams_->plain() && !where->address().is_loopback())
      return wrong(at
                   + " can be reached from other machines, and links there need TLS: make "
                     "certificates with `troupe cluster ca init` and `troupe cluster ca issue`, "
                     "or listen at 127.0.0.1");
    error_code e;
    acceptor_.open(where->protocol(), e);
    if (!e)
      acceptor_.set_option(tcp::acceptor::reuse_address{true}, e);
    if (!e)
      acceptor_.bind(*where, e);
    if (!e)
      acceptor_.listen(backlog, e);
    if (e == asio::error::address_in_use)
      return wrong(at + " is in use: stop what listens there, or give another port");
    if (e)
      return wrong(at + ": " + e.message()
                   + ". Give an address of this machine and a port you may use");
    auto bound = acceptor_.local_endpoint();
    auto host = bound.address().to_string();
    if (bound.address().is_v6())
      host = "[" + host + "]";
    address_ = fmt::format("{}:{}", host, bound.port());
    return {};
  }

  const std::string& address() const override { return address_; }

  links_actor start(links_options options) override {
    auto host = options.host;
    hub_options all{std::move(options), limits_, address_};
    auto made =
        std::make_shared<machine>(std::move(all), io_, std::move(streams_), std::move(acceptor_));
    auto actor = troupe::spawn<caf::detached>(host, links, made);
    made->start(*host.system);
    return actor;
  }

private:
  link_limits limits_;
  std::shared_ptr<io_thread> io_ = std::make_shared<io_thread>();
  std::unique_ptr<stream_factory> streams_;
  tcp::acceptor acceptor_;
  std::string address_;
};

} // namespace

caf::expected<std::shared_ptr<link_listener>>
link_listener::open(const std::string& listen, const link_tls& tls, const link_limits& limits) {
  auto streams = make_streams(tls);
  if (!streams)
    return std::move(streams.error());
  auto made = std::make_shared<listener>(std::move(*streams), limits);
  if (auto err = made->listen(listen))
    return err;
  return std::shared_ptr<link_listener>{std::move(made)};
}

} // namespace troupe
