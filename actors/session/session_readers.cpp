// Readers of turns, and those who stop them.
#include "actors/session/gate.hpp"

#include <caf/actor_cast.hpp>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t sinks_max = 64;
constexpr std::size_t replay_batch_bytes = 32'768;

caf::error no_such_turn() {
  return make_error(ec::not_found, "there is no such turn in this conversation");
}

bool ended(v1::TurnStatus status) {
  return status == v1::TURN_STATUS_FINISHED || status == v1::TURN_STATUS_STOPPED
         || status == v1::TURN_STATUS_FAILED;
}

} // namespace

caf::result<Turn> session_state::subscribe(const SubscribeTurn& query,
                                           const turn_sink_actor& sink) {
  return when_loaded<Turn>(
      [this, query, sink](const owed<Turn>& answer) { do_subscribe(*query, sink, answer); });
}

void session_state::do_subscribe(const v1::SubscribeTurn& query, const turn_sink_actor& sink,
                                 const owed<Turn>& answer) {
  if (auto err = check_access(query.context())) {
    answer.fail(std::move(err));
    return;
  }
  if (!sink) {
    answer.fail(make_error(ec::invalid_argument, "a reader is missing"));
    return;
  }
  if (auto* turn = find_turn(query.turn_id())) {
    bool known = std::find(turn->sinks.begin(), turn->sinks.end(), sink) != turn->sinks.end();
    if (!known && turn->sinks.size() >= sinks_max) {
      answer.fail(make_error(ec::overloaded, "too many read this turn already; try again later"));
      return;
    }
    answer.give(Turn{turn->turn.copy()});
    send_batches(sink, query.turn_id(), turn->events.replay(query.after_seq(), replay_batch_bytes));
    if (!known) {
      self_->monitor(sink);
      turn->sinks.push_back(sink);
    }
    return;
  }
  if (work_ != nullptr)
    for (const auto& turn : work_->ended)
      if (turn.turn.id() == query.turn_id()) {
        answer.give(Turn{turn.turn});
        send_batches(sink, query.turn_id(),
                     turn.events.replay(query.after_seq(), replay_batch_bytes));
        return;
      }
  subscribe_stored(query, sink, answer);
}

void session_state::subscribe_stored(const v1::SubscribeTurn& query, const turn_sink_actor& sink,
                                     const owed<Turn>& answer) {
  v1::GetTurn wanted;
  wanted.set_turn_id(query.turn_id());
  request(options_->store, store_limit(), GetTurn{std::move(wanted)})
      .then(
          [this, query, sink, answer](const Turn& turn) {
            if (turn->conversation_id() != id_) {
              answer.fail(no_such_turn());
            } else if (ended(turn->status())) {
              replay_stored(*turn, query.after_seq(), sink, answer);
            } else {
              // Accepted without our knowing: it is taken up, and read like any other.
              if (!knows(turn->id()) && memory_ == memory::loaded) {
                adopt(*turn, false);
                start_next();
              }
              if (knows(turn->id()))
                do_subscribe(query, sink, answer);
              else
                answer.fail(no_such_turn());
            }
          },
          [answer](const caf::error& err) {
            answer.fail(info(err).code == ec::not_found ? no_such_turn() : err);
          });
}

// A turn that left memory: its reply and its end, numbered after what the reader has.
void session_state::replay_stored(const v1::Turn& turn, std::int64_t after_seq,
                                  const turn_sink_actor& sink, const owed<Turn>& answer) {
  auto tell = [this, turn, after_seq, sink, answer](const v1::Message* reply) {
    v1::TurnEvents batch;
    auto seq =
        std::max(after_seq, static_cast<std::int64_t>(std::max(turn.attempts(), 1) - 1) << 32);
    if (reply != nullptr && !reply->parts().empty()) {
      auto& event = *batch.add_events();
      event.set_seq(++seq);
      *event.mutable_message()->mutable_message() = *reply;
      event.mutable_message()->mutable_message()->set_conversation_id(id_);
    }
    auto& last = *batch.add_events();
    last.set_seq(++seq);
    if (turn.status() == v1::TURN_STATUS_FAILED) {
      *last.mutable_failed()->mutable_failure() = turn.failure();
    } else {
      auto& finished = *last.mutable_finished();
      finished.set_status(turn.status());
      finished.set_message_id(turn.reply_id());
      if (reply != nullptr) {
        finished.set_finish_reason(reply->finish_reason());
        *finished.mutable_usage() = reply->usage();
      }
    }
    answer.give(Turn{turn});
    send_batches(sink, turn.id(), {std::move(batch)});
  };
  if (turn.reply_id().empty()) {
    tell(nullptr);
    return;
  }
  auto query = branch_query(turn.reply_id());
  query.set_max_messages(1);
  request(options_->store, store_limit(), LoadBranch{std::move(query)})
      .then(
          [turn, tell](const SessionLoaded& branch) {
            const auto& messages = branch->messages();
            bool there = !messages.empty() && messages.rbegin()->id() == turn.reply_id();
            tell(there ? &*messages.rbegin() : nullptr);
          },
          [tell, answer](const caf::error& err) {
            if (info(err).code == ec::not_found)
              tell(nullptr);
            else
              answer.fail(err);
          });
}

void session_state::send_batches(const turn_sink_actor& sink, const std::string& turn_id,
                                 std::vector<v1::TurnEvents> batches) {
  for (auto& batch : batches) {
    batch.set_conversation_id(id_);
    batch.set_turn_id(turn_id);
    self_->send(sink, TurnEvents{std::move(batch)});
  }
}

void session_state::unsubscribe(const UnsubscribeTurn& query, const turn_sink_actor& sink) {
  auto* turn = find_turn(query->turn_id());
  if (turn != nullptr && std::erase(turn->sinks, sink) > 0)
    self_->demonitor(sink.address());
}

void session_state::drop_sink(const caf::actor_addr& sink) {
  if (work_ != nullptr)
    for (auto& turn : work_->open)
      std::erase_if(turn->sinks, [&](const turn_sink_actor& x) { return x.address() == sink; });
}

caf::result<Turn> session_state::stop(const StopTurn& command) {
  return when_loaded<Turn>(
      [this, command](const owed<Turn>& answer) { do_stop(*command, answer); });
}

void session_state::do_stop(const v1::StopTurn& command, const owed<Turn>& answer) {
  if (auto err = check_access(command.context())) {
    answer.fail(std::move(err));
    return;
  }
  auto* turn = find_turn(command.turn_id());
  if (turn == nullptr && command.turn_id().empty() && work_ != nullptr && !work_->open.empty())
    turn = work_->open.front().get();
  if (turn != nullptr) {
    turn->stoppers.push_back(answer);
    finish(*turn, {v1::TURN_STATUS_STOPPED, {}});
    return;
  }
  if (command.turn_id().empty()) {
    answer.fail(make_error(ec::not_found, "no turn runs in this conversation"));
    return;
  }
  v1::GetTurn query;
  query.set_turn_id(command.turn_id());
  request(options_->store, store_limit(), GetTurn{std::move(query)})
      .then(
          [this, answer](const Turn& turn) {
            if (turn->conversation_id() == id_)
              answer.give(turn);
            else
              answer.fail(no_such_turn());
          },
          [answer](const caf::error& err) {
            answer.fail(info(err).code == ec::not_found ? no_such_turn() : err);
          });
}

} // namespace troupe
