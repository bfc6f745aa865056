// The module libtroupe_postgresql.so.
#include "persistence/soci/postgresql_driver.hpp"

#include <libpq-fe.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

namespace troupe::persistence {

namespace {

soci::postgresql_session_backend* backend_of(soci::session& session) {
  return static_cast<soci::postgresql_session_backend*>(session.get_backend());
}

class libpq_driver final : public postgresql_driver {
public:
  std::unique_ptr<soci::session> connect(const std::string& connection_string) const override {
    return std::make_unique<soci::session>(soci::postgresql, connection_string);
  }

  std::optional<std::map<std::string, std::string>>
  conninfo(const std::string& url) const override {
    char* trouble = nullptr;
    std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> all{
        PQconninfoParse(url.c_str(), &trouble), &PQconninfoFree};
    PQfreemem(trouble); // it quotes the text
    if (all == nullptr)
      return std::nullopt;
    std::map<std::string, std::string> given;
    for (const auto* option = all.get(); option->keyword != nullptr; ++option)
      if (option->val != nullptr)
        given[option->keyword] = option->val;
    return given;
  }

  bool transaction_failed(soci::session& session) const override {
    return PQtransactionStatus(backend_of(session)->conn_) == PQTRANS_INERROR;
  }

  bool connection_lost(soci::session& session) const override {
    const auto* backend = backend_of(session);
    return backend == nullptr || PQstatus(backend->conn_) == CONNECTION_BAD;
  }

  std::string sqlstate(const soci::soci_error& error) const override {
    const auto* known = dynamic_cast<const soci::postgresql_soci_error*>(&error);
    return known == nullptr ? std::string{} : known->sqlstate();
  }

  void forget_rows(soci::statement& statement) const override {
    auto* backend = static_cast<soci::postgresql_statement_backend*>(statement.get_backend());
    if (backend != nullptr)
      backend->result_.reset();
  }
};

const libpq_driver driver;

} // namespace

/// Looked up by this name. A variable: a function could not be called through UBSan's checks.
extern "C" {
[[gnu::visibility("default")]] extern const postgresql_driver* const troupe_postgresql_driver;
const postgresql_driver* const troupe_postgresql_driver = &driver;
}

} // namespace troupe::persistence
