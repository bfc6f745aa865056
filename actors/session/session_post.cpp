// Taking messages in: checked, put to the stages at `admit`, durable, acknowledged.
#include "actors/session/draft.hpp"
#include "actors/session/gate.hpp"
#include "actors/session/ids.hpp"
#include "messages/id.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t doubtful_max = 16;
constexpr std::int64_t doubt_after_ms = 1'000;
constexpr std::int64_t doubt_max_ms = 10'000;

bool final_status(v1::TurnStatus status) {
  return status == v1::TURN_STATUS_FINISHED || status == v1::TURN_STATUS_STOPPED
         || status == v1::TURN_STATUS_FAILED;
}

v1::PostKind kind_of(const v1::PostMessage& post) {
  return post.kind() == v1::POST_KIND_UNSPECIFIED ? v1::POST_KIND_MESSAGE : post.kind();
}

} // namespace

caf::result<TurnAccepted> session_state::post(const PostMessage& message) {
  if (auto err = check_post(*message, limits()))
    return err;
  return when_free<TurnAccepted>(
      [this, message](const owed<TurnAccepted>& answer) { do_post(*message, answer); });
}

void session_state::do_post(const v1::PostMessage& post, const owed<TurnAccepted>& answer) {
  auto x = std::make_shared<draft>();
  x->post = post;
  x->answer = answer;
  if (auto err = check_new_turn(post))
    refuse(x, std::move(err));
  else
    admit(x, 0);
}

caf::error session_state::check_new_turn(const v1::PostMessage& post) const {
  bool creates = memory_ == memory::missing && post.has_create_if_missing()
                 && kind_of(post) == v1::POST_KIND_MESSAGE;
  if (!creates)
    if (auto err = check_access(post.context()))
      return err;
  if (kind_of(post) == v1::POST_KIND_TOOL_RESULTS)
    return {};
  auto queued = static_cast<std::int64_t>(work_->open.size()) - 1;
  if (queued >= options_->config.queue_max)
    return make_error(ec::overloaded,
                      fmt::format("{} messages wait in this conversation already: wait for an "
                                  "answer, or stop the one that runs",
                                  queued));
  return {};
}

void session_state::admit(const draft_ptr& x, std::size_t stage) {
  const auto& all = options_->pipeline.admit;
  if (stage >= all.size()) {
    admitted(x);
    return;
  }
  if (memory_ == memory::missing && !work().conversation) {
    auto coming = x->post.create_if_missing();
    coming.set_id(id_);
    work().conversation = std::make_shared<const v1::Conversation>(std::move(coming));
  }
  std::weak_ptr<char> alive = work().watch();
  std::string name{all[stage]->name()};
  auto go_on = call_once<caf::expected<v1::PostMessage>>(
      [this, alive, x, stage](caf::expected<v1::PostMessage> post) {
        if (alive.expired())
          return;
        if (!post) {
          refuse(x, std::move(post.error()));
          return;
        }
        x->post = std::move(*post);
        admit(x, stage + 1);
      },
      [name]() -> caf::expected<v1::PostMessage> {
        return make_error(ec::internal, "the stage " + name + " dropped the message");
      });
  all[stage]->admit(stages(), x->post, std::move(go_on));
}

void session_state::admitted(const draft_ptr& x) {
  switch (kind_of(x->post)) {
    case v1::POST_KIND_TOOL_RESULTS:
      post_results(x);
      return;
    case v1::POST_KIND_REGENERATE:
    case v1::POST_KIND_EDIT:
      find_target(x);
      return;
    default:
      break;
  }
  const auto& wanted = x->post.parent_id();
  if (wanted.empty() || wanted == next_parent_) {
    x->parent_id = next_parent_.str();
    accept(x);
    return;
  }
  with_message(wanted, x, [this, x](const v1::Message& parent) {
    x->parent_id = parent.id();
    accept(x);
  });
}

void session_state::find_target(const draft_ptr& x) {
  auto wanted = x->post.parent_id();
  for (auto i = history_.size(); wanted.empty() && i-- > 0;)
    if (history_.role(i) == v1::ROLE_USER)
      wanted = std::string{history_.id(i)};
  if (wanted.empty()) {
    refuse(x, make_error(ec::invalid_argument, "name the message to answer again: parent_id"));
    return;
  }
  with_message(wanted, x, [this, x](const v1::Message& target) {
    if (target.role() != v1::ROLE_USER) {
      refuse(x, make_error(ec::invalid_argument,
                           "parent_id names a message that no user wrote: name a user's message"));
      return;
    }
    x->parent_id = target.parent_id();
    if (x->post.kind() == v1::POST_KIND_REGENERATE)
      x->question = std::make_unique<v1::Message>(target);
    accept(x);
  });
}

void session_state::with_message(const std::string& id, const draft_ptr& x,
                                 std::function<void(const v1::Message&)> go_on) {
  for (const auto& turn : work().open)
    if (turn->question && turn->question->id() == id) {
      go_on(v1::Message{*turn->question});
      return;
    }
  if (auto i = history_.index_of(id)) {
    go_on(history_.at(*i));
    return;
  }
  auto query = branch_query(id);
  query.set_max_messages(1);
  request(options_->store, store_limit(), LoadBranch{std::move(query)})
      .then(
          [this, x, id, go_on](const SessionLoaded& branch) {
            if (branch->messages().empty() || branch->messages().rbegin()->id() != id)
              refuse(x, make_error(ec::not_found, "there is no such message: " + id));
            else
              go_on(*branch->messages().rbegin());
          },
          [this, x](const caf::error& err) { refuse(x, err); });
}

v1::AcceptTurn session_state::acceptance(draft& x) {
  v1::AcceptTurn command;
  const auto& post = x.post;
  *command.mutable_context() = post.context();
  *command.mutable_claim() = options_->claim;
  command.set_dedupe_key(post.dedupe_key());
  auto conversation = memory_ == memory::missing ? post.create_if_missing() : settings();
  if (memory_ == memory::missing) {
    conversation.set_id(id_);
    if (!post.context().admin() && !post.context().principal_id().empty())
      conversation.set_owner_id(post.context().principal_id());
    conversation.set_created_us(now_us());
    conversation.set_updated_us(now_us());
    *command.mutable_create_if_missing() = conversation;
  }
  if (!x.question) {
    x.question = std::make_unique<v1::Message>();
    auto& message = *x.question;
    message.set_id(new_id(now_us()));
    message.set_conversation_id(id_);
    message.set_parent_id(x.parent_id);
    message.set_role(v1::ROLE_USER);
    *message.mutable_parts() = post.parts();
    message.set_author(post.author());
    message.set_status(v1::MESSAGE_STATUS_COMPLETE);
    message.set_created_us(now_us());
  }
  v1::Turn made;
  made.set_id(post.turn_id().empty() ? new_id(now_us()) : post.turn_id());
  x.turn = std::make_unique<open_turn>(std::move(made));
  x.turn->must_store_start = !work().open.empty() || options_->counters->draining;
  auto& turn = *x.turn->turn;
  if (kind_of(post) != v1::POST_KIND_REGENERATE) {
    x.question->set_turn_id(turn.id());
    *command.add_messages() = *x.question;
  }
  turn.set_conversation_id(id_);
  turn.set_message_id(x.question->id());
  turn.set_status(v1::TURN_STATUS_RUNNING);
  turn.set_model(!post.model().empty()           ? post.model()
                 : !conversation.model().empty() ? conversation.model()
                                                 : options_->default_model);
  turn.set_params_json(merge_params(conversation.params_json(), post.params_json()));
  turn.set_tools_json(post.tools_json().empty() ? conversation.tools_json() : post.tools_json());
  if (post.has_reply_to())
    *turn.mutable_reply_to() = post.reply_to();
  turn.set_principal_id(post.context().principal_id());
  turn.set_tenant_id(post.context().tenant_id());
  turn.set_request_id(post.context().request_id());
  turn.set_traceparent(post.context().traceparent());
  turn.set_created_us(now_us());
  turn.set_attempts(x.turn->must_store_start ? 0 : 1);
  *command.mutable_turn() = turn;
  // The leaf moves when the turn starts: until then its parent may be a reply yet to come.
  if (!x.turn->must_store_start)
    command.set_leaf_id(x.question->id());
  return command;
}

void session_state::accept(const draft_ptr& x) {
  auto command = acceptance(*x);
  request(options_->store, store_limit(), AcceptTurn{std::move(command)})
      .then([this, x](const TurnStored& stored) { on_accepted(x, *stored); },
            [this, x](const caf::error& err) { on_refused(x, err); });
}

void session_state::on_accepted(const draft_ptr& x, const v1::TurnStored& stored) {
  v1::TurnAccepted accepted;
  accepted.set_conversation_id(id_);
  if (stored.duplicate()) {
    accepted.set_turn_id(stored.turn_id());
    accepted.set_message_id(stored.message_id());
    accepted.set_duplicate(true);
    if (memory_ == memory::missing)
      load(); // it was made meanwhile
    else if (!knows(stored.turn_id()))
      doubt(stored.turn_id(), 0);
    x->answer.give(std::move(accepted));
    release();
    return;
  }
  if (memory_ == memory::missing) {
    auto made = x->post.create_if_missing();
    if (!x->post.context().admin() && !x->post.context().principal_id().empty())
      made.set_owner_id(x->post.context().principal_id());
    keep_settings(std::move(made));
    memory_ = memory::loaded;
  }
  auto& turn = *x->turn;
  turn.reply_id = derived_id(turn.id.str(), derived::final_reply);
  turn.tip = turn.turn->message_id();
  turn.parent_id = x->question->parent_id();
  turn.question = std::move(x->question);
  next_parent_ = turn.reply_id;
  accepted.set_turn_id(turn.id.str());
  accepted.set_message_id(turn.turn->message_id());
  count(turn, turn_count::queued);
  work().open.push_back(std::move(x->turn));
  x->answer.give(std::move(accepted));
  start_next();
  release();
}

void session_state::on_refused(const draft_ptr& x, const caf::error& err) {
  log_warn("turn_not_accepted", {{"conversation_id", id_},
                                 {"turn_id", x->turn->id.str()},
                                 {"request_id", x->post.context().request_id()},
                                 {"error", describe(err)}});
  // No answer does not mean that nothing was stored.
  if (may_pass(err))
    doubt(x->turn->id.str(), doubt_after_ms);
  refuse(x, info(err).code == ec::deadline_exceeded
                ? make_error(ec::store_unavailable, "the message may not have been stored; send it "
                                                    "again")
                : err);
}

void session_state::refuse(const draft_ptr& x, caf::error err) {
  x->answer.fail(std::move(err));
  release();
}

bool session_state::knows(const std::string& turn_id) const {
  if (work_ == nullptr)
    return false;
  return find_turn(turn_id) != nullptr
         || std::any_of(work_->ended.begin(), work_->ended.end(),
                        [&](const ended_turn& x) { return x.turn.id() == turn_id; });
}

void session_state::doubt(const std::string& turn_id, std::int64_t after_ms) {
  auto& w = work();
  if (w.doubtful.size() < doubtful_max)
    w.doubtful.push_back(turn_id);
  if (!w.doubt_timer) {
    w.doubt_timer = true;
    set_timer(doubt_tick, after_ms, 0);
  }
}

void session_state::look_up_doubtful() {
  auto& w = work();
  if (w.doubtful.empty()) {
    w.doubt_timer = false;
    settle_down();
    return;
  }
  auto next = [this] {
    work().doubtful.erase(work().doubtful.begin());
    work().doubt_failures = 0;
    look_up_doubtful();
  };
  v1::GetTurn query;
  query.set_turn_id(w.doubtful.front());
  request(options_->store, store_limit(), GetTurn{std::move(query)})
      .then(
          [this, next](const Turn& turn) {
            if (turn->conversation_id() == id_ && !final_status(turn->status())
                && !knows(turn->id()) && memory_ == memory::loaded) {
              adopt(*turn, false);
              start_next();
            } else if (memory_ != memory::loaded && !work().busy) {
              load();
            }
            next();
          },
          [this, next](const caf::error& err) {
            if (info(err).code == ec::not_found) {
              next();
              return;
            }
            set_timer(doubt_tick, backoff_ms(work().doubt_failures++, doubt_after_ms, doubt_max_ms),
                      0);
          });
}

// A turn that the store has and that nobody runs. What it had said is lost: it starts again from
// its last durable message, if the branch in memory shows that, else from its user message.
void session_state::adopt(const v1::Turn& turn, bool at_load) {
  auto x = std::make_unique<open_turn>(turn);
  x->reply_id = derived_id(turn.id(), derived::final_reply);
  x->tip = turn.message_id();
  x->restarted = turn.attempts() > 0;
  if (turn.status() == v1::TURN_STATUS_AWAITING_TOOLS) {
    x->tip = turn.reply_id();
  } else if (at_load && turn.step() > 0 && !history_.empty()) {
    auto last = history_.at(history_.size() - 1);
    if (last.turn_id() == turn.id() && last.role() == v1::ROLE_TOOL)
      x->tip = last.id();
  }
  if (x->tip == turn.message_id())
    x->turn->set_step(0);
  bool in_line = turn.attempts() == 0 || next_parent_ == turn.message_id() || next_parent_ == x->tip
                 || next_parent_.empty();
  x->moves_leaf = at_load ? in_line : work().open.empty();
  if (x->moves_leaf)
    next_parent_ = x->reply_id;
  count(*x, turn_count::queued);
  work().open.push_back(std::move(x));
}

} // namespace troupe
