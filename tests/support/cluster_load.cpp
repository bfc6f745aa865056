#include "tests/support/cluster_load.hpp"

#include <doctest/doctest.h>

namespace troupe::test {

cluster_load::cluster_load(unsigned seed, int nodes_count, const std::string& config) :
    nodes(nodes_count, mock.yaml() + "log: {access: false}\nsession: {queue_max: 32}\n" + config) {
  options_.seed = seed;
  options_.model = "mock";
  options_.conversations = 4;
  for (int i = 0; i < nodes_count; ++i) {
    places_.push_back(std::make_unique<node_place>());
    lead(i, i);
  }
}

void cluster_load::begin() {
  for (auto& place : places_) {
    options_.seed += 17;
    loads_.push_back(std::make_unique<chat_load>(*place, log, options_));
    const auto& more = loads_.back()->conversations();
    conversations_.insert(conversations_.end(), more.begin(), more.end());
  }
}

void cluster_load::check() {
  check_messages(nodes.database_folder(), conversations_, log.messages(), false, log);
}

void cluster_load::finish() {
  for (auto& load : loads_)
    load->finish();
  for (int i = 0; i < nodes.count(); ++i)
    if (nodes.up(i))
      CHECK(nodes.stop(i) == 0);
  check_messages(nodes.database_folder(), conversations_, log.messages(), true, log);
  tell(log.lost());
  tell(log.doubled());
  tell(log.odd());
  CHECK(log.lost().empty());
  CHECK(log.doubled().empty());
  CHECK(log.odd().empty());
}

} // namespace troupe::test
