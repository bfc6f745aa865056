#include "actors/account/usage_journal.hpp"

#include "messages/log.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace troupe {

namespace {

constexpr std::size_t head_bytes = 8;              // length and CRC, little-endian
constexpr std::uint32_t record_bytes_max = 65'536; // what is longer is damage
constexpr std::size_t steps_kept = 4;              // of room, in a file that is empty

void put_u32(char* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i)
    at[i] = static_cast<char>(value >> (8 * i));
}

std::uint32_t get_u32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

std::uint32_t crc_of(const char* data, std::size_t size) {
  return static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(data), static_cast<uInt>(size)));
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

int open_file(const std::string& path, int more = 0) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | more, 0600);
}

} // namespace

usage_journal::usage_journal(const std::string& folder) : folder_(folder) {
  auto lock_path = folder_ + "/ledger.lock";
  lock_ = open_file(lock_path);
  if (lock_ < 0)
    fail(lock_path + " cannot be opened");
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw std::runtime_error(folder_
                             + " is used by another node: give each node a data folder of "
                               "its own (node.data_dir)");
  }
  for (int i : {0, 1}) {
    auto& x = files_[static_cast<std::size_t>(i)];
    x.file = open_file(path(i));
    struct stat info {};
    if (x.file < 0 || ::fstat(x.file, &info) != 0)
      fail(path(i) + " cannot be opened");
    x.on_disk = static_cast<std::size_t>(info.st_size);
  }
}

usage_journal::~usage_journal() {
  for (auto& x : files_)
    close(x);
  if (lock_ >= 0)
    ::close(lock_);
}

std::string usage_journal::path(int which) const {
  return fmt::format("{}/ledger-{}.journal", folder_, which);
}

// -- a mapped file --------------------------------------------------------------------------------

// The disk gives its room first: a mapped page without any would kill the process when written.
bool usage_journal::grow(mapped& x, std::size_t need) {
  auto room = (need + step_bytes - 1) / step_bytes * step_bytes;
  if (::posix_fallocate(x.file, 0, static_cast<off_t>(room)) != 0)
    return false;
  void* at = x.at == nullptr ? ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_SHARED, x.file, 0)
                             : ::mremap(x.at, x.room, room, MREMAP_MAYMOVE);
  if (at == MAP_FAILED)
    return false;
  x.at = static_cast<char*>(at);
  x.room = room;
  return true;
}

void usage_journal::shrink(mapped& x, std::size_t room) {
  if (x.room <= room)
    return;
  void* at = ::mremap(x.at, x.room, room, 0);
  if (at == MAP_FAILED)
    return;
  x.room = room;
  if (::ftruncate(x.file, static_cast<off_t>(room)) != 0)
    log_warn("ledger_journal_not_shrunk", {{"error", std::strerror(errno)}});
}

void usage_journal::close(mapped& x) {
  if (x.at != nullptr) {
    ::munmap(x.at, x.room);
    if (::ftruncate(x.file, static_cast<off_t>(x.used)) != 0)
      log_warn("ledger_journal_not_shrunk", {{"error", std::strerror(errno)}});
  }
  if (x.file >= 0)
    ::close(x.file);
  x = {};
}

void usage_journal::empty(mapped& x) {
  x.used = 0;
  if (x.at == nullptr)
    return;
  std::memset(x.at, 0, head_bytes);
  shrink(x, steps_kept * step_bytes);
}

bool usage_journal::add(mapped& x, const v1::UsageRecord& record) {
  auto size = record.ByteSizeLong();
  auto after = x.used + head_bytes + size;
  if (after + head_bytes > x.room && !grow(x, after + head_bytes))
    return false;
  char* at = x.at + x.used;
  char* body = at + head_bytes;
  record.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(body));
  std::memset(body + size, 0, head_bytes); // the end, as long as nothing follows
  put_u32(at + 4, crc_of(body, size));
  put_u32(at, static_cast<std::uint32_t>(size));
  x.used = after;
  return true;
}

// -- both -----------------------------------------------------------------------------------------

std::vector<v1::UsageRecord> usage_journal::read(int which) {
  auto& x = files_[static_cast<std::size_t>(which)];
  auto size = x.at != nullptr ? x.used : x.on_disk;
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    auto n = ::pread(x.file, bytes.data() + got, size - got, static_cast<off_t>(got));
    if (n <= 0)
      break;
    got += static_cast<std::size_t>(n);
  }
  std::vector<v1::UsageRecord> out;
  std::size_t at = 0;
  bool ended = false;
  while (!ended && got - at >= head_bytes) {
    auto length = get_u32(bytes.data() + at);
    const char* body = bytes.data() + at + head_bytes;
    v1::UsageRecord record;
    ended = length == 0;
    if (ended || length > record_bytes_max || length > got - at - head_bytes
        || crc_of(body, length) != get_u32(bytes.data() + at + 4)
        || !record.ParseFromArray(body, static_cast<int>(length)))
      break;
    out.push_back(std::move(record));
    at += head_bytes + length;
  }
  if (!ended && at < size)
    log_warn("ledger_journal_torn", {{"file", path(which)}, {"bytes_dropped", size - at}});
  return out;
}

std::vector<v1::UsageRecord> usage_journal::replay() {
  // The gathering file is the younger one, but after a crash nobody knows which it was; the ledger
  // does not mind the order, nor a record that is there twice.
  auto out = read(0);
  for (auto& record : read(1))
    out.push_back(std::move(record));
  auto fresh = path(0) + ".new";
  mapped all;
  all.file = open_file(fresh, O_TRUNC);
  bool written = all.file >= 0 && grow(all, step_bytes);
  for (const auto& record : out)
    written = written && add(all, record);
  if (!written || ::rename(fresh.c_str(), path(0).c_str()) != 0) {
    close(all);
    fail(fresh + " cannot be written");
  }
  std::swap(files_[0], all);
  close(all);
  auto& second = files_[1];
  if (second.at == nullptr && ::ftruncate(second.file, 0) != 0)
    fail(path(1) + " cannot be emptied");
  empty(second);
  second.on_disk = 0;
  gathering_ = 1;
  replayed_ = true;
  return out;
}

bool usage_journal::append(const v1::UsageRecord& record) {
  return replayed_ && add(files_[gathering_], record);
}

void usage_journal::turn_over() {
  gathering_ = 1 - gathering_;
  empty(files_[gathering_]);
}

} // namespace troupe
