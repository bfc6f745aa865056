// A file of usage records that are not in the database yet. Knows no actor.
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
/// then that one is emptied and they change places. A record is a length, a CRC-32 and the
/// protobuf bytes; a torn or damaged end is dropped at the next start. Its owner bounds its size by
/// bounding what it appends.
class usage_journal {
public:
  /// Opens or makes `<folder>/ledger-{0,1}.journal`. Throws std::runtime_error when they cannot be
  /// used, or another process uses them.
  explicit usage_journal(const std::string& folder);
  ~usage_journal();
  usage_journal(const usage_journal&) = delete;
  usage_journal& operator=(const usage_journal&) = delete;

  /// The records of both files, oldest first. Afterwards they are all in the file that is being
  /// written to the database, and the gathering one is empty.
  std::vector<v1::UsageRecord> replay();

  /// Adds records to the gathering file with one write(2). False if the disk would not take them;
  /// the file is then as it was before.
  bool append(const google::protobuf::RepeatedPtrField<v1::UsageRecord>& records);

  /// The other file's records are durable elsewhere: empties it, and the files change places.
  void turn_over();

  std::int64_t bytes() const { return sizes_[0] + sizes_[1]; }

private:
  std::string path(int which) const;
  std::vector<v1::UsageRecord> read(int which);
  bool write_all(int which, const std::string& bytes);

  std::string folder_;
  int lock_ = -1;
  std::array<int, 2> files_{-1, -1};
  std::array<std::int64_t, 2> sizes_{};
  int gathering_ = 0;
  std::string buffer_;
};

} // namespace troupe
