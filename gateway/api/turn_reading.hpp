// Decides what of a turn's events a reader gets, and when it has had all there is for now.
#pragma once

#include "messages/thin_string.hpp"
#include "messages/types.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace troupe::gateway {

/// Follows the events of one turn. Pure.
///
/// A turn ends with finished or failed. Before that it may pause: the model asked for tools of the
/// client, and only posting their results makes it go on. A pause looks like any message with tool
/// calls, so whoever reads asks for the turn's status before believing it.
class turn_reading {
public:
  /// `after_call`: passes over everything up to the message with this tool call, which the reader
  /// has had already; empty: nothing.
  explicit turn_reading(std::string_view after_call = {}) : after_call_(after_call) {}

  /// Takes the next event; false when the reader is not to see it.
  bool take(const v1::TurnEvent& event);

  /// The last event came.
  bool ended() const { return ended_; }
  /// The newest event is a message with tool calls: the turn may wait for their results.
  bool may_be_paused() const { return !ended_ && paused_; }
  std::int64_t last_seq() const { return last_seq_; }
  /// The message of `may_be_paused`.
  const v1::Message& calling_message() const {
    return calling_ ? *calling_ : v1::Message::default_instance();
  }

private:
  bool passes_over(const v1::TurnEvent& event);

  thin_string after_call_;
  std::int64_t last_seq_ = 0;
  std::unique_ptr<v1::Message> calling_; // most turns ask for no tools
  bool begun_ = false;
  bool paused_ = false;
  bool ended_ = false;
};

/// The event that tells a reader of a pause: finished, with status awaiting_tools.
v1::TurnEvent pause_event(const turn_reading& reading);

} // namespace troupe::gateway
