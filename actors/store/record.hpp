// How writing goes, told before those who wrote are answered: who asks afterwards sees his write.
#pragma once

#include "messages/types.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace troupe {

/// Thread-safe: the writing worker notes, the store reads.
class write_record {
public:
  explicit write_record(std::shared_ptr<std::atomic<bool>> writable,
                        std::shared_ptr<std::atomic<std::uint64_t>> fenced =
                            std::make_shared<std::atomic<std::uint64_t>>(0)) :
      writable_(std::move(writable)), fenced_(std::move(fenced)) {}

  /// A transaction was committed. 0: the database was reached, and refused what it was told.
  /// True if the writes before failed.
  bool wrote(std::int64_t commands) {
    std::lock_guard guard{mutex_};
    commits_ += commands > 0 ? 1 : 0;
    rows_written_ += commands;
    return !writable_->exchange(true);
  }

  void failed(std::string error) {
    std::lock_guard guard{mutex_};
    last_error_ = std::move(error);
    *writable_ = false;
  }

  /// A session's write came from a node that is not its shard's owner any more.
  void fenced() { fenced_->fetch_add(1, std::memory_order_relaxed); }

  bool writable() const { return *writable_; }

  void fill(v1::StoreStatus& out) const {
    std::lock_guard guard{mutex_};
    out.set_writable(*writable_);
    if (!*writable_)
      out.set_last_error(last_error_);
    out.set_commits(commits_);
    out.set_rows_written(rows_written_);
  }

private:
  mutable std::mutex mutex_;
  std::shared_ptr<std::atomic<bool>> writable_;
  std::shared_ptr<std::atomic<std::uint64_t>> fenced_;
  std::string last_error_;
  std::int64_t commits_ = 0;
  std::int64_t rows_written_ = 0;
};

} // namespace troupe
