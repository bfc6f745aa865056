#include "persistence/soci/sqlite.hpp"

#include "persistence/soci/file_lock.hpp"
#include "persistence/soci/sql_database.hpp"

#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <thread>

namespace troupe::persistence {

namespace {

namespace sqlite = sqlite_api;

class sqlite_database final : public sql_database {
public:
  sqlite_database(std::unique_ptr<soci::session> session, access mode,
                  const sqlite_options& options) :
      sql_database(std::move(session), sqlite_dialect()) {
    auto* backend = static_cast<soci::sqlite3_session_backend*>(sql_.session().get_backend());
    // By value: the connection may wait once more while it is closed.
    sqlite::sqlite3_busy_handler(backend->conn_, &wait_for_lock,
                                 std::bit_cast<void*>(std::intptr_t{options.busy_limit_ms}));
    pragma("journal_mode = WAL");
    pragma("synchronous = FULL");
    pragma("foreign_keys = ON");
    pragma("temp_store = MEMORY");
    pragma(fmt::format("cache_size = -{}", options.cache_bytes / 1024));
    pragma(fmt::format("mmap_size = {}", options.mmap_bytes));
    pragma(fmt::format("wal_autocheckpoint = {}", options.checkpoint_pages));
    // The log is cut back to this after it once grew larger.
    pragma(fmt::format("journal_size_limit = {}", options.checkpoint_pages * 4096 * 2));
    if (options.pages_max > 0)
      pragma(fmt::format("max_page_count = {}", options.pages_max));
    if (mode == access::read)
      pragma("query_only = ON");
  }

  void copy_to(const std::string& file) override { sql_.run("VACUUM INTO :file", file); }

private:
  // SQLite's own waits grow to a tenth of a second: whoever met the lock often enough would get it
  // last of all processes, and leases would lapse. A commit takes some milliseconds.
  static int wait_for_lock(void* limit_ms, int times) {
    if (times >= std::bit_cast<std::intptr_t>(limit_ms))
      return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    return 1;
  }

  void pragma(const std::string& text) { sql_.run_once("PRAGMA " + text); }

  std::vector<finding> verify_storage() override {
    std::vector<finding> out;
    try {
      sql_.each("PRAGMA integrity_check(20)", "t", [&](row_view row) {
        if (row.text(0) != "ok")
          out.push_back({"integrity", row.text(0)});
      });
      if (out.empty())
        sql_.each("PRAGMA foreign_key_check", "tit", [&](row_view row) {
          if (out.size() < 20)
            out.push_back({"foreign_keys", fmt::format("row {} of {} refers to no {}",
                                                       row.number(1), row.text(0), row.text(2))});
        });
    } catch (const failure& error) {
      out.push_back({"integrity", error.what()});
    }
    return out;
  }
};

class sqlite_factory final : public database_factory {
public:
  sqlite_factory(const std::string& path, const sqlite_options& options) :
      path_(checked(path)), options_(options), lock_(path_ + ".lock", file_lock::mode::shared) {
    // Nobody else of the machine reads conversations and key hashes; SQLite gives its other files
    // the rights of this one. Only a new file is opened here: closing one that a connection of
    // this process has open would drop that connection's locks.
    auto fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
      ::close(fd);
  }

  std::unique_ptr<database> open(access mode) override {
    return open_sqlite(path_, mode, options_);
  }

  std::string backend() const override { return "sqlite"; }
  std::string location() const override { return path_; }

private:
  static const std::string& checked(const std::string& path) {
    if (path.empty() || path.find('"') != std::string::npos)
      throw failure(ec::config_invalid, "the path of the database may not be empty or hold a \"");
    return path;
  }

  std::string path_;
  sqlite_options options_;
  file_lock lock_;
};

} // namespace

std::unique_ptr<database> open_sqlite(const std::string& path, access mode,
                                      const sqlite_options& options) {
  // A connection is one thread's at a time: SQLite need not lock it at every call. Nor need it
  // count its memory, for which all threads share one lock.
  static const bool unlocked = sqlite::sqlite3_config(SQLITE_CONFIG_MULTITHREAD) == SQLITE_OK
                               && sqlite::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK;
  if (!unlocked)
    throw failure(ec::internal, "SQLite was in use before its threading mode was set");
  try {
    auto session =
        std::make_unique<soci::session>(soci::sqlite3, fmt::format("db=\"{}\" timeout=1", path));
    return std::make_unique<sqlite_database>(std::move(session), mode, options);
  } catch (const soci::soci_error& error) {
    throw failure(ec::store_unavailable,
                  fmt::format("{} cannot be opened: {}", path, error.get_error_message()),
                  damage::connection);
  }
}

database_factory_ptr make_sqlite_factory(const std::string& path, const sqlite_options& options) {
  return std::make_shared<sqlite_factory>(path, options);
}

} // namespace troupe::persistence
