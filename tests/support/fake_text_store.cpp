#include "tests/support/fake_text_store.hpp"

#include "messages/promises.hpp"
#include "persistence/commands.hpp"

#include <utility>

namespace troupe::test {

namespace {

using store_pointer = self_pointer<fake_text_store_actor, fake_text_store_state>;

/// Answers by one of the store's own commands.
template <class Answer, class Command>
auto by(store_pointer self, const fake_text_store_ptr& data, const char* name,
        Answer (*work)(persistence::database&, const Command&, const persistence::command_env&)) {
  return [=](const payload<Command>& x) -> caf::result<payload<Answer>> {
    ++data->calls[name];
    owed<payload<Answer>> answer{self->make_response_promise<payload<Answer>>()};
    auto serve = [=] {
      if (auto code = data->failing ? data->failing(name) : ec::none; code != ec::none) {
        answer.fail(make_error(code, "the store fails as it was told"));
        return;
      }
      try {
        auto& db = data->database.db();
        persistence::unit_of_work unit{db, persistence::access::write};
        auto done = work(db, *x, {data->now_us});
        unit.commit();
        answer.give(payload<Answer>{std::move(done)});
      } catch (const persistence::failure& error) {
        answer.fail(make_error(error.code, error.what()));
      }
    };
    if (data->holding == name)
      data->held.push_back(serve);
    else
      serve();
    return answer.promise();
  };
}

} // namespace

fake_text_store_actor::behavior_type fake_text_store(store_pointer self, fake_text_store_ptr data) {
  namespace p = persistence;
  return {
      by(self, data, "CreateRuleset", p::create_ruleset),
      by(self, data, "UpdateRuleset", p::update_ruleset),
      by(self, data, "DeleteRuleset", p::delete_ruleset),
      by(self, data, "GetRuleset", p::get_ruleset),
      by(self, data, "ListRulesets", p::list_rulesets),
      by(self, data, "ChangeRuleset", p::change_ruleset),
      by(self, data, "RestoreRuleset", p::restore_ruleset),
      by(self, data, "ListRulesetItems", p::list_ruleset_items),
      by(self, data, "ListRulesetVersions", p::list_ruleset_versions),
      by(self, data, "DiffRuleset", p::diff_ruleset),
      by(self, data, "RecordModerationHits", p::record_moderation_hits),
      by(self, data, "ListModerationHits", p::list_moderation_hits),
      by(self, data, "SaveKeywordCounts", p::save_keyword_counts),
      by(self, data, "LoadKeywordCounts", p::load_keyword_counts),
      [data](const Tick&) {
        for (auto& serve : std::exchange(data->held, {}))
          serve();
      },
  };
}

} // namespace troupe::test
