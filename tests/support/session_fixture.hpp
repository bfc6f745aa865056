// A region of sessions over fakes, with the deterministic scheduler and clock.
#pragma once

#include "actors/model/router.hpp"
#include "actors/session/region.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_models.hpp"
#include "tests/support/fake_store.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace troupe::test {

/// An answer that may come later.
template <class Answer>
struct later {
  std::shared_ptr<std::optional<caf::expected<Answer>>> box =
      std::make_shared<std::optional<caf::expected<Answer>>>();

  bool came() const { return box->has_value(); }
  bool good() const { return came() && bool(**box); }
  ec code() const { return came() && !**box ? info((*box)->error()).code : ec::none; }
  const typename Answer::proto_type* operator->() const { return &****box; }
};

struct session_fixture : actor_fixture {
  session_fixture();
  ~session_fixture();

  template <class Answer, class Handle, class... Args>
  later<Answer> ask_later(const Handle& handle, Args... args) {
    later<Answer> answer;
    system->spawn([handle, answer, args...](caf::event_based_actor* self) {
      self->request(handle, caf::infinite, args...)
          .then([answer](const Answer& x) { *answer.box = x; },
                [answer](caf::error& err) { *answer.box = err; });
    });
    return answer;
  }

  /// Starts the region (again: what the one before had in memory is lost, as by a kill).
  void start_region();
  void kill_region();

  /// A conversation in the store; `change` may set its fields. Returns its id.
  std::string conversation(const std::function<void(v1::Conversation&)>& change = {});

  v1::PostMessage message(const std::string& conversation_id, const std::string& text) const;
  caf::expected<TurnAccepted> post(const v1::PostMessage& message);
  /// Posts, and returns the turn's id; fails the test if it was refused.
  std::string post(const std::string& conversation_id, const std::string& text);
  later<TurnAccepted> post_later(const v1::PostMessage& message);

  /// A reader of the turn.
  reading_ptr read(const std::string& conversation_id, const std::string& turn_id,
                   std::int64_t after_seq = 0);
  caf::expected<Turn> subscribe(const std::string& conversation_id, const std::string& turn_id,
                                std::int64_t after_seq, const reading_ptr& into);
  caf::expected<Turn> stop(const std::string& conversation_id, const std::string& turn_id);
  later<Turn> stop_later(const std::string& conversation_id, const std::string& turn_id);

  /// Lets what the store holds go on, and runs what follows.
  void release();

  const v1::Turn& turn(const std::string& id) const { return data->turns.at(id); }
  /// The texts of the conversation's current branch: "user:hi assistant:echo: hi".
  std::string branch(const std::string& conversation_id) const;
  static std::string text_of(const v1::Message& message);
  /// The texts of the messages of a request, likewise.
  static std::string texts(const v1::StartCompletion& request);
  v1::RegionStatus status();

  fake_store_ptr data = std::make_shared<fake_store_data>();
  fake_upstream_ptr upstream = std::make_shared<fake_upstream_data>();
  std::shared_ptr<fake_tokenizer_data> tokenizer = std::make_shared<fake_tokenizer_data>();
  config::model_section model; // facts of the model "small"
  session_region_options options;
  session_region_actor region;
};

} // namespace troupe::test
