#include "persistence/migration.hpp"
#include "persistence/soci/file_lock.hpp"
#include "persistence/soci/sqlite.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>

namespace troupe::persistence {

namespace {

namespace fs = std::filesystem;

failure cannot(std::string_view what, const std::string& path, const std::string& why) {
  return failure(ec::store_unavailable, fmt::format("{} cannot be {}: {}", path, what, why));
}

std::int64_t size_of(const std::string& path) {
  std::error_code error;
  auto size = fs::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// Waits until a file, or a folder's list of names, is on the disk.
void sync(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw cannot("opened", path, std::strerror(errno));
  bool good = ::fsync(fd) == 0;
  auto why = errno;
  ::close(fd);
  if (!good)
    throw cannot("written", path, std::strerror(why));
}

std::string folder_of(const std::string& path) {
  auto folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

void rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error)
    throw cannot("renamed", from, error.message());
}

void erase_database(const std::string& path) {
  std::error_code ignored;
  for (const char* end : {"", "-wal", "-shm"})
    fs::remove(path + end, ignored);
}

/// Erases a half-made file unless it is kept.
struct partial_file {
  std::string path;
  bool keep = false;
  ~partial_file() {
    if (!keep)
      erase_database(path);
  }
};

/// Throws when the database in `path` is no good; returns its schema's version.
std::int64_t verified(const std::string& path) {
  auto db = open_sqlite(path, access::write);
  auto status = inspect_schema(*db);
  if (status.applied.empty())
    throw failure(ec::invalid_argument, "it is no database of Troupe");
  // An older schema is good: `troupe db migrate` or the next start brings it up to date.
  for (const auto& found : db->verify())
    if (found.check != "schema") // as when SQLite itself finds that it is
      throw failure(ec::store_unavailable,
                    fmt::format("it is damaged ({}: {})", found.check, found.detail));
  return status.version;
}

class sqlite_maintenance final : public maintenance {
public:
  explicit sqlite_maintenance(std::string path) : path_(std::move(path)) {}

  database_status status() override {
    database_status out;
    out.backend = "sqlite";
    out.location = path_;
    out.exists = exists(path_);
    out.wanted_version = migrations().back().version;
    if (!out.exists)
      return out;
    try {
      file_lock probe{path_ + ".lock", file_lock::mode::exclusive};
    } catch (const failure& error) {
      out.in_use = error.code == ec::conflict;
    }
    out.bytes = size_of(path_);
    out.log_bytes = size_of(path_ + "-wal");
    auto db = use()->open(access::read);
    auto schema = inspect_schema(*db);
    out.schema_version = schema.version;
    out.broken_off = schema.broken_off;
    return out;
  }

  std::vector<finding> check() override {
    need_database();
    auto factory = use();
    try {
      return factory->open(access::read)->verify();
    } catch (const failure& error) {
      return {{"integrity", error.what()}};
    }
  }

  backup_made backup(const std::string& to) override {
    need_database();
    if (exists(to))
      throw failure(ec::conflict, fmt::format("{} exists: name a new file", to));
    partial_file made{to + ".partial"};
    erase_database(made.path);
    auto factory = use();
    factory->open(access::write)->copy_to(made.path);
    try {
      verified(made.path);
    } catch (const failure& error) {
      throw failure(ec::store_unavailable,
                    fmt::format("the copy is no good, nothing was kept of it: {}; run `troupe db "
                                "check`",
                                error.what()));
    }
    std::error_code ignored;
    fs::permissions(made.path, fs::perms::owner_read | fs::perms::owner_write, ignored);
    sync(made.path);
    rename(made.path, to);
    made.keep = true;
    sync(folder_of(to));
    return {to, size_of(to)};
  }

  restore_done restore(const std::string& from) override {
    if (!exists(from))
      throw failure(ec::not_found, fmt::format("there is no file {}", from));
    if (size_of(from + "-wal") > 0)
      throw failure(ec::invalid_argument,
                    fmt::format("{} is a database in use, not a backup: make one with `troupe db "
                                "backup`",
                                from));
    file_lock alone{path_ + ".lock", file_lock::mode::exclusive};
    partial_file copy{path_ + ".restoring"};
    erase_database(copy.path);
    restore_done out;
    copy_file(from, copy.path);
    try {
      out.schema_version = verified(copy.path);
    } catch (const failure& error) {
      throw failure(error.code, fmt::format("{} was not restored: {}", from, error.what()));
    }
    sync(copy.path);
    if (exists(path_))
      out.kept = set_aside();
    rename(copy.path, path_); // the old one has its other name by now: there always is a database
    copy.keep = true;
    sync(folder_of(path_));
    return out;
  }

private:
  void need_database() {
    if (!exists(path_))
      throw failure(ec::not_found,
                    fmt::format("there is no database at {}: `troupe serve` or `troupe db migrate` "
                                "makes it; --config and --set node.data_dir say where",
                                path_));
  }

  database_factory_ptr use() { return make_sqlite_factory(path_); }

  static void copy_file(const std::string& from, const std::string& to) {
    std::error_code error;
    fs::copy_file(from, to, error);
    if (error)
      throw cannot("copied", from, error.message());
    fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write, error);
  }

  /// Gives the old database a second name. Its log is put into it first: a log that stayed behind
  /// would be read into the new one.
  std::string set_aside() {
    auto kept =
        fmt::format("{}.before-restore-{:%Y%m%dT%H%M%S}Z", path_, fmt::gmtime(std::time(nullptr)));
    for (int i = 2; exists(kept); ++i)
      kept = fmt::format("{}.before-restore-{:%Y%m%dT%H%M%S}Z-{}", path_,
                         fmt::gmtime(std::time(nullptr)), i);
    try {
      open_sqlite(path_, access::write); // the last connection to close puts the log into the file
    } catch (const failure&) {
      // Too damaged to be opened: kept as it is, with its log.
    }
    if (exists(path_ + "-wal"))
      rename(path_ + "-wal", kept + "-wal");
    std::error_code error;
    fs::remove(path_ + "-shm", error);
    fs::create_hard_link(path_, kept, error);
    if (error) // a file system without links
      copy_file(path_, kept);
    return kept;
  }

  std::string path_;
};

} // namespace

std::unique_ptr<maintenance> make_sqlite_maintenance(const std::string& path) {
  return std::make_unique<sqlite_maintenance>(path);
}

} // namespace troupe::persistence
