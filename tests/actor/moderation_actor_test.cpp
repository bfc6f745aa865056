// The moderation actor before a store that does as it is told.
#include "actors/moderation/guard.hpp"
#include "actors/moderation/moderation.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_text_store.hpp"
#include "tests/support/rulesets.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct moderation_fixture : test::actor_fixture {
  moderation_fixture() {
    store = spawn(host, test::fake_text_store, data);
    section.hits_buffer_max = 1'000;
  }
  ~moderation_fixture() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
    run();
  }

  void start() {
    watch = std::make_shared<moderation::word_watch>(*moderation::options_of(section));
    moderation_options options;
    options.host = host;
    options.store = store;
    options.config = section;
    options.watch = watch;
    options.probe = probe;
    options.clock = clock;
    options.loaded = [this] { ++loaded; };
    options.worker_thread = false;
    actor = spawn(host, moderation_service, std::move(options));
    guard_options looking{watch, section, probe, clock};
    looking.audit = [this](RecordModerationHits hits) { caf::anon_send(actor, std::move(hits)); };
    guard = make_text_guard(std::move(looking));
    run();
  }

  /// A lexicon with these entries, as JSON.
  void lexicon(const std::string& name, const std::vector<std::string>& entries,
               bool enabled = true) {
    v1::CreateRuleset made;
    made.set_name(name);
    made.set_enabled(enabled);
    REQUIRE(ask<Ruleset>(actor, CreateRuleset{made}));
    v1::EditRuleset edit;
    edit.mutable_ruleset()->set_name(name);
    for (const auto& entry : entries)
      edit.add_put(entry);
    auto edited = ask<RulesetEdited>(actor, EditRuleset{edit});
    REQUIRE(edited);
    REQUIRE((*edited)->problems_size() == 0);
    run();
  }

  caf::expected<TextModerated> moderate(const std::vector<std::string>& texts,
                                        const std::string& set = {}) {
    v1::ModerateText query;
    for (const auto& text : texts)
      query.add_texts(text);
    query.mutable_ruleset()->set_name(set);
    return ask<TextModerated>(actor, ModerateText{query});
  }
  ec refused(const v1::ModerateText& query) {
    auto answer = ask<TextModerated>(actor, ModerateText{query});
    return answer ? ec::none : info(answer.error()).code;
  }

  std::vector<v1::ModerationHit> written() {
    v1::ListModerationHits query;
    query.set_limit(200);
    auto page = ask<ModerationHitPage>(store, ListModerationHits{query});
    REQUIRE(page);
    return {(*page)->hits().begin(), (*page)->hits().end()};
  }

  test::fake_text_store_ptr data = std::make_shared<test::fake_text_store_data>();
  test::fake_text_store_actor store;
  config::moderation_section section;
  std::shared_ptr<moderation::word_watch> watch;
  std::shared_ptr<moderation_probe> probe = std::make_shared<moderation_probe>();
  text_guard_ptr guard;
  moderation_actor actor;
  int loaded = 0;
};

} // namespace

TEST_CASE_FIXTURE(moderation_fixture, "a word works as soon as its lexicon was edited") {
  start();
  CHECK(loaded == 1);
  CHECK(!guard->watches(v1::TEXT_DIRECTION_USER, text_way::api));
  lexicon("words", {R"({"text":"atlantis","action":"block","category":"cities","level":4})"});
  CHECK(guard->watches(v1::TEXT_DIRECTION_USER, text_way::api));
  CHECK(!guard->check("to atlantis", v1::TEXT_DIRECTION_USER, {}));
  auto status = ask<TextServiceStatus>(actor, GetTextServiceStatus{});
  REQUIRE(status);
  CHECK((*status)->items() == 1);
  REQUIRE((*status)->rulesets_size() == 1);
  CHECK((*status)->rulesets(0).name() == "words");
}

TEST_CASE_FIXTURE(moderation_fixture, "hits are told with places, folds and what goes on") {
  start();
  lexicon("words", {R"({"text":"atlantis","category":"cities","level":4})",
                    R"({"text":"hidden","action":"block"})"});
  auto answer = moderate({"to ATLANTIS!", "nothing", "hidden atlantis"});
  REQUIRE(answer);
  REQUIRE((*answer)->results_size() == 3);
  const auto& first = (*answer)->results(0);
  REQUIRE(first.hits_size() == 1);
  CHECK(first.hits(0).begin() == 3);
  CHECK(first.hits(0).end() == 11);
  CHECK(first.hits(0).text() == "ATLANTIS");
  CHECK(first.hits(0).entry() == "atlantis");
  CHECK(first.hits(0).category() == "cities");
  CHECK(first.hits(0).level() == 4);
  CHECK(first.hits(0).action() == "mask");
  CHECK(first.hits(0).ruleset() == "words");
  REQUIRE(first.hits(0).folds_size() == 1);
  CHECK(first.hits(0).folds(0) == "letter_case");
  CHECK(first.action() == "mask");
  CHECK(first.rendered() == "to ********!");
  CHECK((*answer)->results(1).action().empty());
  CHECK((*answer)->results(1).rendered() == "nothing");
  CHECK((*answer)->results(2).action() == "block");
  CHECK((*answer)->results(2).rendered().empty());
}

TEST_CASE_FIXTURE(moderation_fixture, "a lexicon is tried alone, enabled or not, and kept") {
  start();
  lexicon("used", {R"({"text":"atlantis"})"});
  lexicon("draft", {R"({"text":"hidden"})"}, false);
  auto alone = moderate({"hidden atlantis"}, "draft");
  REQUIRE(alone);
  REQUIRE((*alone)->results(0).hits_size() == 1);
  CHECK((*alone)->results(0).hits(0).entry() == "hidden");
  CHECK((*alone)->results(0).hits(0).ruleset() == "draft");
  auto reads = data->calls["ListRulesetItems"];
  REQUIRE(moderate({"hidden"}, "draft"));
  CHECK(data->calls["ListRulesetItems"] == reads);
  advance(std::chrono::hours{1});
  reads = data->calls["ListRulesetItems"];
  REQUIRE(moderate({"hidden"}, "draft"));
  CHECK(data->calls["ListRulesetItems"] == reads + 1);
  auto none = moderate({"hidden"}, "nobody");
  REQUIRE(!none);
  CHECK(info(none.error()).code == ec::not_found);
}

TEST_CASE_FIXTURE(moderation_fixture, "a lexicon that changed is tried as it is now") {
  start();
  lexicon("draft", {R"({"text":"hidden"})"}, false);
  REQUIRE(moderate({"hidden"}, "draft"));
  v1::EditRuleset edit;
  edit.mutable_ruleset()->set_name("draft");
  edit.add_put(R"({"text":"orchid"})");
  REQUIRE(ask<RulesetEdited>(actor, EditRuleset{edit}));
  auto answer = moderate({"hidden orchid"}, "draft");
  REQUIRE(answer);
  CHECK((*answer)->results(0).hits_size() == 2);
}

TEST_CASE_FIXTURE(moderation_fixture, "long texts are a worker's") {
  start();
  lexicon("words", {R"({"text":"atlantis"})"});
  auto before = all_probes.of_type("ruleset_worker").handled.load();
  REQUIRE(moderate({std::string(2'000, 'x')}));
  CHECK(all_probes.of_type("ruleset_worker").handled == before);
  auto answer = moderate({std::string(200'000, 'x') + " atlantis"});
  REQUIRE(answer);
  CHECK((*answer)->results(0).hits_size() == 1);
  CHECK(all_probes.of_type("ruleset_worker").handled == before + 1);
}

TEST_CASE_FIXTURE(moderation_fixture, "requests beyond the bounds are refused") {
  start();
  v1::ModerateText many;
  for (int i = 0; i < 1'001; ++i)
    many.add_texts("x");
  CHECK(refused(many) == ec::too_large);
  v1::ModerateText large;
  large.add_texts(std::string(moderation_state::bytes_max + 1, 'x'));
  CHECK(refused(large) == ec::too_large);
  v1::ModerateText greedy;
  greedy.set_hits_max(10'001);
  CHECK(refused(greedy) == ec::invalid_argument);
}

TEST_CASE_FIXTURE(moderation_fixture, "hits are written in groups, with what the guard knows") {
  start();
  lexicon("words", {R"({"text":"atlantis","category":"cities","action":"review"})"});
  data->holding = "RecordModerationHits";
  text_origin from;
  from.conversation_id = "0190163d-8694-739b-aea5-966c26f8ad91";
  for (int i = 0; i < 10; ++i)
    CHECK(guard->check("atlantis", v1::TEXT_DIRECTION_USER, from));
  run();
  CHECK(data->held.size() == 1); // the first one is on its way, the others wait for it
  CHECK(probe->hits_waiting == 10);
  data->holding.clear();
  caf::anon_send(store, Tick{}); // it does what it held
  run();
  CHECK(data->calls["RecordModerationHits"] == 2);
  CHECK(probe->hits_written == 10);
  CHECK(probe->hits_waiting == 0);
  auto hits = written();
  REQUIRE(hits.size() == 10);
  CHECK(hits[0].conversation_id() == from.conversation_id);
  CHECK(hits[0].category() == "cities");
  CHECK(hits[0].ruleset() == "words");
  CHECK(probe->hits().at("cities")[1] == 10);
}

TEST_CASE_FIXTURE(moderation_fixture,
                  "hits wait while the store is away, up to a bound, and are written after it") {
  section.hits_buffer_max = 20;
  start();
  lexicon("words", {R"({"text":"atlantis","action":"log"})"});
  auto away = true;
  data->failing = [&](std::string_view request) {
    return away && request == "RecordModerationHits" ? ec::store_unavailable : ec::none;
  };
  for (int i = 0; i < 30; ++i)
    CHECK(guard->check("atlantis", v1::TEXT_DIRECTION_USER, {}));
  run();
  CHECK(probe->hits_dropped == 10);
  CHECK(probe->hits_waiting == 20);
  auto tries = data->calls["RecordModerationHits"];
  advance(1s);
  CHECK(data->calls["RecordModerationHits"] == tries + 1);
  away = false;
  advance(1s);
  CHECK(written().size() == 20);
  CHECK(probe->hits_waiting == 0);
}

TEST_CASE_FIXTURE(moderation_fixture, "categories beyond a hundred are counted as one") {
  start();
  v1::RecordModerationHits hits;
  for (int i = 0; i < 150; ++i) {
    auto* hit = hits.add_hits();
    hit->set_id(fmt::format("0190163d-8694-739b-aea5-{:012}", i));
    hit->set_at_us(clock->now_us());
    hit->set_action("mask");
    hit->set_category(fmt::format("c{}", i));
  }
  caf::anon_send(actor, RecordModerationHits{hits});
  run();
  auto counts = probe->hits();
  CHECK(counts.size() <= moderation_probe::categories_max + 1);
  CHECK(counts.at("other")[2] == 50);
}
