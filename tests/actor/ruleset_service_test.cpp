// Rulesets of one kind, edited and put to work, before a store that does as it is told.
#include "actors/rulesets/ruleset_service.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_ruleset_kind.hpp"
#include "tests/support/fake_text_store.hpp"
#include "tests/support/rulesets.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace troupe;
using namespace std::chrono_literals;
using test::change_of;
using test::items_of;
using test::make_ruleset;
using test::named;

namespace {

struct ruleset_fixture : test::actor_fixture {
  ruleset_fixture() { store = spawn(host, test::fake_text_store, data); }
  ~ruleset_fixture() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
    run();
  }

  void start() {
    ruleset_options options{host, store, kind, clock};
    options.tell_others = [this](v1::RulesetKind of) {
      CHECK(of == v1::RULESET_KIND_LEXICON);
      ++told;
    };
    options.loaded = [this] { ++loaded; };
    options.worker_thread = false;
    actor = spawn(host, ruleset_service, std::move(options));
    run();
  }

  template <class Answer, class Command>
  caf::expected<payload<Answer>> call(Command command) {
    return ask<payload<Answer>>(actor, payload<Command>{std::move(command)});
  }
  template <class Answer, class Command>
  ec refused(Command command) {
    auto answer = call<Answer>(std::move(command));
    return answer ? ec::none : info(answer.error()).code;
  }
  v1::TextServiceStatus status() {
    return **call<v1::TextServiceStatus>(v1::GetTextServiceStatus{});
  }

  /// The store does what it held.
  void release() {
    caf::anon_send(store, Tick{});
    run();
  }

  persistence::database& db() { return data->database.db(); }
  /// As another node does it.
  void put(const std::string& name, const std::string& key) {
    change_ruleset(db(), change_of(name, {{key, fmt::format("{{\"key\":\"{}\"}}", key)}}),
                   {data->now_us});
  }

  v1::EditRuleset edit(const std::vector<std::string>& items) const {
    v1::EditRuleset out;
    out.mutable_ruleset()->set_name("words");
    for (const auto& item : items)
      out.add_put(item);
    return out;
  }
  v1::ImportRuleset importing(const std::string& file) const {
    v1::ImportRuleset out;
    out.mutable_ruleset()->set_name("words");
    out.set_file(file);
    return out;
  }

  test::fake_text_store_ptr data = std::make_shared<test::fake_text_store_data>();
  std::shared_ptr<test::fake_ruleset_kind> kind = std::make_shared<test::fake_ruleset_kind>();
  test::fake_text_store_actor store;
  ruleset_actor actor;
  int told = 0;
  int loaded = 0;
};

} // namespace

TEST_CASE_FIXTURE(ruleset_fixture, "what is enabled is put to work at the start, page by page") {
  make_ruleset(db(), "empty");
  make_ruleset(db(), "words");
  make_ruleset(db(), "rules", v1::RULESET_KIND_KEYWORDS);
  std::map<std::string, std::string> many;
  for (int i = 0; i < 5'001; ++i)
    many[std::to_string(i)] = "{}";
  change_ruleset(db(), change_of("words", many), {data->now_us});
  auto off = make_ruleset(db(), "off");
  off.set_enabled(false);
  db().rulesets().update(off);
  start();
  CHECK(kind->at_work() == "empty@0:0 words@1:5001");
  CHECK(data->calls["ListRulesetItems"] == 2);
  CHECK(loaded == 1);
  auto now = status();
  CHECK(now.rulesets_size() == 2);
  CHECK(now.items() == 5'001);
  CHECK(now.memory_bytes() == 64 * 5'001);
  CHECK(now.built_us() == clock->now_us());
  CHECK(now.error().empty());
}

TEST_CASE_FIXTURE(ruleset_fixture, "with nothing in the store nothing is put to work, once") {
  start();
  CHECK(kind->times_made() == 1);
  CHECK(loaded == 1);
  for (int i = 0; i < 5; ++i)
    advance(5s);
  CHECK(kind->times_made() == 1);
  CHECK(data->calls["ListRulesets"] == 6);
}

TEST_CASE_FIXTURE(ruleset_fixture, "a change that nobody told of is found by the next poll") {
  make_ruleset(db(), "words");
  start();
  put("words", "a");
  advance(4s);
  CHECK(kind->at_work() == "words@0:0");
  advance(1s);
  CHECK(kind->at_work() == "words@1:1");
  CHECK(told == 0);
  CHECK(loaded == 1);
}

TEST_CASE_FIXTURE(ruleset_fixture,
                  "a change of another node is found at once, and told no further") {
  make_ruleset(db(), "words");
  start();
  put("words", "a");
  v1::RulesetsChanged news;
  news.set_told(true);
  caf::anon_send(actor, RulesetsChanged{news});
  run();
  CHECK(kind->at_work() == "words@1:1");
  CHECK(told == 0);
  news.set_told(false);
  caf::anon_send(actor, RulesetsChanged{news});
  run();
  CHECK(told == 1);
}

TEST_CASE_FIXTURE(ruleset_fixture, "news that come while it looks are not lost") {
  make_ruleset(db(), "words");
  start();
  put("words", "a");
  data->holding = "ListRulesetItems";
  v1::RulesetsChanged news;
  news.set_told(true);
  caf::anon_send(actor, RulesetsChanged{news});
  run();
  REQUIRE(data->held.size() == 1);
  put("words", "b");
  for (int i = 0; i < 3; ++i)
    caf::anon_send(actor, RulesetsChanged{news});
  run();
  data->holding.clear();
  auto listed = data->calls["ListRulesets"];
  release();
  CHECK(kind->at_work() == "words@2:2");
  CHECK(data->calls["ListRulesets"] == listed + 1);
}

TEST_CASE_FIXTURE(ruleset_fixture, "a set that is deleted while it is read is left out") {
  make_ruleset(db(), "gone");
  make_ruleset(db(), "words");
  put("gone", "a");
  put("words", "a");
  data->holding = "ListRulesetItems";
  start();
  REQUIRE(data->held.size() == 1);
  v1::DeleteRuleset erase;
  *erase.mutable_ruleset() = named("gone");
  delete_ruleset(db(), erase, {data->now_us});
  data->holding.clear();
  release();
  CHECK(kind->at_work() == "words@1:1");
  CHECK(status().error().empty());
}

TEST_CASE_FIXTURE(ruleset_fixture, "one look starts again a bounded number of times") {
  make_ruleset(db(), "words");
  put("words", "a");
  data->failing = [](std::string_view request) {
    return request == "ListRulesetItems" ? ec::not_found : ec::none;
  };
  start();
  CHECK(data->calls["ListRulesets"] == 5);
  CHECK(loaded == 0);
  CHECK(!status().error().empty());
  data->failing = {};
  advance(5s);
  CHECK(kind->at_work() == "words@1:1");
  CHECK(status().error().empty());
}

TEST_CASE_FIXTURE(ruleset_fixture, "while the store fails it goes on with what it has") {
  make_ruleset(db(), "words");
  start();
  put("words", "a");
  data->failing = [](std::string_view) { return ec::store_unavailable; };
  advance(5s);
  CHECK(kind->at_work() == "words@0:0");
  CHECK(status().error() == "the store fails as it was told");
  CHECK(status().rulesets_size() == 1);
  CHECK(refused<v1::RulesetEdited>(edit({R"({"key":"b"})"})) == ec::store_unavailable);
  data->failing = {};
  advance(5s);
  CHECK(kind->at_work() == "words@1:1");
  CHECK(status().error().empty());
}

TEST_CASE_FIXTURE(ruleset_fixture,
                  "what cannot be put to work leaves what was, and is tried again") {
  make_ruleset(db(), "words");
  start();
  put("words", "a");
  kind->break_down(true);
  advance(5s);
  CHECK(kind->at_work() == "words@0:0");
  CHECK(status().error() == "broken as it was told");
  CHECK(status().rulesets(0).version() == 0);
  kind->break_down(false);
  advance(5s);
  CHECK(kind->at_work() == "words@1:1");
}

TEST_CASE_FIXTURE(ruleset_fixture,
                  "sets are made, renamed, switched off and deleted, and all are told") {
  start();
  v1::CreateRuleset create;
  create.set_kind(v1::RULESET_KIND_KEYWORDS); // it makes those of its own kind
  create.set_name("words");
  create.set_enabled(true);
  auto made = call<v1::Ruleset>(create);
  REQUIRE(made);
  CHECK((*made)->kind() == v1::RULESET_KIND_LEXICON);
  CHECK(kind->at_work() == "words@0:0");
  CHECK(refused<v1::Ruleset>(create) == ec::conflict);
  CHECK(told == 1);
  v1::UpdateRuleset update;
  update.mutable_ruleset()->set_name("words");
  update.set_name("others");
  REQUIRE(call<v1::Ruleset>(update));
  CHECK(kind->at_work() == "others@0:0");
  CHECK(refused<v1::Ruleset>(update) == ec::not_found);
  update.mutable_ruleset()->set_name("others");
  update.set_enabled(false);
  REQUIRE(call<v1::Ruleset>(update));
  CHECK(kind->at_work().empty());
  v1::DeleteRuleset erase;
  erase.mutable_ruleset()->set_name("others");
  REQUIRE(call<v1::Done>(erase));
  CHECK(told == 4);
  CHECK(refused<v1::Done>(erase) == ec::not_found);
}

TEST_CASE_FIXTURE(ruleset_fixture, "an edit is checked, stored and put to work") {
  make_ruleset(db(), "words");
  start();
  auto command = edit({R"({"key":"a", "n":1})", R"({"key":"b"})"});
  command.set_comment("two");
  command.mutable_context()->set_principal_id("alice");
  auto done = call<v1::RulesetEdited>(command);
  REQUIRE(done);
  CHECK((*done)->ruleset().version() == 1);
  CHECK((*done)->change().added() == 2);
  CHECK((*done)->change().comment() == "two");
  CHECK((*done)->change().principal_id() == "alice");
  CHECK(items_of(db(), "words").at("a") == R"({"key":"a","n":1})");
  CHECK(kind->at_work() == "words@1:2");
  CHECK(told == 1);
  // The same again changes nothing.
  done = call<v1::RulesetEdited>(command);
  REQUIRE(done);
  CHECK((*done)->unchanged());
  CHECK(told == 1);
  command.clear_put();
  command.add_remove(R"({"key":"b"})");
  command.set_base_version(9);
  CHECK(refused<v1::RulesetEdited>(command) == ec::conflict);
  command.set_base_version(1);
  REQUIRE(call<v1::RulesetEdited>(command));
  CHECK(kind->at_work() == "words@2:1");
}

TEST_CASE_FIXTURE(ruleset_fixture, "with a problem in one item nothing is stored") {
  make_ruleset(db(), "words");
  start();
  auto command = edit({R"({"key":"a"})", R"({"key":"bad"})", "[" + std::string(300, ' ') + "]"});
  command.add_remove("nonsense");
  auto done = call<v1::RulesetEdited>(command);
  REQUIRE(done);
  CHECK((*done)->unchanged());
  CHECK((*done)->ruleset().name() == "words");
  REQUIRE((*done)->problems_size() == 3);
  CHECK((*done)->problems_total() == 3);
  CHECK((*done)->problems(0).text() == "put[1]: the key may not be bad");
  CHECK((*done)->problems(0).item() == R"({"key":"bad"})");
  CHECK((*done)->problems(1).item().size() < 210);
  CHECK((*done)->problems(2).text().starts_with("remove[0]: "));
  CHECK(items_of(db(), "words").empty());
  CHECK(told == 0);
  auto many = edit({});
  for (int i = 0; i < 150; ++i)
    many.add_put("[]");
  done = call<v1::RulesetEdited>(many);
  REQUIRE(done);
  CHECK((*done)->problems_size() == 100);
  CHECK((*done)->problems_total() == 150);
}

TEST_CASE_FIXTURE(ruleset_fixture,
                  "a file is imported whole, or without its problems, or only looked at") {
  make_ruleset(db(), "words");
  start();
  auto done = call<v1::RulesetEdited>(importing("a\n!x\nb"));
  REQUIRE(done);
  CHECK((*done)->problems_total() == 1);
  CHECK((*done)->problems(0).line() == 2);
  CHECK((*done)->encoding() == "UTF-8");
  CHECK(items_of(db(), "words").empty());
  auto command = importing("a\n!x\nb");
  command.set_skip_problems(true);
  command.set_dry_run(true);
  done = call<v1::RulesetEdited>(command);
  REQUIRE(done);
  CHECK((*done)->change().added() == 2);
  CHECK((*done)->ruleset().version() == 0);
  CHECK(told == 0);
  command.set_dry_run(false);
  done = call<v1::RulesetEdited>(command);
  REQUIRE(done);
  CHECK((*done)->problems_total() == 1);
  CHECK((*done)->change().added() == 2);
  CHECK(kind->at_work() == "words@1:2");
  command = importing("b\nc");
  command.set_replace(true);
  done = call<v1::RulesetEdited>(command);
  REQUIRE(done);
  CHECK((*done)->change().removed() == 1);
  CHECK(items_of(db(), "words").size() == 2);
}

TEST_CASE_FIXTURE(ruleset_fixture,
                  "files that cannot be taken are refused, and an empty one empties nothing") {
  make_ruleset(db(), "words");
  put("words", "a");
  start();
  auto command = importing("");
  command.set_replace(true);
  CHECK(refused<v1::RulesetEdited>(command) == ec::invalid_argument);
  command = importing("x");
  command.set_format("none");
  CHECK(refused<v1::RulesetEdited>(command) == ec::invalid_argument);
  command = importing("x");
  command.mutable_ruleset()->set_name("nowhere");
  CHECK(refused<v1::RulesetEdited>(command) == ec::not_found);
  command = importing(std::string(rulesets::import_bytes_max + 1, 'x'));
  CHECK(refused<v1::RulesetEdited>(command) == ec::too_large);
  CHECK(items_of(db(), "words").size() == 1);
}

TEST_CASE_FIXTURE(ruleset_fixture, "any version is exported, and one gone back to is put to work") {
  make_ruleset(db(), "words");
  put("words", "a");
  put("words", "b");
  start();
  v1::ExportRuleset query;
  query.mutable_ruleset()->set_name("words");
  auto file = call<v1::RulesetFile>(query);
  REQUIRE(file);
  CHECK((*file)->content() == "{\"key\":\"a\"}\n{\"key\":\"b\"}\n");
  CHECK((*file)->file_name() == "words-2.txt");
  query.set_version(1);
  file = call<v1::RulesetFile>(query);
  REQUIRE(file);
  CHECK((*file)->content() == "{\"key\":\"a\"}\n");
  CHECK((*file)->version() == 1);
  query.set_version(3);
  CHECK(refused<v1::RulesetFile>(query) == ec::not_found);
  query.set_version(1);
  query.set_format("none");
  CHECK(refused<v1::RulesetFile>(query) == ec::invalid_argument);
  v1::RestoreRuleset back;
  back.mutable_ruleset()->set_name("words");
  back.set_version(1);
  auto done = call<v1::RulesetChanged>(back);
  REQUIRE(done);
  CHECK((*done)->change().restored_from() == 1);
  CHECK(kind->at_work() == "words@3:1");
  CHECK(told == 1);
}

TEST_CASE_FIXTURE(ruleset_fixture,
                  "lint tells what does harm, and a fault within it harms nobody else") {
  make_ruleset(db(), "words");
  for (int i = 0; i < 120; ++i)
    put("words", std::to_string(i));
  start();
  v1::LintRuleset query;
  query.mutable_ruleset()->set_name("words");
  query.set_ordinary_text("\"11");
  auto found = call<v1::RulesetLint>(query);
  REQUIRE(found);
  CHECK((*found)->problems_total() == 11);
  CHECK((*found)->version() == 120);
  query.set_ordinary_text("key");
  found = call<v1::RulesetLint>(query);
  REQUIRE(found);
  CHECK((*found)->problems_total() == 120);
  CHECK((*found)->problems_size() == 100);
  kind->break_down(true);
  for (int i = 0; i < 5; ++i)
    CHECK(refused<v1::RulesetLint>(query) == ec::internal);
  kind->break_down(false);
  CHECK(call<v1::RulesetLint>(query));
}

TEST_CASE_FIXTURE(ruleset_fixture, "more requests than are taken at once are overloaded") {
  make_ruleset(db(), "words");
  start();
  data->holding = "GetRuleset";
  caf::scoped_actor self{*system};
  for (int i = 0; i < 70; ++i)
    self->send(caf::actor_cast<caf::actor>(actor), EditRuleset{edit({R"({"key":"a"})"})});
  run();
  CHECK(data->held.size() == 64);
  CHECK(refused<v1::RulesetLint>([] {
          v1::LintRuleset query;
          query.mutable_ruleset()->set_name("words");
          return query;
        }())
        == ec::overloaded);
  data->holding.clear();
  release();
  CHECK(call<v1::RulesetEdited>(edit({R"({"key":"b"})"})));
  CHECK(kind->at_work() == "words@2:2");
}

namespace {

struct parent_state {
  static inline const char* name = "parent";
  ruleset_child child;
};

} // namespace

TEST_CASE_FIXTURE(ruleset_fixture, "a child ends with its parent") {
  ruleset_options options{host, store, kind, clock};
  options.worker_thread = false;
  auto parent = system->spawn([options](caf::stateful_actor<parent_state>* self) -> caf::behavior {
    self->state.child.start(self, options);
    return {[self](const GetTextServiceStatus& x) {
      return self->delegate(self->state.child.handle(), x);
    }};
  });
  run();
  caf::scoped_actor self{*system};
  auto asked = self->request(parent, caf::infinite, GetTextServiceStatus{});
  run();
  bool answered = false;
  asked.receive([&](const TextServiceStatus&) { answered = true; }, [](caf::error&) {});
  CHECK(answered);
  CHECK(all_probes.of_type("ruleset_service").live == 1);
  caf::anon_send_exit(parent, caf::exit_reason::user_shutdown);
  parent = nullptr;
  run();
  advance(5s); // until then its timer keeps what is left of it
  CHECK(all_probes.of_type("ruleset_service").live == 0);
  CHECK(all_probes.of_type("ruleset_worker").live == 0);
}
