#include "gateway/server/file_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace troupe::gateway {

folder_file::folder_file(folder_file&& other) noexcept :
    size(other.size),
    is_index(other.is_index),
    fd_(std::exchange(other.fd_, -1)),
    changed_ns_(other.changed_ns_) {}

folder_file::~folder_file() {
  if (fd_ >= 0)
    ::close(fd_);
}

std::string folder_file::read(std::uint64_t offset, std::uint64_t bytes) const {
  std::string out(bytes, '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    auto n = ::pread(fd_, out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

std::string folder_file::etag() const {
  char text[48];
  auto* end = text;
  *end++ = '"';
  end = std::to_chars(end, text + 20, static_cast<std::uint64_t>(changed_ns_), 16).ptr;
  *end++ = '-';
  end = std::to_chars(end, text + 40, size, 16).ptr;
  *end++ = '"';
  return {text, end};
}

file_folder::file_folder(const std::string& path) :
    fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ < 0)
    throw std::runtime_error("gateway.static_dir: " + path + ": " + std::strerror(errno)
                             + ". Give a folder that can be read, or leave it empty.");
}

file_folder::~file_folder() { ::close(fd_); }

std::optional<folder_file> file_folder::open(std::string_view path) const {
  if (!path.starts_with('/'))
    return std::nullopt;
  int folder = ::dup(fd_);
  bool index = false;
  while (folder >= 0) {
    path.remove_prefix(1);
    auto end = std::min(path.find('/'), path.size());
    std::string name{path.substr(0, end)};
    path.remove_prefix(end);
    if (name.empty() && path.empty()) {
      name = "index.html";
      index = true;
    }
    int at = -1;
    if (!name.empty() && name.front() != '.' && name.find('\\') == name.npos
        && name.find('\0') == name.npos)
      at = ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    ::close(folder);
    struct stat what {};
    if (at < 0)
      return std::nullopt;
    if (::fstat(at, &what) != 0) {
      ::close(at);
      return std::nullopt;
    }
    if (S_ISREG(what.st_mode) && path.empty()) {
      auto changed =
          static_cast<std::int64_t>(what.st_mtim.tv_sec) * 1'000'000'000 + what.st_mtim.tv_nsec;
      folder_file file{at, static_cast<std::uint64_t>(what.st_size), changed};
      file.is_index = index;
      return file;
    }
    if (!S_ISDIR(what.st_mode) || index) {
      ::close(at);
      return std::nullopt;
    }
    folder = at;
    if (path.empty())
      path = "/"; // a folder: its index
  }
  return std::nullopt;
}

byte_range parse_range(std::string_view field, std::uint64_t size) {
  byte_range whole{0, size, false};
  constexpr std::string_view unit = "bytes=";
  if (!field.starts_with(unit) || field.find(',') != field.npos)
    return whole;
  field.remove_prefix(unit.size());
  auto dash = field.find('-');
  if (dash == field.npos)
    return whole;
  auto number = [](std::string_view text, std::uint64_t& out) {
    auto [end, e] = std::from_chars(text.data(), text.data() + text.size(), out);
    return e == std::errc{} && end == text.data() + text.size();
  };
  auto first = field.substr(0, dash);
  auto last = field.substr(dash + 1);
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  if (first.empty()) {
    if (!number(last, to))
      return whole;
    if (to == 0 || size == 0)
      return {0, 0, true};
    return {size - std::min(to, size), size, false};
  }
  if (!number(first, from) || (!last.empty() && (!number(last, to) || to < from)))
    return whole;
  if (from >= size)
    return {0, 0, true};
  return {from, last.empty() ? size : std::min(to + 1, size), false};
}

} // namespace troupe::gateway
