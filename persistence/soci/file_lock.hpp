// A lock on a file: shared by those who use the database, exclusive for who replaces it.
#pragma once

#include <string>

namespace troupe::persistence {

/// Holds flock(2) on `path`, which is made if missing, until it is destroyed. The system drops it
/// when the process dies.
class file_lock {
public:
  enum class mode { shared, exclusive };
  /// Does not wait: throws `failure` (`conflict`) when another process holds it otherwise.
  file_lock(const std::string& path, mode how);
  ~file_lock();
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;

private:
  int fd_ = -1;
};

} // namespace troupe::persistence
