// Keywords in the way of a turn: answers instead of the model, or another message for it.
#pragma once

#include "actors/keywords/rule_usage.hpp"
#include "actors/session/pipeline.hpp"
#include "messages/clock.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace troupe {

struct keyword_stage_options {
  std::shared_ptr<const keywords::live_rules> live;
  std::shared_ptr<keywords::rule_usage> usage;
  bool api = false; // also in conversations without a channel
  wall_clock_ptr clock = system_clock();
  std::function<std::uint64_t()> random = keywords::draw_random; // thread-safe
};

/// Looks at the user's message of a turn's first step, without what it quotes. The message as it
/// was written stays in the conversation: a prompt goes to the model in its place.
class keyword_stage final : public window_stage {
public:
  explicit keyword_stage(keyword_stage_options options) : options_(std::move(options)) {}

  std::string_view name() const override { return "keywords"; }
  void examine(const stage_context& context, const v1::Turn& turn, v1::StartCompletion request,
               next go_on) const override;

private:
  keyword_stage_options options_;
};

namespace keywords {

/// What a user wrote: the texts of a message, without the lines that channels put before it to say
/// what it quotes (`> `).
std::string own_text(const v1::Message& message);

/// The answer as a turn takes it: pictures with an https URL, and names of stored ones as text,
/// which cannot be looked up yet.
ready_answer ready(chosen_answer answer);

} // namespace keywords

} // namespace troupe
