// A store on real threads, for tests and benchmarks.
#pragma once

#include "actors/store/store.hpp"
#include "messages/system.hpp"
#include "persistence/soci/sqlite.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <memory>
#include <optional>
#include <string>

namespace troupe::test {

/// An actor system with a store over the SQLite file at `path`, which is made if it is missing. The
/// store ends with the object.
class store_system {
public:
  explicit store_system(const std::string& path, const config::store_section& limits = {},
                        const persistence::sqlite_options& sqlite = {});
  /// The same over any database.
  explicit store_system(persistence::database_factory_ptr factory,
                        const config::store_section& limits = {});
  ~store_system();

  caf::actor_system& system() { return *system_; }
  const store_actor& store() const { return store_; }
  const actor_host& host() const { return host_; }
  const persistence::database_factory_ptr& factory() const { return factory_; }

  /// Asks from outside of all actors and waits for the answer.
  template <class Answer, class Command>
  caf::expected<payload<Answer>> ask(Command command) {
    caf::scoped_actor self{*system_};
    caf::expected<payload<Answer>> out{caf::error{}};
    self->request(store_, std::chrono::seconds{30}, payload<Command>{std::move(command)})
        .receive([&](payload<Answer>& x) { out = std::move(x); },
                 [&](caf::error& e) { out = std::move(e); });
    return out;
  }

private:
  system_config config_;
  probes probes_;
  persistence::database_factory_ptr factory_;
  std::optional<caf::actor_system> system_;
  actor_host host_;
  store_actor store_;
};

} // namespace troupe::test
