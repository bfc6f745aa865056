#include "gateway/server/server.hpp"

#include "gateway/server/connection.hpp"
#include "gateway/server/listener.hpp"
#include "gateway/server/static_files.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace troupe::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto stop_limit = 3s;    // for coroutines to see that their connections are gone
constexpr auto goodbye_limit = 2s; // for WebSockets
constexpr auto look_every = 10ms;

std::size_t shard_count(const config::gateway_section& config) {
  if (config.shards > 0)
    return static_cast<std::size_t>(config.shards);
  return std::max<std::size_t>(1, std::thread::hardware_concurrency() / 2);
}

head_limits limits_of(const config::gateway_section& config) {
  head_limits limits;
  limits.bytes_max = static_cast<std::size_t>(config.header_bytes_max);
  limits.fields_max = static_cast<std::size_t>(config.headers_max);
  return limits;
}

} // namespace

class server::impl {
public:
  impl(server_options options, actor_host host, gateway_probe& probe) :
      core_{std::move(options.config), {}, {}, probe, host, options.access_log} {
    core_.limits = limits_of(core_.config);
    for (std::size_t i = 0; i < shard_count(core_.config); ++i) {
      shards_.push_back(std::make_unique<shard>(host, i));
      sites_.push_back(std::make_unique<shard_site>(shard_site{core_, *shards_.back()}));
    }
    for (auto& s : shards_)
      s->start();
  }

  ~impl() { stop(); }

  caf::error start(router routes) {
    core_.routes = std::move(routes);
    for (const auto* options : core_.routes.all())
      core_.route_probes[options] = &core_.probe.route(options->name);
    core_.other = &core_.probe.route("other");
    try {
      const auto& config = core_.config;
      core_.doors = std::make_unique<admissions>(config, core_.probe);
      if (config.tls_certificate.empty() != config.tls_key.empty())
        throw std::runtime_error("gateway.tls_certificate and gateway.tls_key go together: give "
                                 "both, or none for plain HTTP");
      if (!config.tls_certificate.empty())
        core_.tls = std::make_unique<tls_context>(config.tls_certificate, config.tls_key);
      if (!config.static_dir.empty())
        core_.files = std::make_unique<static_files>(config.static_dir);
      listener_ = std::make_unique<listener>(core_, sites_);
    } catch (const std::exception& e) {
      return make_error(ec::config_invalid, e.what());
    }
    return {};
  }

  const listener* ears() const { return listener_.get(); }

  std::vector<io_shard*> shards() const {
    std::vector<io_shard*> all;
    for (const auto& s : shards_)
      all.push_back(s.get());
    return all;
  }

  void stop_ingress(std::chrono::milliseconds limit, std::function<void(bool)> done) {
    {
      std::lock_guard guard{mutex_};
      if (!drained_) {
        waiting_.push_back(std::move(done));
        if (!std::exchange(draining_, true))
          drain_thread_ = std::thread{[this, limit] { drain(limit); }};
        return;
      }
    }
    done(clean_);
  }

  void stop() {
    if (std::exchange(stopped_, true))
      return;
    core_.draining = true;
    if (listener_)
      listener_->close();
    {
      std::lock_guard guard{mutex_};
      hurry_ = true;
      hurry_up_.notify_all();
    }
    if (drain_thread_.joinable())
      drain_thread_.join();
    until_none(stop_limit, "stopping");
    for (auto& s : shards_)
      s->stop();
    core_.files.reset();
  }

private:
  struct census {
    std::size_t guests = 0;
    std::size_t busy = 0;
  };

  // Calls `f` for every guest on its shard, and counts them.
  template <class F>
  census visit(F f) {
    std::vector<std::future<census>> counts;
    for (auto& site : sites_) {
      auto done = std::make_shared<std::promise<census>>();
      counts.push_back(done->get_future());
      asio::post(site->io.context(), [&here = *site, f, done] {
        std::vector<guest*> all{here.guests.begin(), here.guests.end()};
        census seen{all.size(), 0};
        for (auto* g : all) {
          seen.busy += g->busy();
          f(*g);
        }
        done->set_value(seen);
      });
    }
    census sum;
    for (auto& c : counts) {
      auto one = c.get();
      sum.guests += one.guests;
      sum.busy += one.busy;
    }
    return sum;
  }

  // False if a stop is in a hurry.
  bool pause() {
    std::unique_lock lock{mutex_};
    return !hurry_up_.wait_for(lock, look_every, [this] { return hurry_; });
  }

  void until_none(std::chrono::milliseconds limit, const char* why) {
    auto until = std::chrono::steady_clock::now() + limit;
    while (visit([why](guest& g) { g.cut(why); }).guests > 0
           && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(look_every);
  }

  void drain(std::chrono::milliseconds limit) {
    auto until = std::chrono::steady_clock::now() + limit;
    core_.draining = true;
    if (listener_)
      listener_->close();
    auto left = visit([](guest& g) { g.drain(); });
    while (left.busy > 0 && std::chrono::steady_clock::now() < until && pause())
      left = visit([](guest& g) { g.drain(); });
    // WebSockets stay until nobody can have anything to say any more.
    visit([](guest& g) { g.cut("draining"); });
    auto goodbye = std::chrono::steady_clock::now() + goodbye_limit;
    while (visit([](guest&) {}).guests > 0 && std::chrono::steady_clock::now() < goodbye && pause())
      continue;
    std::vector<std::function<void(bool)>> waiting;
    {
      std::lock_guard guard{mutex_};
      drained_ = true;
      clean_ = left.busy == 0;
      waiting.swap(waiting_);
    }
    for (auto& done : waiting)
      done(clean_);
  }

  server_core core_;
  std::vector<std::unique_ptr<shard_site>> sites_;
  std::vector<std::unique_ptr<shard>> shards_; // before the sites, whose guests live on them
  std::unique_ptr<listener> listener_;
  std::thread drain_thread_;
  std::mutex mutex_;
  std::condition_variable hurry_up_;
  std::vector<std::function<void(bool)>> waiting_;
  bool hurry_ = false;
  bool draining_ = false;
  bool drained_ = false;
  bool clean_ = true;
  bool stopped_ = false;
};

server::server(server_options options, actor_host host, gateway_probe& probe) :
    impl_(std::make_unique<impl>(std::move(options), host, probe)) {}

server::~server() = default;

caf::error server::start(router routes) { return impl_->start(std::move(routes)); }

std::uint16_t server::port() const {
  return impl_->ears() == nullptr ? std::uint16_t{0} : impl_->ears()->port();
}

std::string server::address() const {
  return impl_->ears() == nullptr ? std::string{} : impl_->ears()->address();
}

std::vector<io_shard*> server::shards() const { return impl_->shards(); }

void server::stop_ingress(std::chrono::milliseconds limit, std::function<void(bool clean)> done) {
  impl_->stop_ingress(limit, std::move(done));
}

bool server::stop_ingress(std::chrono::milliseconds limit) {
  std::promise<bool> done;
  impl_->stop_ingress(limit, [&](bool clean) { done.set_value(clean); });
  return done.get_future().get();
}

void server::stop() { impl_->stop(); }

} // namespace troupe::gateway
