#include "tests/support/store_system.hpp"

#include "persistence/open.hpp"

#include <caf/scoped_actor.hpp>

namespace troupe::test {

store_system::store_system(const std::string& path, const config::store_section& limits,
                           const persistence::sqlite_options& sqlite) :
    store_system(persistence::make_sqlite_factory(path, sqlite), limits) {}

store_system::store_system(persistence::database_factory_ptr factory,
                           const config::store_section& limits) :
    factory_(std::move(factory)) {
  persistence::prepare_database(*factory_, system_clock()->now_us());
  system_.emplace(config_);
  host_ = {&*system_, &probes_};
  store_ =
      troupe::spawn(host_, troupe::store, store_options{host_, factory_, limits, system_clock()});
}

store_system::~store_system() {
  caf::anon_send_exit(store_, caf::exit_reason::user_shutdown);
  store_ = nullptr;
}

} // namespace troupe::test
