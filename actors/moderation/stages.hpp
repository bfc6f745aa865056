// Moderation as stages of a session: what users write is looked at before it is durable, what
// models answer and think as it streams.
//
// Tool calls pass as they are: their arguments are for programs, which a mask would break. What
// tools answer is looked at, as what a user wrote.
#pragma once

#include "actors/session/pipeline.hpp"
#include "messages/text_guard.hpp"

namespace troupe {

/// Puts them first in their lists.
void add_moderation_stages(turn_pipeline& pipeline, const text_guard_ptr& guard);

} // namespace troupe
