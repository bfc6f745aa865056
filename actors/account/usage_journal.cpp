#include "actors/account/usage_journal.hpp"

#include "messages/log.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace troupe {

namespace {

constexpr std::size_t head_bytes = 8;              // length and CRC, little-endian
constexpr std::uint32_t record_bytes_max = 65'536; // what is longer is damage

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8)
    out += static_cast<char>(value >> shift);
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

void add_record(std::string& out, const v1::UsageRecord& record) {
  auto size = static_cast<std::uint32_t>(record.ByteSizeLong());
  put_u32(out, size);
  auto crc_at = out.size();
  put_u32(out, 0);
  record.AppendToString(&out);
  auto crc = crc_of(out.data() + crc_at + 4, size);
  for (int i = 0; i < 4; ++i)
    out[crc_at + static_cast<std::size_t>(i)] = static_cast<char>(crc >> (8 * i));
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

} // namespace

usage_journal::usage_journal(const std::string& folder) : folder_(folder) {
  auto lock_path = folder_ + "/ledger.lock";
  lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0)
    fail(lock_path + " cannot be opened");
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw std::runtime_error(folder_
                             + " is used by another node: give each node a data folder of "
                               "its own (node.data_dir)");
  }
  for (int i : {0, 1}) {
    auto& file = files_[static_cast<std::size_t>(i)];
    file = ::open(path(i).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
      fail(path(i) + " cannot be opened");
    struct stat info {};
    ::fstat(file, &info);
    sizes_[static_cast<std::size_t>(i)] = info.st_size;
  }
}

usage_journal::~usage_journal() {
  for (int file : files_)
    if (file >= 0)
      ::close(file);
  if (lock_ >= 0)
    ::close(lock_);
}

std::string usage_journal::path(int which) const {
  return fmt::format("{}/ledger-{}.journal", folder_, which);
}

std::vector<v1::UsageRecord> usage_journal::read(int which) {
  auto size = static_cast<std::size_t>(sizes_[static_cast<std::size_t>(which)]);
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    auto n = ::pread(files_[static_cast<std::size_t>(which)], bytes.data() + got, size - got,
                     static_cast<off_t>(got));
    if (n <= 0)
      break;
    got += static_cast<std::size_t>(n);
  }
  std::vector<v1::UsageRecord> out;
  std::size_t at = 0;
  while (got - at >= head_bytes) {
    auto length = get_u32(bytes.data() + at);
    const char* body = bytes.data() + at + head_bytes;
    v1::UsageRecord record;
    if (length > record_bytes_max || length > got - at - head_bytes
        || crc_of(body, length) != get_u32(bytes.data() + at + 4)
        || !record.ParseFromArray(body, static_cast<int>(length)))
      break;
    out.push_back(std::move(record));
    at += head_bytes + length;
  }
  if (at < size)
    log_warn("ledger_journal_torn", {{"file", path(which)}, {"bytes_dropped", size - at}});
  return out;
}

bool usage_journal::write_all(int which, const std::string& bytes) {
  auto& size = sizes_[static_cast<std::size_t>(which)];
  int file = files_[static_cast<std::size_t>(which)];
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto n = ::write(file, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      // Half a record in the middle would hide those after it.
      if (done > 0 && ::ftruncate(file, size) != 0)
        log_error("ledger_journal_damaged", {{"file", path(which)}});
      return false;
    }
    done += static_cast<std::size_t>(n);
  }
  size += static_cast<std::int64_t>(bytes.size());
  return true;
}

std::vector<v1::UsageRecord> usage_journal::replay() {
  // The gathering file is the younger one, but after a crash nobody knows which it was; the ledger
  // does not mind the order, nor a record that is there twice.
  auto out = read(0);
  for (auto& record : read(1))
    out.push_back(std::move(record));
  std::string bytes;
  for (const auto& record : out)
    add_record(bytes, record);
  auto fresh = path(0) + ".new";
  int file = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0)
    fail(fresh + " cannot be opened");
  std::swap(files_[0], file);
  auto old_size = std::exchange(sizes_[0], 0);
  if (!write_all(0, bytes) || ::rename(fresh.c_str(), path(0).c_str()) != 0) {
    std::swap(files_[0], file);
    sizes_[0] = old_size;
    ::close(file);
    fail(fresh + " cannot be written");
  }
  ::close(file);
  if (::ftruncate(files_[1], 0) != 0)
    fail(path(1) + " cannot be emptied");
  sizes_[1] = 0;
  gathering_ = 1;
  return out;
}

bool usage_journal::append(const google::protobuf::RepeatedPtrField<v1::UsageRecord>& records) {
  buffer_.clear();
  for (const auto& record : records)
    add_record(buffer_, record);
  return write_all(gathering_, buffer_);
}

void usage_journal::turn_over() {
  auto done = static_cast<std::size_t>(1 - gathering_);
  if (sizes_[done] != 0) {
    if (::ftruncate(files_[done], 0) != 0)
      return; // it is read again at the next start, which does no harm
    sizes_[done] = 0;
  }
  gathering_ = static_cast<int>(done);
}

} // namespace troupe
