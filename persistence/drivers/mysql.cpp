// The module libtroupe_mysql.so.
#include "persistence/soci/mysql_driver.hpp"

#include <boost/url/src.hpp>
#include <fmt/format.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/soci.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

namespace troupe::persistence {

namespace {

MYSQL* connection_of(soci::session& session) {
  return static_cast<soci::mysql_session_backend*>(session.get_backend())->conn_;
}

/// As SOCI takes the values of its `key=value` pairs.
std::string quoted(std::string_view value) {
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + "'";
}

std::int64_t seconds(std::int64_t ms, std::int64_t least) { return std::max(ms / 1'000, least); }

/// A server that vanished is noticed while we wait for its answer, and while we send. The library
/// has limits for a whole answer only, and a statement may take long.
void notice_loss(MYSQL* connection, std::int64_t lost_limit_ms) {
  auto fd = static_cast<int>(mysql_get_socket(connection));
  auto set = [&](int level, int name, std::int64_t value) {
    auto number = static_cast<int>(value);
    ::setsockopt(fd, level, name, &number, sizeof number); // a Unix socket has none of them
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, seconds(lost_limit_ms / 2, 1));
  set(IPPROTO_TCP, TCP_KEEPINTVL, seconds(lost_limit_ms / 5, 1));
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, lost_limit_ms);
}

class libmariadb_driver final : public mysql_driver {
public:
  std::optional<mysql_place> parse(const std::string& url) const override {
    auto parsed = boost::urls::parse_uri(url);
    if (!parsed || (parsed->scheme() != "mysql" && parsed->scheme() != "mariadb")
        || parsed->has_fragment())
      return std::nullopt;
    mysql_place out;
    out.host = parsed->host_address(); // of IPv6 without its brackets
    out.port = std::string{parsed->port()};
    out.user = parsed->user();
    out.password = parsed->password();
    out.database = parsed->path();
    if (out.database.starts_with('/'))
      out.database.erase(0, 1);
    for (auto param : parsed->params()) {
      auto* to = param.key == "socket"     ? &out.socket
                 : param.key == "ssl_ca"   ? &out.ca
                 : param.key == "ssl_cert" ? &out.certificate
                 : param.key == "ssl_key"  ? &out.key
                                           : nullptr;
      if (to == nullptr || param.value.empty())
        return std::nullopt;
      *to = param.value;
    }
    std::uint16_t number = 0;
    const auto* end = out.port.data() + out.port.size();
    bool good_port = out.port.empty()
                     || (std::from_chars(out.port.data(), end, number).ptr == end && number != 0);
    bool good_files =
        out.certificate.empty() == out.key.empty() && (out.certificate.empty() || !out.ca.empty());
    if (!good_port || !good_files || out.database.empty() || out.user.empty()
        || (out.host.empty() && out.socket.empty()))
      return std::nullopt;
    return out;
  }

  std::unique_ptr<soci::session> connect(const mysql_place& place, std::int64_t connect_limit_ms,
                                         std::int64_t lost_limit_ms) const override {
    auto text = fmt::format("user={} password={} db={} charset=utf8mb4 connect_timeout={}",
                            quoted(place.user), quoted(place.password), quoted(place.database),
                            seconds(connect_limit_ms, 1));
    // "localhost" would mean a socket to the library.
    if (!place.socket.empty())
      text += fmt::format(" unix_socket={}", quoted(place.socket));
    else
      text += fmt::format(" host={} port={}",
                          quoted(place.host == "localhost" ? "127.0.0.1" : place.host),
                          place.port.empty() ? "3306" : place.port);
    if (!place.ca.empty())
      text += fmt::format(" sslca={}", quoted(place.ca));
    if (!place.key.empty())
      text += fmt::format(" sslcert={} sslkey={}", quoted(place.certificate), quoted(place.key));
    auto out = std::make_unique<soci::session>(soci::mysql, text);
    // To the library a CA is a wish: it goes on with a server that has no TLS.
    if (!place.ca.empty() && mysql_get_ssl_cipher(connection_of(*out)) == nullptr)
      throw soci::mysql_soci_error("the server speaks no TLS", CR_SSL_CONNECTION_ERROR);
    notice_loss(connection_of(*out), lost_limit_ms);
    return out;
  }

  std::string server_version(soci::session& session) const override {
    return mysql_get_server_info(connection_of(session));
  }

  bool in_transaction(soci::session& session) const override {
    auto* connection = connection_of(session);
    // An error comes without the state.
    if (mysql_errno(connection) != 0 && mysql_query(connection, "DO 0") != 0)
      return false;
    return (connection->server_status & SERVER_STATUS_IN_TRANS) != 0;
  }

  unsigned error_code(const soci::soci_error& error) const override {
    const auto* known = dynamic_cast<const soci::mysql_soci_error*>(&error);
    return known == nullptr ? 0 : known->err_num_;
  }

  std::vector<mysql_warning> warnings(soci::session& session) const override {
    std::vector<mysql_warning> out;
    auto* connection = connection_of(session);
    if (mysql_warning_count(connection) == 0 || mysql_query(connection, "SHOW WARNINGS") != 0)
      return out;
    std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> rows{mysql_store_result(connection),
                                                                  &mysql_free_result};
    while (auto* row = rows == nullptr ? nullptr : mysql_fetch_row(rows.get())) {
      std::string_view level = row[0], code = row[1];
      mysql_warning one;
      std::from_chars(code.data(), code.data() + code.size(), one.code);
      one.text = row[2];
      if (level != "Note")
        out.push_back(std::move(one));
    }
    return out;
  }

  void forget_rows(soci::statement& statement) const override {
    auto* backend = static_cast<soci::mysql_statement_backend*>(statement.get_backend());
    if (backend != nullptr)
      backend->clean_up();
  }
};

const libmariadb_driver driver;

} // namespace

/// Looked up by this name. A variable: a function could not be called through UBSan's checks.
extern "C" {
[[gnu::visibility("default")]] extern const mysql_driver* const troupe_mysql_driver;
const mysql_driver* const troupe_mysql_driver = &driver;
}

} // namespace troupe::persistence
