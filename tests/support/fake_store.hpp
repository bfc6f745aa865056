// A store in memory, for tests of those who talk to one: it keeps the rules of the real one, and
// misbehaves when told to.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

/// What the store does with one request.
enum class conduct {
  normal,
  refuse,      // does nothing, answers store_unavailable
  lose_answer, // does it, but answers store_unavailable
  hold,        // does it and answers when it is next asked for its status (GetStoreStatus)
  ignore,      // does nothing and never answers
  swallow,     // does it and never answers
};

/// What the fake holds. Shared with the test: look into it while no actor runs.
struct fake_store_data {
  /// Asked for every request, by its message's name ("AcceptTurn"). Empty: all normal.
  std::function<conduct(std::string_view request)> conduct_of;

  std::map<std::string, v1::Conversation> conversations;
  std::map<std::string, v1::Message> messages;
  std::vector<std::string> message_order;
  std::map<std::string, v1::Turn> turns;
  std::map<std::string, std::string> dedupe; // key -> turn id
  std::map<std::string, v1::UsageRecord> ledger;
  std::map<std::string, v1::OutboxRow> outbox;
  std::map<std::string, int> calls; // by request name
  std::int64_t writes = 0;

  std::vector<v1::Message> branch(const std::string& leaf_id) const; // oldest first
  std::vector<v1::Turn> unfinished() const;

  std::recursive_mutex mutex;
  std::deque<std::function<void()>> held;
};
using fake_store_ptr = std::shared_ptr<fake_store_data>;

struct fake_store_state {
  static inline const char* name = "store";
};

/// Answers at once unless told otherwise. API keys are not supported.
store_actor::behavior_type fake_store(self_pointer<store_actor, fake_store_state> self,
                                      fake_store_ptr data);

} // namespace troupe::test
