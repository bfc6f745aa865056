// Files of usage records that are not in the database yet. Knows no actor.
#pragma once

#include "troupe/v1/account.pb.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

/// Keeps usage records over the death of the process: what was appended is read back at the next
/// start. (It is not synced: a power cut may lose the last records, a killed process loses none.)
///
/// Two files take turns. One gathers while the records of the other are written to the database;
/// then that one is emptied and they change places. The files are mapped: to append is to copy, no
/// system call. A record is a length, a CRC-32 and the protobuf bytes; after the last comes a
/// length of 0. A torn or damaged end is dropped at the next start. Its owner bounds its size by
/// bounding what it appends, and uses it from one thread at a time.
class usage_journal {
public:
  /// Opens or makes `<folder>/ledger-{0,1}.journal`. Throws std::runtime_error when they cannot be
  /// used, or another process uses them.
  explicit usage_journal(const std::string& folder);
  ~usage_journal();
  usage_journal(const usage_journal&) = delete;
  usage_journal& operator=(const usage_journal&) = delete;

  /// To be called first. The records of both files, oldest first. Afterwards they are all in the
  /// file that is being written to the database, and the gathering one is empty.
  std::vector<v1::UsageRecord> replay();

  /// Adds a record to the gathering file. False if the disk has no room for it; the file is then as
  /// it was before.
  bool append(const v1::UsageRecord& record);

  /// The other file's records are durable elsewhere: empties it, and the files change places.
  void turn_over();

  /// Of records, in both files.
  std::int64_t bytes() const { return static_cast<std::int64_t>(files_[0].used + files_[1].used); }

  /// What a file grows by; room is taken from the disk before it is used.
  static constexpr std::size_t step_bytes = 1'048'576;

private:
  struct mapped {
    int file = -1;
    char* at = nullptr;      // null: nothing is mapped
    std::size_t room = 0;    // mapped, and the disk has it
    std::size_t used = 0;    // of records
    std::size_t on_disk = 0; // when it was opened
  };

  std::string path(int which) const;
  static bool grow(mapped& x, std::size_t need);
  static void shrink(mapped& x, std::size_t room);
  static void close(mapped& x);
  static void empty(mapped& x);
  static bool add(mapped& x, const v1::UsageRecord& record);
  std::vector<v1::UsageRecord> read(int which);

  std::string folder_;
  int lock_ = -1;
  std::array<mapped, 2> files_;
  std::size_t gathering_ = 0;
  bool replayed_ = false;
};

} // namespace troupe
