// Reads one version of a ruleset from the store, page by page.
#pragma once

#include "actors/rulesets/ruleset_kind.hpp"
#include "messages/error.hpp"
#include "messages/interfaces.hpp"

#include <caf/expected.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace troupe {

/// Items of one page.
inline constexpr int ruleset_page_items = 5'000;
/// How long one page may take.
inline constexpr std::chrono::seconds ruleset_page_limit{30};

using ruleset_loaded = std::function<void(caf::expected<rulesets::loaded_ruleset>)>;

namespace detail {

struct ruleset_loading {
  rulesets::loaded_ruleset set;
  v1::ListRulesetItems query;
  ruleset_loaded then;
};

template <class Self>
void load_ruleset_page(Self* self, const text_store_actor& store,
                       std::shared_ptr<ruleset_loading> work) {
  self->request(store, ruleset_page_limit, ListRulesetItems{work->query})
      .then(
          [self, store, work](const RulesetItemPage& page) {
            for (const auto& item : page->items())
              work->set.bodies.push_back(item.body());
            work->query.set_cursor(page->next_cursor());
            if (page->next_cursor().empty())
              work->then(std::move(work->set));
            else
              load_ruleset_page(self, store, work);
          },
          [work](caf::error& error) { work->then(std::move(error)); });
}

} // namespace detail

/// Loads the items of `version` of a set (0: `ruleset.version()`, which then must be its newest)
/// and calls `then` with the set, whose version is the one that was loaded. Versions do not change:
/// what is loaded is whole, whatever happens meanwhile; it fails with `not_found` if the set was
/// deleted or the version forgotten.
template <class Self>
void load_ruleset(Self* self, const text_store_actor& store, const v1::Ruleset& ruleset,
                  std::int64_t version, ruleset_loaded then) {
  auto work = std::make_shared<detail::ruleset_loading>();
  work->set.ruleset = ruleset;
  if (version != 0)
    work->set.ruleset.set_version(version);
  work->then = std::move(then);
  if (work->set.ruleset.version() == 0) { // nothing was ever in it
    work->then(std::move(work->set));
    return;
  }
  work->query.mutable_ruleset()->set_id(ruleset.id());
  work->query.set_version(work->set.ruleset.version());
  work->query.set_limit(ruleset_page_items);
  detail::load_ruleset_page(self, store, std::move(work));
}

} // namespace troupe
