#include "persistence/soci/mysql_address.hpp"

#include <fmt/format.h>
#include <soci/soci.h>

#include <utility>

namespace troupe::persistence {

namespace {

std::string_view advice_for(unsigned code) {
  switch (code) {
    case 1040:
    case 1203:
    case 1226:
      return "the server has no connection left: raise its max_connections";
    case 1044:
      return "the user may not use the database: GRANT ALL ON the database TO it";
    case 1045:
    case 1698:
      return "the user or the password in store.url is wrong";
    case 1049:
      return "make the database: CREATE DATABASE ... CHARACTER SET utf8mb4";
    case 1129:
      return "the server blocks this host after many broken connections: FLUSH HOSTS";
    case 1130:
      return "the server lets nobody in from this host: make the user for it (user@host)";
    case 2005:
      return "the host's name is not known here";
    case 2026:
    case 3159:
      return "TLS with the server failed: see ?ssl_ca=, ?ssl_cert= and ?ssl_key=";
    case 2059:
      return "the user's way to log in is not known here: use mysql_native_password, ed25519 or "
             "caching_sha2_password";
    default:
      return "is it running, and are host and port of store.url right?";
  }
}

} // namespace

mysql_address::mysql_address(const std::string& url) {
  auto place = mysql().parse(url);
  if (!place)
    throw failure(ec::config_invalid,
                  "store.url is no address of a MariaDB or MySQL database: write "
                  "mysql://user:password@host:3306/database (with %40 for an @ in the password), "
                  "?socket=/path instead of a host, and for TLS ?ssl_ca=/path");
  place_ = std::move(*place);
}

std::string mysql_address::location() const {
  auto host = place_.host.find(':') == std::string::npos ? place_.host : "[" + place_.host + "]";
  return fmt::format("mysql://{}@{}{}{}/{}{}{}", place_.user, host, place_.port.empty() ? "" : ":",
                     place_.port, place_.database,
                     place_.socket.empty() ? "" : "?socket=", place_.socket);
}

failure mysql_address::refusal(const soci::soci_error& error) const {
  return {ec::store_unavailable,
          fmt::format("{} cannot be reached: {} ({})", location(),
                      advice_for(mysql().error_code(error)), error.get_error_message()),
          damage::connection};
}

} // namespace troupe::persistence
