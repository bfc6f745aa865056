#include "actors/store/connection.hpp"

#include "messages/log.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr std::chrono::milliseconds backoff_first{25};
constexpr std::chrono::milliseconds backoff_max{400};

} // namespace

persistence::database& store_connection::open(time_point now) {
  if (db_)
    return *db_;
  if (last_error_ && now < retry_at_)
    throw *last_error_;
  try {
    db_ = factory_->open(mode_);
  } catch (const persistence::failure& error) {
    last_error_ = error;
    backoff_ = std::clamp(backoff_ * 2, backoff_first, backoff_max);
    retry_at_ = now + backoff_;
    throw;
  }
  if (last_error_)
    log_info("store_reconnected", {{"database", factory_->location()}});
  last_error_.reset();
  backoff_ = {};
  return *db_;
}

void store_connection::note(const persistence::failure& error) {
  log_warn("store_failed", {{"database", factory_->location()}, {"error", error.what()}});
  if (error.hurt == persistence::damage::connection)
    db_.reset();
}

} // namespace troupe
