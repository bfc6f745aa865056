// The session: one conversation as an actor. Its branch is in memory, one turn runs at a time, and
// everything it says is durable before it says so.
#pragma once

#include "actors/session/history.hpp"
#include "actors/session/input.hpp"
#include "actors/session/pipeline.hpp"
#include "actors/session/turn.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/alarms.hpp"
#include "messages/clock.hpp"
#include "messages/thin_string.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// What all sessions of a region count together, and whether new turns may start.
struct session_counters {
  std::atomic<std::int64_t> turns_running{0};
  std::atomic<std::int64_t> turns_queued{0};
  std::atomic<bool> draining{false};
};

/// What sessions need; one object for all sessions of a region.
struct session_options {
  config::session_section config;
  std::string default_model = "demo"; // of conversations that name none
  store_actor store;
  model_router_actor router;
  upstream_actor upstream;
  tokenizer_actor tokenizer;
  outbox_actor outbox; // told of new rows; may be empty: it polls
  wall_clock_ptr clock = system_clock();
  std::shared_ptr<troupe::alarms> alarms; // empty: the region makes them
  turn_pipeline pipeline;
  /// Splits an answer for a channel into the pieces that are sent there, in order. Empty: one
  /// piece.
  std::function<std::vector<std::vector<v1::Part>>(const v1::ReplyAddress&, const v1::Message&)>
      split;
  /// Proves to the store that these sessions may write: their shard, as this node owns it. Without
  /// one nothing is checked.
  v1::ShardClaim claim;
  /// How long an answer of the store is waited for: longer than the store itself tries.
  std::int64_t store_limit_ms = 15'000;
  std::shared_ptr<session_counters> counters = std::make_shared<session_counters>();
};
using session_options_ptr = std::shared_ptr<const session_options>;

/// What a session holds only while something is going on; an idle one has none of it.
struct session_work {
  using command = std::function<void(const caf::error&)>; // with an error: it is refused

  // Vectors, though their fronts go first: they are short, and an empty deque is half a kilobyte.
  std::vector<std::unique_ptr<open_turn>> open; // the first one runs
  std::vector<ended_turn> ended;
  std::vector<command> until_loaded; // requests that came before the conversation was in memory
  std::vector<command> until_free;   // changes that wait for the one being stored
  std::vector<std::string> doubtful; // turns whose acceptance the store did not confirm
  int load_failures = 0;
  int doubt_failures = 0;
  bool doubt_timer = false;                             // will look after `doubtful`
  bool busy = false;                                    // a change is being stored
  bool replay_timer = false;                            // will look after `ended`
  std::shared_ptr<const v1::Conversation> conversation; // parsed settings, for the stages
  std::shared_ptr<char> alive;                          // once somebody watches it

  /// Expires with the session's state: for what stages give back later.
  std::weak_ptr<char> watch() {
    if (!alive)
      alive = std::make_shared<char>();
    return alive;
  }
};

class session_state {
public:
  using pointer = self_pointer<with_timer<session_actor>, session_state>;
  static inline const char* name = "session";

  explicit session_state(pointer self) : self_(self) {}
  ~session_state();
  void start(session_options_ptr options, std::string conversation_id);

  // One for each message of the interface.
  caf::result<TurnAccepted> post(const PostMessage& message);
  caf::result<Turn> subscribe(const SubscribeTurn& query, const turn_sink_actor& sink);
  void unsubscribe(const UnsubscribeTurn& query, const turn_sink_actor& sink);
  void drop_sink(const caf::actor_addr& sink);
  caf::result<Turn> stop(const StopTurn& command);
  caf::result<Done> resume(const ResumeTurn& command);
  caf::result<Conversation> get(const GetConversation& query);
  caf::result<Conversation> update(const UpdateConversation& command);
  caf::result<Done> remove(const DeleteConversation& command);
  caf::result<Done> passivate();
  void completion(const CompletionEvents& batch);
  void tick(const Tick& timer);

private:
  friend class filter_output;
  enum class memory : std::uint8_t { empty, loading, loaded, missing };
  enum tick_kind { limit_tick = 1, retry_tick, replay_tick, load_tick, doubt_tick };

  // session.cpp: what is in memory, and who may come in when.
  template <class Answer>
  caf::result<Answer> when_loaded(std::function<void(owed<Answer>)> run);
  template <class Answer>
  caf::result<Answer> when_free(std::function<void(owed<Answer>)> run);
  template <class Handle, class... Args>
  auto request(const Handle& receiver, std::chrono::milliseconds limit, Args... args);
  void load();
  void on_loaded(const v1::SessionLoaded& loaded);
  void on_load_failed(const caf::error& err);
  void fail_waiting(const caf::error& err);
  void when_idle(const session_work::command& command, const caf::error& err);
  void release(); // ends the change being stored; the next one runs
  void settle_down();
  session_work& work();
  v1::Conversation settings() const;
  void keep_settings(v1::Conversation conversation);
  caf::error check_access(const v1::Context& context) const;
  stage_context stages() const;
  void replay_due();
  std::int64_t now_us() const { return options_->clock->now_us(); }
  alarms::ticket set_timer(tick_kind kind, std::int64_t after_ms, std::int64_t id);
  std::chrono::milliseconds store_limit() const;
  input_limits limits() const;
  v1::LoadBranch branch_query(const std::string& leaf_id) const;
  void do_update(const v1::UpdateConversation& update, const owed<Conversation>& answer);
  void store_update(const v1::UpdateConversation& update, const owed<Conversation>& answer,
                    const v1::SessionLoaded* branch);
  void choose_branch(const v1::SessionLoaded& branch);
  void do_remove(const v1::DeleteConversation& command, const owed<Done>& answer);

  // session_post.cpp: taking messages in.
  struct draft;
  using draft_ptr = std::shared_ptr<draft>;
  void do_post(const v1::PostMessage& post, const owed<TurnAccepted>& answer);
  caf::error check_new_turn(const v1::PostMessage& post) const;
  void admit(const draft_ptr& draft, std::size_t stage);
  void admitted(const draft_ptr& draft);
  void find_target(const draft_ptr& draft);
  void with_message(const std::string& id, const draft_ptr& draft,
                    std::function<void(const v1::Message&)> go_on);
  void accept(const draft_ptr& draft);
  v1::AcceptTurn acceptance(draft& draft);
  void on_accepted(const draft_ptr& draft, const v1::TurnStored& stored);
  void on_refused(const draft_ptr& draft, const caf::error& err);
  void refuse(const draft_ptr& draft, caf::error err);
  void doubt(const std::string& turn_id, std::int64_t after_ms);
  void look_up_doubtful();
  void adopt(const v1::Turn& turn, bool at_load);
  bool knows(const std::string& turn_id) const;

  // session_tools.cpp: the results of tools.
  void post_results(const draft_ptr& draft);
  caf::error check_results(const open_turn& turn, const v1::PostMessage& post) const;
  std::vector<v1::Message> result_messages(const open_turn& turn, const v1::PostMessage& post);
  void results_stored(const draft_ptr& draft, std::int64_t serial,
                      const std::vector<v1::Message>& messages);
  bool answered_before(const draft_ptr& draft);

  // session_turn.cpp: running turns.
  void count(open_turn& turn, turn_count as);
  open_turn* find(std::int64_t serial) const;
  open_turn* find_turn(const std::string& turn_id) const;
  open_turn* find_step(std::int64_t step_id) const;
  std::int64_t enter(open_turn& turn, turn_phase phase);
  void start_next();
  void begin(open_turn& turn);
  void prepare_start(open_turn& turn);
  void store_start(open_turn& turn);
  void position(open_turn& turn);
  void positioned(open_turn& turn);
  void wait_for_tools(open_turn& turn);
  void set_limit(open_turn& turn);
  void time_is_up(std::int64_t limit_id);
  bool retry_later(open_turn& turn, const caf::error& err);
  void retry(std::int64_t serial);
  v1::Context context_of(const open_turn& turn) const;

  // session_window.cpp: from a turn to a request.
  void run_step(open_turn& turn);
  void count_window(open_turn& turn);
  std::vector<std::size_t> uncounted(std::size_t first) const;
  using counted = std::function<void(caf::expected<std::vector<std::int64_t>>)>;
  void count_tokens(open_turn& turn, const std::vector<std::size_t>& messages,
                    std::vector<std::string> more, counted go_on);
  std::string system_prompt() const;
  void choose(open_turn& turn, std::int64_t fixed);
  v1::StartCompletion request_of(const open_turn& turn) const;
  void examine(open_turn& turn, v1::StartCompletion request, std::size_t stage);
  void examined(open_turn& turn, window_stage::verdict verdict, std::size_t stage);
  void ask_model(open_turn& turn, v1::StartCompletion request);

  // session_stream.cpp: what the model says.
  filter_chain open_filters(open_turn& turn, bool thoughts);
  void on_event(open_turn& turn, const v1::CompletionEvent& event);
  void on_delta(open_turn& turn, const v1::CompletionDelta& delta);
  void on_tool_call(open_turn& turn, const v1::CompletionToolCall& call);
  void answer_ready(open_turn& turn, ready_answer ready);
  bool goes_on(std::int64_t step) const;
  bool think(open_turn& turn, std::string text);
  bool end_thoughts(open_turn& turn);
  void show_text(open_turn& turn, std::string_view text);
  void show_thought(open_turn& turn, std::string_view text);
  void show(open_turn& turn, v1::TurnEvent event);
  void flush(open_turn& turn);
  void model_ended(open_turn& turn);
  void step_answered(open_turn& turn);
  void cancel_upstream(open_turn& turn);

  // session_record.cpp: ending steps and turns, and telling about it.
  void finish(open_turn& turn, turn_ending ending);
  void count_usage(open_turn& turn);
  v1::AdvanceTurn step_record(const open_turn& turn) const;
  v1::Message reply_of(const open_turn& turn, const v1::Turn& after) const;
  v1::UsageRecord usage_of(const open_turn& turn, const v1::Turn& after) const;
  void add_outbox(const open_turn& turn, v1::AdvanceTurn& advance) const;
  void record(open_turn& turn, v1::AdvanceTurn advance, std::size_t stage);
  void store_step(open_turn& turn);
  void step_stored(open_turn& turn);
  void step_refused(open_turn& turn, const caf::error& err);
  void end_turn(open_turn& turn, std::vector<v1::TurnEvent> events);
  void keep_ended(open_turn& turn);
  void abandon(open_turn& turn, const caf::error& reason);
  void forget(open_turn& turn);
  void publish(open_turn& turn, std::vector<v1::TurnEvent> events);

  // session_readers.cpp
  void do_subscribe(const v1::SubscribeTurn& query, const turn_sink_actor& sink,
                    const owed<Turn>& answer);
  void subscribe_stored(const v1::SubscribeTurn& query, const turn_sink_actor& sink,
                        const owed<Turn>& answer);
  void replay_stored(const v1::Turn& turn, std::int64_t after_seq, const turn_sink_actor& sink,
                     const owed<Turn>& answer);
  void send_batches(const turn_sink_actor& sink, const std::string& turn_id,
                    std::vector<v1::TurnEvents> batches);
  void do_stop(const v1::StopTurn& command, const owed<Turn>& answer);

  pointer self_;
  session_options_ptr options_;
  std::string id_;
  thin_string settings_;    // the conversation, serialised without ids and times
  thin_string next_parent_; // after which the next message goes: the leaf, or a reply to come
  history history_;
  std::unique_ptr<session_work> work_;
  memory memory_ = memory::empty;
};

/// One conversation. Started by its region on the first message; it loads itself from the store,
/// resumes what was unfinished, and leaves when it is told to while nothing is open.
with_timer<session_actor>::behavior_type
session(session_state::pointer self, session_options_ptr options, std::string conversation_id);

} // namespace troupe
