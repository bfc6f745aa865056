#include "cluster/peer_service.hpp"

#include "cluster/tools/tool_desk.hpp"
#include "messages/id.hpp"
#include "messages/log.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::int64_t limit_ms_max = 60'000;

struct reporter_state {
  static inline const char* name = "node_reporter";
};

// Reports ask the node's own parts and wait for them.
peer_actor::behavior_type reporter(self_pointer<peer_actor, reporter_state>,
                                   std::function<v1::NodeReport(const v1::GetNodeReport&)> report) {
  auto answer = [report = std::move(report)](const RemoteRequest& request) {
    v1::RemoteAnswer out;
    *out.mutable_report() = report(request->report());
    return RemoteAnswer{std::move(out)};
  };
  return {
      [answer](const RemoteRequest& x) { return answer(x); },
      [answer](const RemoteRequest& x, const turn_sink_actor&) { return answer(x); },
  };
}

caf::error unsupported(std::string what) { return make_error(ec::unsupported, std::move(what)); }

} // namespace

peer_service_state::~peer_service_state() {
  if (reporter_)
    caf::anon_send_exit(reporter_, caf::exit_reason::user_shutdown);
}

void peer_service_state::start(peer_service_options options) {
  options_ = std::move(options);
  if (options_.report)
    reporter_ = troupe::spawn<caf::detached>(options_.host, reporter, options_.report);
}

caf::result<RemoteAnswer> peer_service_state::serve(const RemoteRequest& request,
                                                    const turn_sink_actor& sink) {
  switch (request->what_case()) {
    case v1::RemoteRequest::kCountTokens:
      return count(request->count_tokens(), request->limit_ms());
    case v1::RemoteRequest::kReport:
      if (!reporter_)
        return unsupported("this node makes no reports");
      return self_->delegate(reporter_, request);
    case v1::RemoteRequest::kShardsChanged:
      self_->send(options_.membership, ShardsChanged{request->shards_changed()});
      return RemoteAnswer{};
    case v1::RemoteRequest::kKeyRevoked:
      key_revoked(request->key_revoked());
      return RemoteAnswer{};
    case v1::RemoteRequest::kOutboxChanged:
      outbox_changed(request->outbox_changed());
      return RemoteAnswer{};
    case v1::RemoteRequest::kRulesetsChanged:
      rulesets_changed(request->rulesets_changed().kind());
      return RemoteAnswer{};
    case v1::RemoteRequest::WHAT_NOT_SET:
      return unsupported("this node does not know such a request: it has another version");
    default:
      if (sink)
        return self_->delegate(options_.region, request, sink);
      return self_->delegate(options_.region, request);
  }
}

caf::result<RemoteAnswer> peer_service_state::count(const v1::CountTokens& query,
                                                    std::int64_t limit_ms) {
  if (!options_.tokenizer)
    return unsupported("this node counts no tokens: it has not the role tools");
  auto limit = std::chrono::milliseconds{std::clamp<std::int64_t>(limit_ms, 1, limit_ms_max)};
  auto own = query;
  // Who asked waits no longer: by this node's clock, as the other one's is not known.
  own.mutable_context()->set_deadline_us(options_.clock->now_us()
                                         + std::chrono::microseconds{limit}.count());
  return serve_tool<token_counting>(self_, options_.tokenizer, options_.places,
                                    CountTokens{std::move(own)}, limit);
}

void peer_service_state::key_revoked(const v1::RevokeApiKey& news) {
  if (!is_id(news.id()))
    return;
  v1::KeyRevoked out;
  out.set_id(news.id());
  self_->send(options_.keyring, KeyRevoked{std::move(out)});
}

// It is told to nobody else from here, whatever the other node said.
void peer_service_state::outbox_changed(const v1::OutboxChanged& news) {
  if (news.channel().empty())
    return;
  auto out = news;
  out.set_told(true);
  self_->send(options_.outbox, OutboxChanged{std::move(out)});
}

void peer_service_state::rulesets_changed(v1::RulesetKind kind) {
  v1::RulesetsChanged out;
  out.set_kind(kind);
  out.set_told(true);
  RulesetsChanged message{std::move(out)};
  if (kind == v1::RULESET_KIND_LEXICON && options_.lexicons)
    self_->send(options_.lexicons, message);
  if (kind == v1::RULESET_KIND_KEYWORDS && options_.keyword_sets)
    self_->send(options_.keyword_sets, message);
}

peer_actor::behavior_type peer_service(peer_service_state::pointer self,
                                       peer_service_options options) {
  auto& st = self->state;
  st.start(std::move(options));
  return {
      [&st](const RemoteRequest& x) { return st.serve(x, {}); },
      [&st](const RemoteRequest& x, const turn_sink_actor& sink) { return st.serve(x, sink); },
  };
}

} // namespace troupe
