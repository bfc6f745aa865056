#include "tests/support/postgres.hpp"

#include "tests/support/script_server.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

namespace troupe::test {

namespace {

using namespace std::chrono_literals;

const std::string programs = "/usr/lib/postgresql/15/bin/";

std::string text_of(const std::string& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// PostgreSQL refuses to run as root; and it ends when we do.
std::vector<std::string> guarded(std::vector<std::string> command) {
  std::vector<std::string> out{"setpriv", "--pdeathsig", "QUIT"};
  if (::getuid() == 0)
    out.insert(out.end(), {"--reuid", "postgres", "--regid", "postgres", "--clear-groups"});
  out.insert(out.end(), command.begin(), command.end());
  return out;
}

void run_to_end(std::vector<std::string> command, const std::string& log) {
  process child{guarded(std::move(command)), {}, log};
  if (child.wait(60s).value_or(-1) != 0)
    throw std::runtime_error("PostgreSQL's initdb failed (is it installed? apt-get install "
                             "postgresql-15): "
                             + text_of(log));
}

using text_rows = std::vector<std::vector<std::string>>;

text_rows ask(const std::string& url, const std::string& sql) {
  std::unique_ptr<PGconn, decltype(&PQfinish)> to{PQconnectdb(url.c_str()), &PQfinish};
  std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(to.get(), sql.c_str()), &PQclear};
  auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throw std::runtime_error(sql + ": " + PQerrorMessage(to.get()));
  text_rows out(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t i = 0; i < out.size(); ++i)
    for (int k = 0; k < PQnfields(result.get()); ++k)
      out[i].emplace_back(PQgetvalue(result.get(), static_cast<int>(i), k));
  return out;
}

/// The processes that work in this folder: each of a server's does.
std::vector<pid_t> processes_in(const std::filesystem::path& folder) {
  std::vector<pid_t> out;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    auto name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{})
      continue;
    std::error_code gone; // it ended meanwhile, or is not ours
    if (std::filesystem::read_symlink(entry.path() / "cwd", gone) == folder && !gone)
      out.push_back(pid);
  }
  return out;
}

} // namespace

postgres_server::postgres_server(postgres_place place) : place_(std::move(place)) {
  if (::getuid() == 0) {
    const auto* user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(dir_.path().c_str(), user->pw_uid, user->pw_gid) != 0)
      throw std::runtime_error("there is no user postgres: apt-get install postgresql-15");
  }
  auto password = dir_.write("password", "secret\n");
  run_to_end({programs + "initdb", "--no-sync", "-D", dir_.path() + "/data", "-U", "troupe",
              "--pwfile", password, "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8",
              "--locale-provider", "icu", "--icu-locale", "en-US"},
             dir_.path() + "/initdb.log");
  std::ofstream{dir_.path() + "/data/pg_hba.conf", std::ios::app}
      << "host all all samenet scram-sha-256\n";
  start();
}

postgres_server::~postgres_server() {
  if (child_) {
    child_->signal(SIGINT);
    child_->wait(10s);
  }
}

void postgres_server::start() {
  for (int attempt = 0; attempt < 5; ++attempt)
    if (try_start())
      return;
  throw std::runtime_error("PostgreSQL does not start: " + text_of(dir_.path() + "/log"));
}

bool postgres_server::try_start() {
  if (port_ == 0)
    port_ = free_port();
  auto command = place_.prefix;
  auto server =
      guarded({programs + "postgres", "-D", dir_.path() + "/data", "-p", std::to_string(port_),
               "-c", "listen_addresses=" + place_.address, "-c", "unix_socket_directories=", "-c",
               "fsync=on", "-c", "shared_buffers=32MB", "-c", "recovery_init_sync_method=syncfs",
               "-c", "max_connections=40", "-c", "deadlock_timeout=200ms"});
  command.insert(command.end(), server.begin(), server.end());
  child_.emplace(command, std::map<std::string, std::string>{}, dir_.path() + "/log");
  auto answers = [&] { return PQping(url().c_str()) == PQPING_OK; };
  bool ended = false;
  bool ready = eventually(
      [&] {
        ended = !child_->running();
        return ended || answers();
      },
      30s);
  if (ready && !ended)
    return true;
  if (schemas_ == 0)
    port_ = 0; // somebody else took it; who knows the address keeps it
  return false;
}

std::string postgres_server::url(const std::string& rest, const std::string& user,
                                 const std::string& password, const std::string& database) const {
  return fmt::format("postgresql://{}:{}@{}:{}/{}{}{}", user, password, place_.address, port_,
                     database, rest.empty() ? "" : "?", rest);
}

void postgres_server::run(const std::string& sql) const { ask(url(), sql); }

std::vector<std::vector<std::string>> postgres_server::rows(const std::string& sql,
                                                            const std::string& url) const {
  return ask(url, sql);
}

int postgres_server::waiting() const {
  return std::stoi(ask(url(), "SELECT COUNT(*) FROM pg_locks WHERE NOT granted")[0][0]);
}

std::string postgres_server::fresh() {
  auto schema = fmt::format("test_{}", ++schemas_);
  run("CREATE SCHEMA " + schema);
  return url("options=-csearch_path%3D" + schema);
}

// Those that serve a connection would go on for a moment, and take another command.
void postgres_server::kill() {
  auto folder = std::filesystem::canonical(dir_.path() + "/data");
  child_->kill();
  bool all = eventually(
      [&] {
        auto left = processes_in(folder);
        for (auto pid : left)
          ::kill(pid, SIGKILL);
        return left.empty();
      },
      10s);
  if (!all)
    throw std::runtime_error("PostgreSQL's processes cannot be killed");
}

postgres_server& postgres() {
  static postgres_server one;
  return one;
}

} // namespace troupe::test
