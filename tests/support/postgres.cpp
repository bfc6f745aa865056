#include "tests/support/postgres.hpp"

#include "tests/support/script_server.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
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

/// The first value of the answer; empty if there is none.
std::string ask(const std::string& url, const std::string& sql) {
  std::unique_ptr<PGconn, decltype(&PQfinish)> to{PQconnectdb(url.c_str()), &PQfinish};
  std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(to.get(), sql.c_str()), &PQclear};
  auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throw std::runtime_error(sql + ": " + PQerrorMessage(to.get()));
  return PQntuples(result.get()) == 0 ? std::string{} : PQgetvalue(result.get(), 0, 0);
}

} // namespace

postgres_server::postgres_server() {
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
  child_.emplace(
      guarded({programs + "postgres", "-D", dir_.path() + "/data", "-p", std::to_string(port_),
               "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c",
               "fsync=on", "-c", "shared_buffers=32MB", "-c", "recovery_init_sync_method=syncfs",
               "-c", "max_connections=40", "-c", "deadlock_timeout=200ms"}),
      std::map<std::string, std::string>{}, dir_.path() + "/log");
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
  return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}{}{}", user, password, port_, database,
                     rest.empty() ? "" : "?", rest);
}

void postgres_server::run(const std::string& sql) const { ask(url(), sql); }

int postgres_server::waiting() const {
  return std::stoi(ask(url(), "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"));
}

std::string postgres_server::fresh() {
  auto schema = fmt::format("test_{}", ++schemas_);
  run("CREATE SCHEMA " + schema);
  return url("options=-csearch_path%3D" + schema);
}

void postgres_server::kill() { child_->kill(); }

postgres_server& postgres() {
  static postgres_server one;
  return one;
}

} // namespace troupe::test
