#include "tests/support/upstream_fixture.hpp"

#include <sstream>

namespace troupe::test {

using namespace gateway;
using std::chrono::milliseconds;

model_router_actor::behavior_type fake_router(self_pointer<model_router_actor, fake_router_state>,
                                              fake_router_options options) {
  return {
      [options](const GetRoute& query) -> caf::result<Route> {
        auto found = options.routes.find(query->model());
        if (found == options.routes.end())
          return make_error(ec::model_not_found, "no upstream serves " + query->model());
        return Route{found->second};
      },
      [options](const ReportOutcome& outcome) {
        std::lock_guard guard{options.log->mutex};
        options.log->outcomes.push_back(outcome);
      },
      [options](const ListModels&) -> ModelList {
        v1::ModelList list;
        for (const auto& [model, route] : options.routes) {
          auto* info = list.add_models();
          info->set_id(model);
          info->set_owned_by("test");
        }
        return list;
      },
  };
}

tokenizer_actor::behavior_type fake_tokenizer(self_pointer<tokenizer_actor, fake_tokenizer_state>) {
  return {[](const CountTokens& query) -> TokensCounted {
    v1::TokensCounted counted;
    for (const auto& text : query->texts()) {
      std::istringstream words{text};
      std::string word;
      std::int64_t count = 0;
      while (words >> word)
        ++count;
      counted.add_counts(count);
      counted.set_total(counted.total() + count);
    }
    return counted;
  }};
}

v1::Route route_to(const std::vector<std::pair<std::string, std::string>>& targets) {
  v1::Route route;
  for (const auto& [deployment, model] : targets) {
    auto* target = route.add_targets();
    target->set_deployment(deployment);
    target->set_upstream_model(model);
  }
  return route;
}

upstream_fixture::upstream_fixture() {
  io = std::make_unique<shard>(host, 0);
  io->start();
  router = troupe::spawn(host, fake_router, fake_router_options{log, {}});
}

upstream_fixture::~upstream_fixture() {
  if (calls)
    on_shard([&] { calls->close(); });
  io->stop();
  calls.reset();
  io.reset();
}

void upstream_fixture::serve(std::vector<config::upstream_section> sections,
                             std::shared_ptr<resolver> dns) {
  on_shard([&] {
    upstreams_options options;
    options.sections = std::move(sections);
    options.router = router;
    options.dns = std::move(dns);
    calls = make_upstreams(*io, std::move(options));
  });
}

config::upstream_section upstream_fixture::section(std::string name, std::string base_url) {
  config::upstream_section s;
  s.name = std::move(name);
  s.base_url = std::move(base_url);
  s.allow_private = true;
  s.connect_limit_ms = 5'000;
  s.first_byte_limit_ms = 5'000;
  s.idle_limit_ms = 5'000;
  return s;
}

void upstream_fixture::on_shard(std::function<void()> f) {
  std::promise<void> done;
  asio::post(io->context(), [&] {
    f();
    done.set_value();
  });
  done.get_future().wait();
}

asio::awaitable<upstream_fixture::result>
upstream_fixture::call_on_shard(v1::Route route, std::string body, std::string accept,
                                std::shared_ptr<cancellation> stop) {
  result r;
  auto began = std::chrono::steady_clock::now();
  upstream_call request;
  request.path = "/chat/completions";
  request.accept = accept;
  request.request_id = "request-1";
  request.body_for = [&](const v1::RouteTarget& target, const config::upstream_section&) {
    auto text = body;
    if (auto at = text.find("MODEL"); at != std::string::npos)
      text.replace(at, 5, target.upstream_model());
    return upstream_body{text};
  };
  auto answer = co_await calls->call(route, std::move(request), *stop);
  if (answer) {
    r.status = (*answer)->status();
    r.deployment = (*answer)->deployment();
    r.model = (*answer)->upstream_model();
    r.retry_after = (*answer)->header("retry-after");
    for (;;) {
      auto piece = co_await (*answer)->read();
      if (!piece) {
        r.read_error = info(piece.error()).code;
        r.text = describe(piece.error());
      }
      if (!piece || piece->empty())
        break;
      r.body += *piece;
    }
  } else {
    r.error = info(answer.error()).code;
    r.text = describe(answer.error());
  }
  r.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  co_return r;
}

upstream_fixture::result upstream_fixture::call(const v1::Route& route, std::string body,
                                                std::string accept) {
  auto stop = std::make_shared<cancellation>();
  return run(call_on_shard(route, std::move(body), std::move(accept), stop));
}

std::future<upstream_fixture::result> upstream_fixture::begin(const v1::Route& route,
                                                              std::shared_ptr<cancellation> stop) {
  auto done = std::make_shared<std::promise<result>>();
  auto future = done->get_future();
  auto all = [](asio::awaitable<result> inner,
                std::shared_ptr<std::promise<result>> to) -> asio::awaitable<void> {
    to->set_value(co_await std::move(inner));
  };
  asio::co_spawn(io->context(), all(call_on_shard(route, "{}", "*/*", std::move(stop)), done),
                 asio::detached);
  return future;
}

} // namespace troupe::test
