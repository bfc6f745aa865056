#include "cluster/node_files.hpp"

#include "messages/error.hpp"
#include "messages/id.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace troupe {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t token_bytes = 32;

std::string token_path(const std::string& data_dir) { return data_dir + "/token"; }
std::string node_path(const std::string& data_dir) { return data_dir + "/node.json"; }

caf::error system_error(std::string_view what, const std::string& path) {
  return make_error(ec::config_invalid,
                    fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

// Written beside and renamed, so that a reader never sees half of it.
caf::error write_file(const std::string& path, const std::string& text, mode_t mode) {
  auto beside = path + ".new";
  auto fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0)
    return system_error("write", beside);
  auto written = ::write(fd, text.data(), text.size());
  auto failed =
      written != static_cast<ssize_t>(text.size()) || ::fchmod(fd, mode) != 0 || ::fsync(fd) != 0;
  ::close(fd);
  if (failed || ::rename(beside.c_str(), path.c_str()) != 0)
    return system_error("write", path);
  return caf::none;
}

// A random text that is made at the first start, and read by the node's user only.
caf::expected<std::string> load_or_make(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    auto token = random_hex(token_bytes);
    if (auto err = write_file(path, token + "\n", 0600))
      return err;
    return token;
  }
  if ((status.st_mode & 077) != 0)
    return make_error(ec::config_invalid,
                      fmt::format("{} may be read by others; run: chmod 600 {}", path, path));
  std::ifstream in{path};
  std::string token;
  if (!(in >> token) || token.size() < token_bytes)
    return make_error(ec::config_invalid,
                      fmt::format("{} is damaged; remove it and start the node again", path));
  return token;
}

} // namespace

caf::error prepare_data_dir(const std::string& data_dir) {
  std::error_code error;
  if (fs::is_directory(data_dir, error))
    return caf::none;
  fs::create_directories(data_dir, error);
  if (!error)
    fs::permissions(data_dir, fs::perms::owner_all, error);
  if (error)
    return make_error(ec::config_invalid,
                      fmt::format("cannot make the data folder {}: {}; set node.data_dir to a "
                                  "folder you may write",
                                  data_dir, error.message()));
  return caf::none;
}

caf::expected<std::string> load_or_make_token(const std::string& data_dir) {
  return load_or_make(token_path(data_dir));
}

caf::expected<std::string> load_or_make_identity(const std::string& data_dir) {
  return load_or_make(data_dir + "/identity");
}

caf::error write_node_file(const std::string& data_dir, const node_file& file) {
  nlohmann::json json{{"url", file.url}, {"ops_url", file.ops_url}, {"pid", file.pid}};
  return write_file(node_path(data_dir), json.dump() + "\n", 0600);
}

caf::expected<node_file> read_node_file(const std::string& data_dir) {
  std::ifstream in{node_path(data_dir)};
  auto json = nlohmann::json::parse(in, nullptr, false);
  auto nobody = make_error(ec::not_found, "no node runs here; start one with `troupe serve`");
  if (!in || !json.is_object())
    return nobody;
  node_file file{json.value("url", ""), json.value("ops_url", ""),
                 json.value("pid", std::int64_t{0})};
  auto gone = ::kill(static_cast<pid_t>(file.pid), 0) != 0 && errno == ESRCH;
  if (file.pid <= 0 || gone)
    return nobody;
  return file;
}

void remove_node_file(const std::string& data_dir) {
  std::error_code ignored;
  fs::remove(node_path(data_dir), ignored);
}

} // namespace troupe
