// The session region: which conversations are in memory on this node, and the way to them. It knows
// nothing of what a session does, and a session nothing of where it is.
#pragma once

#include "actors/session/session.hpp"

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

namespace troupe {

struct session_region_options {
  actor_host host;
  session_options session;        // for every session; `session.config` bounds the region too
  std::int64_t sweep_ms = 10'000; // how often idle sessions are looked for
  std::int32_t resume_page = 100; // unfinished turns taken up at a time
  bool resumes = true;            // takes up unfinished turns when it starts
  std::int64_t drain_default_ms = 20'000; // of a drain without a deadline
  /// Sessions in memory of all the node's regions, which share `session.config.live_max`.
  std::shared_ptr<std::atomic<std::int64_t>> live = std::make_shared<std::atomic<std::int64_t>>(0);
};

class session_region_state {
public:
  using pointer = self_pointer<with_timer<session_region_actor>, session_region_state>;
  static inline const char* name = "session_region";

  explicit session_region_state(pointer self) : self_(self) {}
  ~session_region_state();
  void start(session_region_options options);

  caf::result<TurnAccepted> post(const PostMessage& message);
  caf::result<Turn> subscribe(const SubscribeTurn& query, const turn_sink_actor& sink);
  void unsubscribe(const UnsubscribeTurn& query, const turn_sink_actor& sink);
  caf::result<Turn> stop(const StopTurn& command);
  caf::result<Done> resume(const ResumeTurn& command);
  caf::result<Conversation> get(const GetConversation& query);
  caf::result<Conversation> update(const UpdateConversation& command);
  caf::result<Done> remove(const DeleteConversation& command);
  caf::result<Conversation> create(const CreateConversation& command);
  caf::result<ConversationPage> list(const ListConversations& query);
  caf::result<MessagePage> messages(const ListMessages& query);
  caf::result<RegionStatus> status() const;
  caf::result<Done> drain(const DrainRegion& command);
  void tick(const Tick& timer);
  void down(const caf::down_msg& message);

private:
  using time_point = caf::actor_clock::time_point;
  /// Called with the session, or with an error and no session.
  using delivery = std::function<void(const session_actor&, const caf::error&)>;
  enum tick_kind { sweep_tick = 1, resume_tick, drain_tick };

  struct entry {
    const std::string* id = nullptr;     // its key in the map
    session_actor session;               // empty: waits for room
    std::list<entry*>::iterator place{}; // in the order of use
    time_point used{};
    bool leaving = false;                          // was asked to passivate
    std::unique_ptr<std::deque<delivery>> waiting; // until it is back, or there is room
  };

  // Placement.
  template <class Answer, class... Args>
  caf::result<Answer> forward(const std::string& id, Args... args);
  void deliver(const std::string& id, delivery what);
  entry* find(const std::string& id);
  entry& add(const std::string& id);
  void spawn_into(entry& x);
  void touch(entry& x);
  void flush(entry& x, const caf::error& err);
  void remove_entry(entry& x);
  bool has_room() const;
  void make_room();
  void admit_waiting();
  void passivate(entry& x);
  void passivated(const std::string& id, bool left);
  void sweep();

  // Unfinished turns, draining, timers.
  void resume_more();
  void resume_page(const v1::TurnPage& page);
  void resume_answered();
  void check_drained();
  void died(const caf::actor_addr& who, const caf::error& reason);
  void replace(const std::string& id);
  void set_timer(tick_kind kind, std::int64_t after_ms);
  std::chrono::milliseconds store_limit() const;

  pointer self_;
  session_region_options options_;
  session_options_ptr session_options_;
  std::unordered_map<std::string, entry> entries_;
  std::list<entry*> by_use_; // least recently used first
  std::deque<std::string> waiting_for_room_;
  std::size_t live_ = 0;
  std::size_t leaving_ = 0;
  std::size_t refusals_ = 0; // passivations refused in a row while somebody waits for room
  struct death {
    int count = 0;
    time_point since{};
  };
  std::unordered_map<std::string, death> deaths_; // lately
  std::string resume_after_;
  std::int64_t resuming_ = 0;
  int resume_failures_ = 0;
  bool resume_done_ = false;
  std::vector<owed<Done>> drainers_;
  std::int64_t drain_deadline_us_ = 0;
};

/// Starts taking up unfinished turns at once.
with_timer<session_region_actor>::behavior_type session_region(session_region_state::pointer self,
                                                               session_region_options options);

} // namespace troupe
