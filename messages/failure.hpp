// Errors as they travel between nodes and to users.
#pragma once

#include "messages/error.hpp"
#include "troupe/v1/common.pb.h"

namespace troupe {

/// The error's code, sentence and HTTP status.
v1::Failure failure_of(const caf::error& err);

/// The error that a failure tells of; `unknown` when it has no code, `internal` for a code that
/// this version does not know.
caf::error error_of(const v1::Failure& failure, ec unknown = ec::internal);

} // namespace troupe
