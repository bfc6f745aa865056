#include "persistence/soci/postgresql_conninfo.hpp"

#include "persistence/soci/postgresql_driver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::persistence {

namespace {

/// Percent-encoded: SOCI takes connection strings apart at blanks, which a password may hold.
std::string encoded(std::string_view value) {
  std::string out;
  for (unsigned char c : value)
    out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
               ? std::string(1, static_cast<char>(c))
               : fmt::format("%{:02X}", c);
  return out;
}

/// libpq gives no code for these, only the server's or its own words.
struct known_refusal {
  std::string_view words;
  std::string_view advice;
};

constexpr std::array<known_refusal, 15> refusals{{
    {"password authentication failed", "the user or the password in store.url is wrong"},
    {"no password supplied", "the server wants a password: write it into store.url"},
    {"no pg_hba.conf entry",
     "the server lets nobody in from here so: allow it in its pg_hba.conf, or use TLS "
     "(?sslmode=require)"},
    {"too many clients", "the server has no connection left: raise its max_connections"},
    {"remaining connection slots", "the server has no connection left: raise its max_connections"},
    {"too many connections", "the role or the database has no connection left: raise its limit"},
    {"server does not support SSL",
     "the server speaks no TLS: turn it on there, or use ?sslmode=disable on loopback"},
    {"certificate", "the server's certificate is not trusted: give its CA by ?sslrootcert=, and "
                    "the name it is made out to"},
    {"SSL", "TLS with the server failed: see ?sslmode= and ?sslrootcert="},
    {"session is read-only", "it is a standby or read-only: name the primary, or all hosts"},
    {"starting up", "it is starting: wait for it"},
    {"not yet accepting connections", "it is recovering from a crash: wait for it"},
    {"shutting down", "it is shutting down"},
    {"could not translate host name", "the host's name is not known here"},
    {"timeout expired", "it does not answer: is it running, and does a firewall let us through?"},
}};

} // namespace

postgresql_conninfo::postgresql_conninfo(const std::string& url) {
  auto given = postgresql().conninfo(url);
  if (url.empty() || url.find('\0') != std::string::npos || !given)
    throw failure(ec::config_invalid,
                  "store.url is no address of a PostgreSQL database: write "
                  "postgresql://user:password@host:5432/database (with %40 for an @ in the "
                  "password), or key=value pairs");
  given_ = std::move(*given);
}

std::string postgresql_conninfo::get(const std::string& key) const {
  auto found = given_.find(key);
  return found == given_.end() ? std::string{} : found->second;
}

std::string postgresql_conninfo::connection_string(const postgresql_options& options,
                                                   access mode) const {
  auto all = given_;
  auto seconds = [](std::int64_t ms, std::int64_t least) {
    return std::to_string(std::max(ms / 1'000, least));
  };
  auto unless_given = [&](const char* key, std::string value) {
    all.try_emplace(key, std::move(value));
  };
  unless_given("application_name", options.application_name);
  unless_given("connect_timeout", seconds(options.connect_limit_ms, 2));
  // A server that vanished is noticed while we wait for its answer, and while we send.
  unless_given("keepalives_idle", seconds(options.lost_limit_ms / 2, 1));
  unless_given("keepalives_interval", seconds(options.lost_limit_ms / 5, 1));
  unless_given("keepalives_count", "3");
  unless_given("tcp_user_timeout", std::to_string(options.lost_limit_ms));
  if (mode == access::write)
    unless_given("target_session_attrs", "read-write");
  all["client_encoding"] = "UTF8";
  std::string out = "postgresql://";
  for (const auto& [key, value] : all)
    out += fmt::format("{}{}={}", out.back() == '/' ? "?" : "&", key, encoded(value));
  return out;
}

std::string postgresql_conninfo::location() const {
  auto user = get("user");
  auto host = get("host").empty() ? get("hostaddr") : get("host");
  auto port = get("port");
  return fmt::format("postgresql://{}{}{}{}{}/{}", user, user.empty() ? "" : "@", host,
                     port.empty() ? "" : ":", port, get("dbname"));
}

failure postgresql_conninfo::refusal(std::string_view why) const {
  auto says = [&](std::string_view words) { return why.find(words) != std::string_view::npos; };
  std::string_view advice = "is it running, and are host and port of store.url right?";
  auto known = std::find_if(refusals.begin(), refusals.end(),
                            [&](const known_refusal& x) { return says(x.words); });
  if (known != refusals.end())
    advice = known->advice;
  else if (says("database \"") && says("does not exist"))
    advice = "make the database: createdb, or CREATE DATABASE ... OWNER ...";
  else if (says("role \"") && says("does not exist"))
    advice = "the server knows no such user: createuser, or CREATE ROLE ... LOGIN";
  else if (says("permission denied for database"))
    advice = "the user may not connect: GRANT CONNECT ON DATABASE";
  // The first line is SOCI's, the next one says why; those after it guess.
  if (auto head = why.find('\n'); head != std::string_view::npos)
    why.remove_prefix(head + 1);
  why = why.substr(0, why.find('\n'));
  return failure(ec::store_unavailable,
                 fmt::format("{} cannot be reached: {} ({})", location(), advice, why),
                 damage::connection);
}

} // namespace troupe::persistence
