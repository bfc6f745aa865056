#include "tests/support/mariadb.hpp"

#include "cluster/link/certificates.hpp"
#include "tests/support/script_server.hpp"

#include <fmt/format.h>
#include <mysql.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <stdexcept>

namespace troupe::test {

namespace {

using namespace std::chrono_literals;

std::string text_of(const std::string& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// It refuses to run as root unless it is told to; and it ends when we do.
std::vector<std::string> guarded(std::vector<std::string> command, const std::string& data) {
  std::vector<std::string> out{"setpriv", "--pdeathsig", "KILL"};
  out.insert(out.end(), command.begin(), command.end());
  out.insert(out.end(), {"--no-defaults", "--datadir=" + data});
  if (::getuid() == 0)
    out.emplace_back("--user=root");
  return out;
}

using connection = std::unique_ptr<MYSQL, decltype(&mysql_close)>;

/// As its own superuser, over its socket; null while it does not answer.
connection connect(const std::string& socket, const char* database) {
  connection out{mysql_init(nullptr), &mysql_close};
  if (mysql_real_connect(out.get(), nullptr, "root", "", database, 0, socket.c_str(), 0) == nullptr)
    return {nullptr, &mysql_close};
  return out;
}

} // namespace

mariadb_server::mariadb_server(bool tls) : tls_(tls) {
  auto authority = dir_.path() + "/ca";
  if (link::make_authority({authority})
      || link::issue_certificate({authority, "db", {"127.0.0.1"}}))
    throw std::runtime_error("no certificate could be made in " + authority);
  auto log = dir_.path() + "/install.log";
  auto install = guarded({"mariadb-install-db"}, dir_.path() + "/data");
  install.insert(install.end(), {"--auth-root-authentication-method=normal", "--skip-test-db"});
  process child{install, {}, log};
  if (child.wait(60s).value_or(-1) != 0)
    throw std::runtime_error("mariadb-install-db failed (is it installed? apt-get install "
                             "mariadb-server-core): "
                             + text_of(log));
  start();
  rows("CREATE USER troupe IDENTIFIED BY 'secret'");
  rows("GRANT ALL ON *.* TO troupe");
}

mariadb_server::~mariadb_server() {
  if (child_) {
    child_->signal(SIGTERM);
    child_->wait(10s);
  }
}

void mariadb_server::start() {
  for (int attempt = 0; attempt < 5; ++attempt)
    if (try_start())
      return;
  throw std::runtime_error("MariaDB does not start: " + text_of(dir_.path() + "/log"));
}

bool mariadb_server::try_start() {
  if (port_ == 0)
    port_ = free_port();
  auto command = guarded({"mariadbd"}, dir_.path() + "/data");
  command.insert(command.end(), {"--bind-address=127.0.0.1", "--port=" + std::to_string(port_),
                                 "--socket=" + socket(), "--pid-file=" + dir_.path() + "/pid",
                                 "--tmpdir=" + dir_.path(), "--skip-name-resolve",
                                 "--sql-mode=", "--default-time-zone=+05:45",
                                 "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=32M",
                                 "--innodb-flush-log-at-trx-commit=1", "--max-connections=40"});
  if (tls_)
    command.insert(command.end(), {"--ssl-ca=" + ca(), "--ssl-cert=" + dir_.path() + "/ca/db.crt",
                                   "--ssl-key=" + dir_.path() + "/ca/db.key"});
  else
    command.emplace_back("--skip-ssl");
  child_.emplace(command, std::map<std::string, std::string>{}, dir_.path() + "/log");
  bool ended = false;
  bool ready = eventually(
      [&] {
        ended = !child_->running();
        return ended || connect(socket(), nullptr) != nullptr;
      },
      30s);
  if (ready && !ended)
    return true;
  if (databases_ == 0)
    port_ = 0; // somebody else took it; who knows the address keeps it
  return false;
}

std::string mariadb_server::url(const std::string& database, const std::string& user,
                                const std::string& password) const {
  return fmt::format("mysql://{}:{}@127.0.0.1:{}/{}", user, password, port_, database);
}

std::vector<std::vector<std::string>> mariadb_server::rows(const std::string& sql,
                                                           const std::string& database) const {
  auto to = connect(socket(), database.c_str());
  if (to == nullptr || mysql_query(to.get(), sql.c_str()) != 0)
    throw std::runtime_error(sql + ": "
                             + (to == nullptr ? "no connection" : mysql_error(to.get())));
  std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result{mysql_store_result(to.get()),
                                                                  &mysql_free_result};
  std::vector<std::vector<std::string>> out;
  while (auto* row = result == nullptr ? nullptr : mysql_fetch_row(result.get())) {
    auto& one = out.emplace_back();
    for (unsigned i = 0; i < mysql_num_fields(result.get()); ++i)
      one.emplace_back(row[i] == nullptr ? "" : row[i], mysql_fetch_lengths(result.get())[i]);
  }
  return out;
}

std::string mariadb_server::fresh() {
  auto name = fmt::format("test_{}", ++databases_);
  rows("CREATE DATABASE " + name);
  return url(name);
}

void mariadb_server::kill() { child_->kill(); }

mariadb_server& mariadb() {
  static mariadb_server one;
  return one;
}

} // namespace troupe::test
