#include "persistence/soci/file_lock.hpp"

#include "persistence/failure.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace troupe::persistence {

file_lock::file_lock(const std::string& path, mode how) :
    fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (fd_ < 0)
    throw failure(ec::store_unavailable,
                  fmt::format("{} cannot be opened: {}", path, std::strerror(errno)),
                  damage::connection);
  if (::flock(fd_, (how == mode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    ::close(fd_);
    fd_ = -1;
    throw failure(ec::conflict,
                  how == mode::shared
                      ? "a restore of this database is running: wait for its end"
                      : "a node or another command uses this database: stop it first",
                  damage::connection);
  }
}

file_lock::~file_lock() {
  if (fd_ >= 0)
    ::close(fd_);
}

} // namespace troupe::persistence
