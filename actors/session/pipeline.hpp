// The way of a turn through its session, and where others may stand in it.
//
//   PostMessage -> admit -> (durable, acknowledged) -> window -> complete -> record -> TurnFinished
//
// Each name is a point. The session does the point's own work; stages that were put there see what
// is about to go on, in their order:
//
// - admit: the message as posted. A stage passes it on, changed or not; or an error, and it is
//   refused, unsaved.
// - window: what the model would read. A stage passes it on, changed or not; an answer instead; or
//   an error.
// - complete: the answer, as it streams. A stage passes on text, now or later, changed or not; or
//   an error.
// - record: what will be stored. A stage passes it on, changed or not.
//
// So keywords answer at `window`, moderation of the user's text blocks at `admit`, and moderation
// of the model's text holds back and blocks at `complete`, all without a change to the session.
//
// Rules for stages. One stage object serves all sessions of a node at once, from several threads:
// it is const, and what belongs to one turn lives in its continuation or its filter. A stage may
// answer at once or later: it asks actors through `stage_context::self` with a finite timeout and
// goes on in the response handler. It calls its continuation once, in the session (not from
// another thread). One that is dropped uncalled fails the turn with `ec::internal`; at `record`,
// the step is then stored as it was. A turn that ended meanwhile ignores it. Errors reach the user:
// they are sentences that say what to do.
#pragma once

#include "messages/interfaces.hpp"

#include <caf/expected.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe {

/// What a stage may know of the session it stands in.
struct stage_context {
  with_timer<session_actor>::pointer self = nullptr; // for requests
  std::shared_ptr<const v1::Conversation> conversation;
};

/// Before the message is durable.
class admit_stage {
public:
  using next = std::function<void(caf::expected<v1::PostMessage>)>;

  virtual ~admit_stage() = default;
  virtual std::string_view name() const = 0;
  virtual void admit(const stage_context& context, v1::PostMessage post, next go_on) const = 0;
};

/// An answer that no model gave. It goes through `complete` and `record` as a model's would.
struct ready_answer {
  std::string text;
  std::vector<v1::ImagePart> images; // below the text; once the answer is whole
};

/// After the context window was chosen, before a model is asked. The request's model, messages,
/// parameters and tools may be changed; its route belongs to the model of before.
class window_stage {
public:
  using verdict = std::variant<v1::StartCompletion, ready_answer, caf::error>;
  using next = std::function<void(verdict)>;

  virtual ~window_stage() = default;
  virtual std::string_view name() const = 0;
  virtual void examine(const stage_context& context, const v1::Turn& turn,
                       v1::StartCompletion request, next go_on) const = 0;
};

/// Where a filter's text goes: the next filter, or the readers and the record.
class stream_output {
public:
  virtual ~stream_output() = default;
  /// Whole characters only.
  virtual void text(std::string_view text) = 0;
  /// No more will come. A filter calls it after its own `end`, now or later.
  virtual void end() = 0;
  /// Ends the turn with this error; the text shown so far is kept.
  virtual void block(caf::error reason) = 0;
};

/// Filters the text of one model call. It is told the text, then the end; after a stop or a block
/// it is told nothing more, and what it holds back is lost.
class stream_filter {
public:
  virtual ~stream_filter() = default;
  virtual void text(std::string_view text) = 0;
  virtual void end() = 0;
};

/// While the answer streams.
class complete_stage {
public:
  virtual ~complete_stage() = default;
  virtual std::string_view name() const = 0;
  /// A filter for one model call; null: its text passes as it is. `output` may be kept: once the
  /// turn went on without the filter, it does nothing.
  virtual std::unique_ptr<stream_filter> open(const stage_context& context, const v1::Turn& turn,
                                              std::shared_ptr<stream_output> output) const = 0;
  /// The same for what the model thinks before it answers or calls a tool, which readers see too.
  /// Its end comes when the model goes on to something else.
  virtual std::unique_ptr<stream_filter> open_reasoning(const stage_context&, const v1::Turn&,
                                                        std::shared_ptr<stream_output>) const {
    return nullptr;
  }
};

/// Before a step's messages, usage and outbox rows are stored. It cannot refuse: the text is shown.
class record_stage {
public:
  using next = std::function<void(v1::AdvanceTurn)>;

  virtual ~record_stage() = default;
  virtual std::string_view name() const = 0;
  virtual void record(const stage_context& context, v1::AdvanceTurn step, next go_on) const = 0;
};

/// The stages of a node, each list in its order.
struct turn_pipeline {
  std::vector<std::shared_ptr<const admit_stage>> admit;
  std::vector<std::shared_ptr<const window_stage>> window;
  std::vector<std::shared_ptr<const complete_stage>> complete;
  std::vector<std::shared_ptr<const record_stage>> record;
};

} // namespace troupe
