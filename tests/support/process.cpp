#include "tests/support/process.hpp"

#include "cluster/node_files.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace troupe::test {

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in{path};
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The socket on which a service says READY=1, as systemd's notify protocol has it.
class ready_socket {
public:
  explicit ready_socket(const std::string& path) : path_(path) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot bind " + path);
  }
  ~ready_socket() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }

  bool wait_ready(process& child, std::chrono::milliseconds limit) {
    auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0));
    pollfd fds[2] = {{fd_, POLLIN, 0}, {pidfd, POLLIN, 0}};
    auto count = ::poll(fds, 2, static_cast<int>(limit.count()));
    ::close(pidfd);
    char text[256] = {};
    return count > 0 && (fds[0].revents & POLLIN) != 0
           && ::recv(fd_, text, sizeof text - 1, MSG_DONTWAIT) > 0
           && std::strstr(text, "READY=1") != nullptr;
  }

private:
  int fd_ = -1;
  std::string path_;
};

process start_node(const temp_dir& dir, const std::string& config, const std::string& log_file,
                   std::vector<std::string> command) {
  auto file = dir.write("troupe.yaml", config);
  command.insert(command.end(), {troupe_binary(), "serve", "--config", file, "--set",
                                 "node.data_dir=" + dir.path() + "/data"});
  for (auto [section, key] : {std::pair{"gateway:", "gateway.listen=127.0.0.1:0"},
                              std::pair{"ops:", "ops.listen=127.0.0.1:0"}}) {
    if (config.find(section) == std::string::npos) {
      command.emplace_back("--set");
      command.emplace_back(key);
    }
  }
  return process{command, {{"NOTIFY_SOCKET", dir.path() + "/ready"}}, log_file};
}

} // namespace

temp_dir::temp_dir() {
  std::string pattern = "/tmp/troupe-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::runtime_error("cannot make a folder in /tmp");
  path_ = pattern;
}

temp_dir::~temp_dir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string temp_dir::write(const std::string& name, const std::string& text) const {
  auto file = path_ + "/" + name;
  std::ofstream{file} << text;
  return file;
}

process::process(std::vector<std::string> command, const std::map<std::string, std::string>& env,
                 const std::string& log_file) {
  std::vector<char*> argv;
  for (auto& part : command)
    argv.push_back(part.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0)
    throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    ::setpgid(0, 0);
    for (const auto& [name, value] : env)
      ::setenv(name.c_str(), value.c_str(), 1);
    auto log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    auto null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::setpgid(pid_, pid_);
}

process::~process() { kill(); }

process::process(process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

process& process::operator=(process&& other) noexcept {
  kill();
  pid_ = std::exchange(other.pid_, -1);
  return *this;
}

bool process::running() { return pid_ > 0 && !wait(std::chrono::milliseconds{0}); }

void process::signal(int number) const {
  if (pid_ > 0)
    ::kill(pid_, number);
}

void process::kill() {
  if (pid_ <= 0)
    return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::optional<int> process::wait(std::chrono::milliseconds limit) {
  if (pid_ <= 0)
    return std::nullopt;
  auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd entry{pidfd, POLLIN, 0};
  ::poll(&entry, 1, static_cast<int>(limit.count()));
  ::close(pidfd);
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_)
    return std::nullopt;
  ::kill(-pid_, SIGKILL);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

troupe_node::troupe_node(const temp_dir& dir, const std::string& config,
                         std::chrono::milliseconds ready_limit,
                         const std::vector<std::string>& prefix) :
    log_file_(dir.path() + "/node.log"), child_([&] {
      ready_socket socket{dir.path() + "/ready"};
      auto child = start_node(dir, config, log_file_, prefix);
      if (!socket.wait_ready(child, ready_limit))
        throw std::runtime_error("the node did not get ready; its log:\n" + read_file(log_file_));
      return child;
    }()) {
  auto found = read_node_file(dir.path() + "/data");
  auto token = load_or_make_token(dir.path() + "/data");
  if (!found || !token)
    throw std::runtime_error("the node is ready, but left no node.json or token");
  url_ = found->url;
  ops_url_ = found->ops_url;
  token_ = *token;
}

std::string troupe_node::host() const {
  auto begin = url_.find("://") + 3;
  return url_.substr(begin, url_.rfind(':') - begin);
}

int troupe_node::port() const { return std::stoi(url_.substr(url_.rfind(':') + 1)); }

std::string troupe_node::log() const { return read_file(log_file_); }

std::uint16_t free_port() {
  auto fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  ::close(fd);
  return ntohs(at.sin_port);
}

std::string troupe_binary() {
  const auto* path = std::getenv("TROUPE_BINARY");
  if (path == nullptr)
    throw std::runtime_error("set TROUPE_BINARY to the built `troupe` program");
  return path;
}

} // namespace troupe::test
