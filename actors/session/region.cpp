#include "actors/session/region.hpp"

#include "actors/session/ids.hpp"
#include "messages/id.hpp"
#include "messages/log.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe {

namespace {

caf::error no_such_conversation() {
  return make_error(ec::not_found, "there is no such conversation");
}

bool may_see(const v1::Context& context, const v1::Conversation& conversation) {
  return context.admin() || context.principal_id().empty()
         || context.principal_id() == conversation.owner_id();
}

} // namespace

// Sessions do not outlive their region: the state after this one would not know them.
session_region_state::~session_region_state() {
  for (auto& [id, x] : entries_)
    if (x.session)
      caf::anon_send_exit(x.session, caf::exit_reason::user_shutdown);
  if (options_.live)
    *options_.live -= static_cast<std::int64_t>(live_);
}

void session_region_state::start(session_region_options options) {
  options_ = std::move(options);
  if (!options_.session.alarms)
    options_.session.alarms = alarms::make(options_.host);
  session_options_ = std::make_shared<const session_options>(options_.session);
  set_timer(sweep_tick, options_.sweep_ms);
  if (options_.resumes)
    resume_more();
}

void session_region_state::set_timer(tick_kind kind, std::int64_t after_ms) {
  v1::Tick tick;
  tick.set_kind(kind);
  self_->delayed_send(self_, std::chrono::milliseconds{after_ms}, Tick{std::move(tick)});
}

std::chrono::milliseconds session_region_state::store_limit() const {
  return std::chrono::milliseconds{options_.session.store_limit_ms};
}

// -- for one session --------------------------------------------------------

template <class Answer, class... Args>
caf::result<Answer> session_region_state::forward(const std::string& id, Args... args) {
  if (!is_id(id))
    return no_such_conversation();
  auto* x = find(id);
  if (x != nullptr && x->session && !x->leaving) {
    touch(*x);
    return self_->delegate(x->session, std::move(args)...);
  }
  owed<Answer> answer{self_->make_response_promise<Answer>()};
  auto promise = answer.promise();
  deliver(id, [answer = std::move(answer), ... args = std::move(args)](const session_actor& session,
                                                                       const caf::error& err) {
    if (err)
      answer.fail(err);
    else
      answer.pass_to(session, args...);
  });
  return promise;
}

caf::result<TurnAccepted> session_region_state::post(const PostMessage& message) {
  if (options_.session.counters->draining)
    return make_error(ec::draining, "the node is going away; send the message again in a moment");
  const auto& key = message->create_if_missing().session_key();
  if (message->conversation_id().empty() && !key.empty())
    return forward<TurnAccepted>(conversation_id_of(key), message);
  return forward<TurnAccepted>(message->conversation_id(), message);
}

caf::result<Turn> session_region_state::subscribe(const SubscribeTurn& query,
                                                  const turn_sink_actor& sink) {
  return forward<Turn>(query->conversation_id(), query, sink);
}

void session_region_state::unsubscribe(const UnsubscribeTurn& query, const turn_sink_actor& sink) {
  auto* x = find(query->conversation_id());
  if (x != nullptr && x->session && !x->leaving)
    self_->send(x->session, query, sink);
}

caf::result<Turn> session_region_state::stop(const StopTurn& command) {
  return forward<Turn>(command->conversation_id(), command);
}

caf::result<Done> session_region_state::resume(const ResumeTurn& command) {
  return forward<Done>(command->turn().conversation_id(), command);
}

caf::result<Conversation> session_region_state::update(const UpdateConversation& command) {
  return forward<Conversation>(command->conversation_id(), command);
}

caf::result<Done> session_region_state::remove(const DeleteConversation& command) {
  return forward<Done>(command->conversation_id(), command);
}

// -- for any conversation ---------------------------------------------------

caf::result<Conversation> session_region_state::get(const GetConversation& query) {
  owed<Conversation> answer{self_->make_response_promise<Conversation>()};
  auto promise = answer.promise();
  self_->request(options_.session.store, store_limit(), query)
      .then(
          [answer, query](const Conversation& found) {
            if (may_see(query->context(), *found))
              answer.give(found);
            else
              answer.fail(no_such_conversation());
          },
          [answer](const caf::error& err) { answer.fail(err); });
  return promise;
}

caf::result<Conversation> session_region_state::create(const CreateConversation& command) {
  auto wanted = *command;
  auto& made = *wanted.mutable_conversation();
  if (auto err = check_settings(made, {}))
    return err;
  const auto& context = wanted.context();
  if (!context.admin() && !context.principal_id().empty())
    made.set_owner_id(context.principal_id());
  if (!made.session_key().empty())
    made.set_id(conversation_id_of(made.session_key()));
  else if (made.id().empty())
    made.set_id(new_id(options_.session.clock->now_us()));
  else if (!is_id(made.id()))
    return make_error(ec::invalid_argument, "a conversation's id is a UUID in lower case");
  made.clear_leaf_id();
  made.clear_message_count();
  made.set_created_us(options_.session.clock->now_us());
  made.set_updated_us(made.created_us());
  return self_->delegate(options_.session.store, CreateConversation{std::move(wanted)});
}

caf::result<ConversationPage> session_region_state::list(const ListConversations& query) {
  const auto& context = query->context();
  if (context.admin() || context.principal_id().empty()
      || context.principal_id() == query->owner_id())
    return self_->delegate(options_.session.store, query);
  auto own = *query;
  own.set_owner_id(context.principal_id());
  return self_->delegate(options_.session.store, ListConversations{std::move(own)});
}

caf::result<MessagePage> session_region_state::messages(const ListMessages& query) {
  if (query->context().admin() || query->context().principal_id().empty())
    return self_->delegate(options_.session.store, query);
  owed<MessagePage> answer{self_->make_response_promise<MessagePage>()};
  auto promise = answer.promise();
  v1::GetConversation whose;
  *whose.mutable_context() = query->context();
  whose.set_conversation_id(query->conversation_id());
  self_->request(options_.session.store, store_limit(), GetConversation{std::move(whose)})
      .then(
          [this, answer, query](const Conversation& found) {
            if (may_see(query->context(), *found))
              answer.pass_to(options_.session.store, query);
            else
              answer.fail(no_such_conversation());
          },
          [answer](const caf::error& err) { answer.fail(err); });
  return promise;
}

// -- operators --------------------------------------------------------------

caf::result<RegionStatus> session_region_state::status() const {
  v1::RegionStatus status;
  status.set_sessions_live(static_cast<std::int64_t>(live_));
  status.set_turns_running(options_.session.counters->turns_running);
  status.set_turns_queued(options_.session.counters->turns_queued);
  return RegionStatus{std::move(status)};
}

caf::result<Done> session_region_state::drain(const DrainRegion& command) {
  options_.session.counters->draining = true;
  auto now = options_.session.clock->now_us();
  auto deadline =
      command->deadline_us() > 0 ? command->deadline_us() : now + options_.drain_default_ms * 1'000;
  drain_deadline_us_ = drainers_.empty() ? deadline : std::min(drain_deadline_us_, deadline);
  owed<Done> answer{self_->make_response_promise<Done>()};
  auto promise = answer.promise();
  drainers_.push_back(std::move(answer));
  check_drained();
  return promise;
}

void session_region_state::check_drained() {
  if (drainers_.empty())
    return;
  if (options_.session.counters->turns_running > 0
      && options_.session.clock->now_us() < drain_deadline_us_) {
    set_timer(drain_tick, 20);
    return;
  }
  for (const auto& drainer : drainers_)
    drainer.give(Done{});
  drainers_.clear();
}

// -- unfinished turns -------------------------------------------------------

void session_region_state::resume_more() {
  v1::ListUnfinishedTurns query;
  query.set_limit(options_.resume_page);
  if (options_.session.claim.epoch() != 0)
    query.set_shard(options_.session.claim.shard());
  query.set_after_id(resume_after_);
  self_->request(options_.session.store, store_limit(), ListUnfinishedTurns{std::move(query)})
      .then([this](const TurnPage& page) { resume_page(*page); },
            [this](const caf::error& err) {
              log_warn("resume_list_failed", {{"error", describe(err)}});
              auto wait = std::min<std::int64_t>(100 << std::min(resume_failures_++, 6), 5'000);
              set_timer(resume_tick, wait);
            });
}

void session_region_state::resume_page(const v1::TurnPage& page) {
  resume_failures_ = 0;
  resume_done_ = page.turns_size() < options_.resume_page;
  if (page.turns_size() > 0) {
    resume_after_ = page.turns().rbegin()->id();
    log_info("turns_resumed", {{"count", page.turns_size()}});
  }
  resuming_ = page.turns_size();
  for (const auto& turn : page.turns()) {
    v1::ResumeTurn command;
    *command.mutable_turn() = turn;
    deliver(turn.conversation_id(), [this, command = ResumeTurn{std::move(command)}](
                                        const session_actor& session, const caf::error& err) {
      if (err) {
        resume_answered();
        return;
      }
      // A session that cannot load goes on trying by itself.
      self_->request(session, std::chrono::seconds{60}, command)
          .then([this](const Done&) { resume_answered(); },
                [this](const caf::error&) { resume_answered(); });
    });
  }
}

void session_region_state::resume_answered() {
  if (--resuming_ == 0 && !resume_done_ && !options_.session.counters->draining)
    resume_more();
}

void session_region_state::tick(const Tick& timer) {
  if (timer->kind() == sweep_tick)
    sweep();
  else if (timer->kind() == resume_tick)
    resume_more();
  else if (timer->kind() == drain_tick)
    check_drained();
}

with_timer<session_region_actor>::behavior_type session_region(session_region_state::pointer self,
                                                               session_region_options options) {
  self->set_down_handler([self](caf::down_msg& x) { self->state.down(x); });
  self->state.start(std::move(options));
  auto& state = self->state;
  return {
      [&state](const PostMessage& x) { return state.post(x); },
      [&state](const SubscribeTurn& x, const turn_sink_actor& sink) {
        return state.subscribe(x, sink);
      },
      [&state](const UnsubscribeTurn& x, const turn_sink_actor& sink) {
        state.unsubscribe(x, sink);
      },
      [&state](const StopTurn& x) { return state.stop(x); },
      [&state](const ResumeTurn& x) { return state.resume(x); },
      [&state](const GetConversation& x) { return state.get(x); },
      [&state](const UpdateConversation& x) { return state.update(x); },
      [&state](const DeleteConversation& x) { return state.remove(x); },
      [&state](const CreateConversation& x) { return state.create(x); },
      [&state](const ListConversations& x) { return state.list(x); },
      [&state](const ListMessages& x) { return state.messages(x); },
      [&state](const GetRegionStatus&) { return state.status(); },
      [&state](const DrainRegion& x) { return state.drain(x); },
      [&state](const Tick& x) { state.tick(x); },
  };
}

} // namespace troupe
