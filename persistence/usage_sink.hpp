// Where usage is put before an answer ends.
#pragma once

#include "troupe/v1/account.pb.h"

namespace troupe::persistence {

/// Thread-safe, and never blocks for longer than a copy takes.
class usage_sink {
public:
  virtual ~usage_sink() = default;

  /// Once it returns, the death of this process does not lose the record (unless the disk takes
  /// nothing, which is counted). A record that nobody could store is counted and dropped.
  virtual void put(v1::UsageRecord&& record) = 0;
};

} // namespace troupe::persistence
