#include "gateway/ops/ops_server.hpp"

#include "config/forms.hpp"
#include "gateway/ops/connections.hpp"
#include "gateway/ops/engine.hpp"
#include "gateway/ops/metrics.hpp"
#include "gateway/ops/routes.hpp"
#include "gateway/ops/worker_pool.hpp"
#include "messages/error.hpp"
#include "messages/log.hpp"

#include <algorithm>

namespace troupe::gateway::ops {

namespace {

connection_limits limits_of(const options& settings) {
  connection_limits result;
  result.frame.body_bytes_max = settings.body_bytes_max;
  result.connections_max = settings.connections_max;
  result.read_limit = std::chrono::milliseconds{settings.read_limit_ms};
  return result;
}

std::vector<std::shared_ptr<prometheus::Collectable>>
with_own(std::vector<std::shared_ptr<prometheus::Collectable>> sources, const probes& all) {
  sources.push_back(std::make_shared<actor_metrics>(all));
  sources.push_back(std::make_shared<process_metrics>());
  return sources;
}

} // namespace

struct ops_server::impl {
  impl(options o, hooks node, const probes& all,
       std::vector<std::shared_ptr<prometheus::Collectable>> sources) :
      settings(std::move(o)),
      http(guard{settings.host, settings.token},
           make_routes(std::move(node), all, with_own(std::move(sources), all),
                       std::max<std::size_t>(settings.threads, 2) - 1)),
      sockets(
          limits_of(settings), [this](raw_request r) { serve(std::move(r)); },
          [](int status, const std::string& message) { return refusal_text(status, message); }) {}

  void serve(raw_request request) {
    auto id = request.connection;
    auto shared = std::make_shared<raw_request>(std::move(request));
    auto taken = workers->submit([this, id, shared] { sockets.answer(id, http.respond(*shared)); });
    if (!taken)
      sockets.answer(id, refusal_text(503, "too many requests wait; try again later"));
  }

  options settings;
  engine http;
  std::unique_ptr<worker_pool> workers;
  connections sockets;
};

ops_server::ops_server(options settings, hooks node, const probes& all,
                       std::vector<std::shared_ptr<prometheus::Collectable>> sources) :
    impl_(std::make_unique<impl>(std::move(settings), std::move(node), all, std::move(sources))) {}

ops_server::~ops_server() { stop(); }

caf::error ops_server::start() {
  const auto& s = impl_->settings;
  if (!config::is_loopback(s.host) && s.token.empty())
    return make_error(ec::config_invalid,
                      "ops.listen is not on loopback: set ops.token, or listen on 127.0.0.1");
  constexpr std::size_t waiting_for_each = 16;
  auto threads = std::max<std::size_t>(s.threads, 2);
  impl_->workers = std::make_unique<worker_pool>(threads, threads * waiting_for_each);
  if (auto err = impl_->sockets.start(s.host, s.port))
    return err;
  log_info("ops_listening", {{"url", url()}});
  return {};
}

std::uint16_t ops_server::port() const { return impl_->sockets.port(); }

std::string ops_server::url() const {
  return "http://" + config::to_string({impl_->settings.host, port()});
}

void ops_server::stop() {
  // Workers first: they answer into the sockets. Nothing is served once both have ended.
  if (impl_->workers)
    impl_->workers->stop();
  impl_->sockets.stop();
}

} // namespace troupe::gateway::ops
