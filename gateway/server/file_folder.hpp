// Files of one folder and nothing outside it. Blocking; for a pool's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// An open file, closed with the object.
class folder_file {
public:
  folder_file(int fd, std::uint64_t size, std::int64_t changed_ns) :
      size(size), fd_(fd), changed_ns_(changed_ns) {}
  folder_file(folder_file&& other) noexcept;
  folder_file& operator=(folder_file&&) = delete;
  ~folder_file();

  /// At most `bytes` from `offset` on; fewer at the end, none if it cannot be read.
  std::string read(std::uint64_t offset, std::uint64_t bytes) const;
  /// Quoted; changes when the file does.
  std::string etag() const;

  std::uint64_t size;
  bool is_index = false; // of a folder that was asked for

private:
  int fd_;
  std::int64_t changed_ns_;
};

class file_folder {
public:
  /// Throws std::runtime_error if it cannot be opened.
  explicit file_folder(const std::string& path);
  ~file_folder();
  file_folder(const file_folder&) = delete;
  file_folder& operator=(const file_folder&) = delete;

  /// The regular file at a decoded path that begins with `/`; of a folder its index.html. Every
  /// part is opened by itself: symbolic links, dot names, `..` and doubled slashes find nothing.
  std::optional<folder_file> open(std::string_view path) const;

private:
  int fd_;
};

/// A part of a file: [begin, end).
struct byte_range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool impossible = false; // to be answered with 416
};

/// The range a Range field asks for. Several ranges, other units and nonsense mean the whole file.
byte_range parse_range(std::string_view field, std::uint64_t size);

} // namespace troupe::gateway
