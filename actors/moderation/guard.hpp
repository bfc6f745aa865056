// The guard of a node's texts over the matcher in use.
#pragma once

#include "actors/moderation/moderation_probe.hpp"
#include "actors/moderation/word_watch.hpp"
#include "config/config.hpp"
#include "messages/clock.hpp"
#include "messages/text_guard.hpp"
#include "messages/types.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace troupe {

/// So many hits of one text are audited, the first ones; the others count as `hits_unaudited`.
inline constexpr std::size_t audited_hits_max = 100;

struct guard_options {
  std::shared_ptr<moderation::word_watch> watch;
  config::moderation_section config;
  std::shared_ptr<moderation_probe> probe = std::make_shared<moderation_probe>();
  wall_clock_ptr clock = system_clock();
  /// Passes hits on to the actor that audits them; called from any thread, must not block.
  std::function<void(RecordModerationHits)> audit = [](RecordModerationHits) {};
};

/// Takes no lock as long as nothing is found. A text costs its look-up; a stream besides that what
/// it holds back.
text_guard_ptr make_text_guard(guard_options options);

} // namespace troupe
