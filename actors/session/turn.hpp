// A turn that is open in its session: waiting, running, or being stored.
#pragma once

#include "actors/session/event_log.hpp"
#include "actors/session/pipeline.hpp"
#include "messages/alarms.hpp"
#include "messages/interfaces.hpp"
#include "messages/kept_message.hpp"
#include "messages/promises.hpp"
#include "messages/thin_string.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

enum class turn_phase : std::uint8_t {
  queued,          // others are before it
  starting,        // its start is being stored
  positioning,     // its branch is being loaded
  routing,         // who serves its model is being asked
  counting,        // the tokens of its messages are being counted
  examining,       // with the stages at `window`
  answering,       // the model answers
  draining,        // the model ended; the filters hold text yet
  settling,        // its usage is being counted, or it is with the stages at `record`
  recording,       // its step is being stored
  awaiting_tools,  // a client runs tools
  storing_results, // their results are being stored
};

using filter_chain = std::vector<std::unique_ptr<stream_filter>>;

/// What one model call of a turn gave so far.
struct model_step {
  std::int64_t id = 0;
  thin_string completion_id; // empty: no model was asked
  bool open = false;         // the upstream may still send
  bool batching = false;
  std::unique_ptr<v1::Route> route; // until the model is asked
  thin_string vocabulary;           // the route's
  thin_string deployment;
  thin_string model;                // who answered
  std::int64_t shown_from = 0;      // the text shown is that of the events after it
  std::unique_ptr<v1::Usage> usage; // empty: not known
  std::string reasoning;
  std::vector<v1::ImagePart> images; // of an answer that no model gave
  std::map<std::int32_t, v1::ToolCallPart> calls;
  thin_string finish_reason;
  caf::error failure;     // of the upstream
  std::size_t first = 0;  // of the messages sent, in the history
  std::int64_t bytes = 0; // of the answer, for its bound
  std::int64_t started_us = 0;
  std::int64_t first_byte_us = 0;     // after started_us
  std::vector<v1::TurnEvent> pending; // of the batch at hand
  filter_chain answer;                // what its text goes through
  filter_chain thoughts;              // the same of its reasoning
  bool thinking = false;              // reasoning was the last that came
};

/// As what a turn is counted in its region.
enum class turn_count : std::uint8_t { none, queued, running };

/// How a step shall end.
struct turn_ending {
  v1::TurnStatus status = v1::TURN_STATUS_FINISHED;
  caf::error reason; // of a failure
};

struct open_turn {
  explicit open_turn(v1::Turn of) : id(of.id()), turn(std::move(of)) {}

  thin_string id;
  kept_message<v1::Turn> turn;
  thin_string reply_id;                  // of the message that will end it: known from the start
  thin_string tip;                       // its last durable message
  thin_string parent_id;                 // of its user message
  std::unique_ptr<v1::Message> question; // empty: to be loaded
  turn_phase phase = turn_phase::queued;
  turn_count counted = turn_count::none;
  bool moves_leaf = true; // false once the user went to another branch
  bool restarted = false; // its node or actor died while it ran
  bool must_store_start = true;
  bool started = false; // in this session
  std::int64_t began_us = 0;
  std::int64_t serial = 0;   // of its present phase: late answers to a phase before are dropped
  std::int64_t limit_id = 0; // of its time limit
  alarms::ticket limit = 0;
  int failures = 0; // of the present write
  event_log events;
  std::vector<turn_sink_actor> sinks;
  std::unique_ptr<model_step> step;
  std::optional<turn_ending> ending;        // wanted once the present write is done
  std::unique_ptr<v1::AdvanceTurn> advance; // being stored
  std::vector<owed<Turn>> stoppers;
};

/// An ended turn whose events can still be read from memory.
struct ended_turn {
  v1::Turn turn;
  event_log events;
  std::int64_t until_us = 0;
};

} // namespace troupe
