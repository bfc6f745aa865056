#include "actors/session/session.hpp"

#include "actors/session/gate.hpp"
#include "messages/log.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe {

namespace {

// What a reader is told when its session leaves without a word.
v1::TurnEvents farewell(const std::string& conversation_id, const open_turn& turn) {
  v1::TurnEvents batch;
  batch.set_conversation_id(conversation_id);
  batch.set_turn_id(turn.id.str());
  auto& event = *batch.add_events();
  event.set_seq(turn.events.last_seq() + 1);
  auto& failure = *event.mutable_failed()->mutable_failure();
  const auto& row = info(ec::not_owner);
  failure.set_code(std::string{row.name});
  failure.set_http_status(row.http_status);
  failure.set_message("the conversation moved; read the turn again to go on");
  return batch;
}

} // namespace

// A session that threw is made anew in place (its behaviour stays): its readers are subscribed
// again, so that they see the turn restart. One that leaves for good says so.
session_state::~session_state() {
  if (work_ == nullptr)
    return;
  work_->alive.reset();
  auto self = caf::actor_cast<session_actor>(self_);
  for (auto& turn : work_->open) {
    count(*turn, turn_count::none);
    cancel_upstream(*turn);
    for (auto& sink : turn->sinks) {
      if (self_->has_behavior()) {
        v1::SubscribeTurn again;
        again.set_conversation_id(id_);
        again.set_turn_id(turn->id.str());
        again.set_after_seq(turn->events.last_seq());
        caf::anon_send(self, SubscribeTurn{std::move(again)}, sink);
      } else {
        caf::anon_send(sink, TurnEvents{farewell(id_, *turn)});
      }
    }
  }
}

void session_state::start(session_options_ptr options, std::string conversation_id) {
  options_ = std::move(options);
  id_ = std::move(conversation_id);
  load();
}

session_work& session_state::work() {
  if (work_ == nullptr)
    work_ = std::make_unique<session_work>();
  return *work_;
}

void session_state::settle_down() {
  if (work_ == nullptr || !work_->open.empty() || !work_->ended.empty() || work_->busy
      || !work_->until_loaded.empty() || !work_->until_free.empty() || !work_->doubtful.empty()
      || work_->load_failures > 0 || memory_ == memory::loading)
    return;
  work_.reset();
  if (static_cast<std::int64_t>(history_.bytes()) > options_->config.history_bytes_max)
    history_.drop_all();
  history_.compact();
}

v1::Conversation session_state::settings() const {
  v1::Conversation conversation;
  if (!conversation.ParseFromArray(settings_.view().data(),
                                   static_cast<int>(settings_.view().size())))
    throw std::logic_error("a session's settings cannot be read");
  conversation.set_id(id_);
  return conversation;
}

void session_state::keep_settings(v1::Conversation conversation) {
  conversation.clear_id();
  conversation.clear_leaf_id();
  conversation.clear_created_us();
  conversation.clear_updated_us();
  conversation.clear_message_count();
  settings_ = conversation.SerializeAsString();
  if (work_)
    work_->conversation.reset();
}

stage_context session_state::stages() const {
  if (!work_->conversation)
    work_->conversation = std::make_shared<const v1::Conversation>(settings());
  return {self_, work_->conversation};
}

caf::error session_state::check_access(const v1::Context& context) const {
  auto missing = make_error(ec::not_found, "there is no such conversation");
  if (memory_ != memory::loaded)
    return missing;
  if (context.admin() || context.principal_id().empty())
    return {};
  return settings().owner_id() == context.principal_id() ? caf::error{} : missing;
}

alarms::ticket session_state::set_timer(tick_kind kind, std::int64_t after_ms, std::int64_t id) {
  return options_->alarms->tick(caf::strong_actor_ptr{self_->ctrl()},
                                std::chrono::milliseconds{after_ms}, kind, id);
}

input_limits session_state::limits() const {
  input_limits limits;
  limits.message_bytes_max = options_->config.message_bytes_max;
  return limits;
}

v1::LoadBranch session_state::branch_query(const std::string& leaf_id) const {
  v1::LoadBranch query;
  query.set_conversation_id(id_);
  query.set_leaf_id(leaf_id);
  query.set_max_messages(static_cast<std::int32_t>(options_->config.history_messages_max));
  query.set_max_bytes(options_->config.history_bytes_max + options_->config.message_bytes_max);
  return query;
}

std::chrono::milliseconds session_state::store_limit() const {
  return std::chrono::milliseconds{options_->store_limit_ms};
}

// -- loading ----------------------------------------------------------------

void session_state::load() {
  if (memory_ == memory::loading)
    return;
  memory_ = memory::loading;
  v1::LoadSession query;
  query.set_conversation_id(id_);
  query.set_max_messages(static_cast<std::int32_t>(options_->config.history_messages_max));
  query.set_max_bytes(options_->config.history_bytes_max + options_->config.message_bytes_max);
  request(options_->store, store_limit(), LoadSession{std::move(query)})
      .then([this](const SessionLoaded& loaded) { on_loaded(*loaded); },
            [this](const caf::error& err) { on_load_failed(err); });
}

void session_state::on_loaded(const v1::SessionLoaded& loaded) {
  if (memory_ != memory::loading)
    return; // it was made meanwhile, by its first message
  memory_ = memory::loaded;
  work().load_failures = 0;
  keep_settings(loaded.conversation());
  next_parent_ = loaded.conversation().leaf_id();
  history_.assign(loaded.messages(), loaded.truncated());
  for (const auto& turn : loaded.unfinished())
    if (!knows(turn.id()))
      adopt(turn, true);
  fail_waiting({});
  start_next();
  settle_down();
}

void session_state::on_load_failed(const caf::error& err) {
  if (memory_ != memory::loading)
    return;
  auto& w = work();
  if (info(err).code == ec::not_found) {
    memory_ = memory::missing;
    w.load_failures = 0;
    fail_waiting({}); // a message may make the conversation
    settle_down();
    return;
  }
  memory_ = memory::empty;
  log_warn("session_load_failed", {{"conversation_id", id_}, {"error", describe(err)}});
  // It may hold an unfinished turn: it goes on trying by itself.
  set_timer(load_tick, backoff_ms(w.load_failures++, 250, 5'000), 0);
  fail_waiting(may_pass(err) ? make_error(ec::store_unavailable,
                                          "the conversation cannot be read now; try again later")
                             : err);
}

void session_state::fail_waiting(const caf::error& err) {
  auto waiting = std::move(work().until_loaded);
  work().until_loaded.clear();
  for (auto& command : waiting)
    command(err);
}

void session_state::release() {
  auto& w = work();
  w.busy = false;
  if ((memory_ == memory::empty || memory_ == memory::loading) && !w.until_free.empty()) {
    // What is in memory is no longer sure: the changes wait until it is read again.
    auto waiting = std::exchange(w.until_free, {});
    for (auto& command : waiting)
      w.until_loaded.push_back([this, command](const caf::error& err) { when_idle(command, err); });
    load();
    return;
  }
  if (!w.until_free.empty()) {
    auto next = std::move(w.until_free.front());
    w.until_free.erase(w.until_free.begin());
    w.busy = true;
    next({});
    return;
  }
  settle_down();
}

void session_state::when_idle(const session_work::command& command, const caf::error& err) {
  if (err) {
    command(err);
  } else if (work().busy) {
    work().until_free.push_back(command);
  } else {
    work().busy = true;
    command({});
  }
}

// -- the conversation itself ------------------------------------------------

caf::result<Done> session_state::resume(const ResumeTurn&) {
  // Loading takes up every unfinished turn: once it is loaded, the turn is open or has ended.
  return when_loaded<Done>([](const owed<Done>& answer) { answer.give(Done{}); });
}

caf::result<Conversation> session_state::get(const GetConversation& query) {
  return when_loaded<Conversation>([this, query](const owed<Conversation>& answer) {
    if (auto err = check_access(query->context()))
      answer.fail(std::move(err));
    else
      answer.pass_to(options_->store, query);
  });
}

caf::result<Conversation> session_state::update(const UpdateConversation& command) {
  return when_free<Conversation>(
      [this, command](const owed<Conversation>& answer) { do_update(*command, answer); });
}

void session_state::do_update(const v1::UpdateConversation& update,
                              const owed<Conversation>& answer) {
  auto err = check_access(update.context());
  if (!err)
    err = check_update(update, limits());
  if (err) {
    answer.fail(std::move(err));
    release();
    return;
  }
  if (!update.has_leaf_id() || update.leaf_id().empty()) {
    store_update(update, answer, nullptr);
    return;
  }
  // The branch is read first: a leaf that does not exist must not be chosen.
  request(options_->store, store_limit(), LoadBranch{branch_query(update.leaf_id())})
      .then([this, update,
             answer](const SessionLoaded& branch) { store_update(update, answer, &*branch); },
            [this, answer](const caf::error& err) {
              answer.fail(err);
              release();
            });
}

void session_state::store_update(const v1::UpdateConversation& update,
                                 const owed<Conversation>& answer,
                                 const v1::SessionLoaded* branch) {
  auto chosen = branch == nullptr ? nullptr : std::make_shared<v1::SessionLoaded>(*branch);
  auto command = update;
  *command.mutable_claim() = options_->claim;
  request(options_->store, store_limit(), UpdateConversation{std::move(command)})
      .then(
          [this, answer, chosen](const Conversation& changed) {
            keep_settings(*changed);
            if (chosen)
              choose_branch(*chosen);
            answer.give(changed);
            release();
          },
          [this, answer](const caf::error& err) {
            answer.fail(err);
            // It may have been stored all the same: what is in memory may be old.
            if (may_pass(err) && work().open.empty())
              memory_ = memory::empty;
            release();
          });
}

void session_state::choose_branch(const v1::SessionLoaded& branch) {
  if (branch.messages().empty())
    return;
  next_parent_ = branch.messages().rbegin()->id();
  for (auto& turn : work().open)
    turn->moves_leaf = false;
  if (work().open.empty())
    history_.assign(branch.messages(), branch.truncated());
}

caf::result<Done> session_state::remove(const DeleteConversation& command) {
  return when_free<Done>(
      [this, command](const owed<Done>& answer) { do_remove(*command, answer); });
}

void session_state::do_remove(const v1::DeleteConversation& command, const owed<Done>& answer) {
  if (auto err = check_access(command.context())) {
    answer.fail(std::move(err));
    release();
    return;
  }
  auto claimed = command;
  *claimed.mutable_claim() = options_->claim;
  request(options_->store, store_limit(), DeleteConversation{std::move(claimed)})
      .then(
          [this, answer](const Done& done) {
            auto gone = make_error(ec::not_found, "the conversation was deleted");
            while (!work().open.empty())
              abandon(*work().open.front(), gone);
            work().ended.clear();
            history_.clear();
            settings_.clear();
            next_parent_.clear();
            memory_ = memory::missing;
            answer.give(done);
            release();
          },
          [this, answer](const caf::error& err) {
            answer.fail(err);
            if (may_pass(err) && work().open.empty())
              memory_ = memory::empty;
            release();
          });
}

caf::result<Done> session_state::passivate() {
  if (work_ != nullptr
      && (!work_->open.empty() || work_->busy || !work_->until_loaded.empty()
          || !work_->until_free.empty() || !work_->doubtful.empty() || work_->load_failures > 0))
    return make_error(ec::conflict, "something is open in this conversation");
  self_->quit();
  return Done{};
}

// -- timers -----------------------------------------------------------------

void session_state::tick(const Tick& timer) {
  switch (timer->kind()) {
    case limit_tick:
      time_is_up(timer->id());
      break;
    case retry_tick:
      retry(timer->id());
      break;
    case replay_tick:
      replay_due();
      break;
    case load_tick:
      if (memory_ == memory::empty)
        load();
      break;
    case doubt_tick:
      look_up_doubtful();
      break;
    default:
      break;
  }
}

void session_state::replay_due() {
  auto& w = work();
  w.replay_timer = false;
  while (!w.ended.empty() && w.ended.front().until_us <= now_us())
    w.ended.erase(w.ended.begin());
  if (!w.ended.empty()) {
    w.replay_timer = true;
    set_timer(replay_tick, (w.ended.front().until_us - now_us()) / 1'000 + 1, 0);
  }
  settle_down();
}

with_timer<session_actor>::behavior_type
session(session_state::pointer self, session_options_ptr options, std::string conversation_id) {
  self->set_down_handler([self](caf::down_msg& x) { self->state.drop_sink(x.source); });
  self->state.start(std::move(options), std::move(conversation_id));
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
      [&state](const Passivate&) { return state.passivate(); },
      [&state](const CompletionEvents& x) { state.completion(x); },
      [&state](const Tick& x) { state.tick(x); },
  };
}

} // namespace troupe
