// Rulesets and their versions on a real database.
#include "messages/id.hpp"
#include "persistence/commands.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/rulesets.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>

using namespace troupe;
using namespace troupe::persistence;
using test::change_of;
using test::items_of;
using test::make_ruleset;
using test::named;
using test::on_each_backend;
using test::refusal_of;
using test::test_database;
using test::versions_of;

namespace {

constexpr std::int64_t start_us = 1'700'000'000'000'000;
constexpr command_env now{start_us};
using bodies = std::map<std::string, std::string>;

v1::RulesetDiff diff(database& db, std::int64_t from, std::int64_t to, int limit = 0,
                     const std::string& cursor = {}) {
  v1::DiffRuleset query;
  *query.mutable_ruleset() = named("words");
  query.set_from_version(from);
  query.set_to_version(to);
  query.set_limit(limit);
  query.set_cursor(cursor);
  return diff_ruleset(db, query, now);
}

v1::RestoreRuleset restore(std::int64_t version, std::int64_t base = 0) {
  v1::RestoreRuleset out;
  *out.mutable_ruleset() = named("words");
  out.set_version(version);
  out.set_base_version(base);
  return out;
}

} // namespace

TEST_CASE("a ruleset is made, found by its name and its id, changed and deleted") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    v1::CreateRuleset command;
    command.set_kind(v1::RULESET_KIND_LEXICON);
    command.set_name("words-1.0_a");
    command.set_description("Neutral \xe4\xb8\xad");
    command.set_enabled(true);
    auto made = create_ruleset(db, command, now);
    CHECK(is_id(made.id()));
    CHECK(made.version() == 0);
    CHECK(made.created_us() == start_us);
    v1::GetRuleset get;
    *get.mutable_ruleset() = named("words-1.0_a");
    CHECK(get_ruleset(db, get, now).SerializeAsString() == made.SerializeAsString());
    get.mutable_ruleset()->set_id(made.id());
    CHECK(get_ruleset(db, get, now).SerializeAsString() == made.SerializeAsString());
    get.mutable_ruleset()->set_kind(v1::RULESET_KIND_KEYWORDS);
    CHECK(refusal_of([&] { get_ruleset(db, get, now); }).code == ec::not_found);
    v1::UpdateRuleset update;
    *update.mutable_ruleset() = named("words-1.0_a");
    update.set_enabled(false);
    auto changed = update_ruleset(db, update, {start_us + 1});
    CHECK(!changed.enabled());
    CHECK(changed.description() == made.description());
    CHECK(changed.updated_us() == start_us + 1);
    CHECK(update_ruleset(db, update, {start_us + 2}).updated_us() == start_us + 1);
    update.set_name("other");
    CHECK(update_ruleset(db, update, now).name() == "other");
    CHECK(refusal_of([&] { update_ruleset(db, update, now); }).code == ec::not_found);
    v1::DeleteRuleset erase;
    *erase.mutable_ruleset() = named("other");
    delete_ruleset(db, erase, now);
    CHECK(refusal_of([&] { delete_ruleset(db, erase, now); }).code == ec::not_found);
  });
}

TEST_CASE("names are unique in their kind, and rulesets are listed by them") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    for (const auto* name : {"b", "B", "a"})
      make_ruleset(db, name);
    make_ruleset(db, "a", v1::RULESET_KIND_KEYWORDS);
    auto again = refusal_of([&] { make_ruleset(db, "a"); });
    CHECK(again.code == ec::conflict);
    CHECK(std::string{again.what()}.find("lexicon a") != std::string::npos);
    v1::UpdateRuleset rename;
    *rename.mutable_ruleset() = named("b");
    rename.set_name("a");
    CHECK(refusal_of([&] { update_ruleset(db, rename, now); }).code == ec::conflict);
    v1::ListRulesets list;
    list.set_kind(v1::RULESET_KIND_LEXICON);
    std::string names;
    auto all = list_rulesets(db, list, now);
    for (const auto& set : all.rulesets())
      names += set.name();
    CHECK(names == "Bab");
    list.clear_kind();
    CHECK(refusal_of([&] { list_rulesets(db, list, now); }).code == ec::invalid_argument);
  });
}

TEST_CASE("rulesets that make no sense are refused, and more than 64 of a kind") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto refused = [&](auto change) {
      v1::CreateRuleset command;
      command.set_kind(v1::RULESET_KIND_LEXICON);
      command.set_name("words");
      change(command);
      return refusal_of([&] { create_ruleset(db, command, now); }).code;
    };
    for (std::string name : {"", "a b", "a/b", "\xe4\xb8\xad", "a\n"})
      CHECK(refused([&](auto& c) { c.set_name(name); }) == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_name(std::string(65, 'a')); }) == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.clear_kind(); }) == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_description(std::string(2'001, 'a')); })
          == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_description(std::string("a\0b", 3)); })
          == ec::invalid_argument);
    for (int i = 0; i < rulesets_max; ++i)
      make_ruleset(db, fmt::format("s{}", i));
    CHECK(refused([](auto&) {}) == ec::conflict);
    make_ruleset(db, "of-another-kind", v1::RULESET_KIND_KEYWORDS);
  });
}

TEST_CASE("a change is one version, and every version stays what it was") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    auto command = change_of("words", {{"b", "{\"n\":1}"}, {"a", "{\"n\":1}"}});
    command.set_comment("first");
    command.mutable_context()->set_principal_id("alice");
    auto first = change_ruleset(db, command, {start_us + 1});
    CHECK(first.ruleset().version() == 1);
    CHECK(first.ruleset().items() == 2);
    CHECK(first.ruleset().updated_us() == start_us + 1);
    CHECK(first.change().added() == 2);
    auto second = change_ruleset(
        db, change_of("words", {{"a", "{\"n\":2}"}, {"c", "{}"}, {"B", "{}"}}, {"b", "absent"}),
        now);
    CHECK(second.change().added() == 2);
    CHECK(second.change().changed() == 1);
    CHECK(second.change().removed() == 1);
    CHECK(second.change().items() == 3);
    CHECK(items_of(db, "words", 1) == bodies{{"a", "{\"n\":1}"}, {"b", "{\"n\":1}"}});
    CHECK(items_of(db, "words") == bodies{{"B", "{}"}, {"a", "{\"n\":2}"}, {"c", "{}"}});
    v1::ListRulesetVersions query;
    *query.mutable_ruleset() = named("words");
    auto versions = list_ruleset_versions(db, query, now);
    REQUIRE(versions.versions_size() == 2);
    CHECK(versions.versions(0).SerializeAsString() == second.change().SerializeAsString());
    CHECK(versions.versions(1).comment() == "first");
    CHECK(versions.versions(1).principal_id() == "alice");
    CHECK(db.verify().empty());
  });
}

TEST_CASE("a change that changes nothing makes no version, nor does a dry run") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    CHECK(change_ruleset(db, change_of("words", {}, {"a"}), now).unchanged());
    change_ruleset(db, change_of("words", {{"a", "1"}}), now);
    auto again = change_ruleset(db, change_of("words", {{"a", "1"}}, {"z"}), {start_us + 9});
    CHECK(again.unchanged());
    CHECK(again.change().version() == 1);
    CHECK(again.ruleset().updated_us() == start_us);
    // Of several with the same key the last one counts, and what is put is not removed.
    auto command = change_of("words", {{"a", "2"}}, {"a"});
    command.add_put()->set_key("a");
    command.mutable_put(1)->set_body("1");
    CHECK(change_ruleset(db, command, now).unchanged());
    command = change_of("words", {{"a", "2"}, {"b", "1"}});
    command.set_dry_run(true);
    auto would = change_ruleset(db, command, now);
    CHECK(would.change().changed() == 1);
    CHECK(would.change().added() == 1);
    CHECK(would.ruleset().version() == 1);
    CHECK(items_of(db, "words") == bodies{{"a", "1"}});
    CHECK(versions_of(db, "words") == 1);
  });
}

TEST_CASE("replacing leaves what is put and nothing else") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    change_ruleset(db, change_of("words", {{"a", "1"}, {"b", "1"}, {"c", "1"}}), now);
    auto command = change_of("words", {{"b", "1"}, {"c", "2"}, {"d", "1"}});
    command.set_replace(true);
    auto done = change_ruleset(db, command, now);
    CHECK(done.change().removed() == 1);
    CHECK(done.change().changed() == 1);
    CHECK(done.change().added() == 1);
    CHECK(items_of(db, "words") == bodies{{"b", "1"}, {"c", "2"}, {"d", "1"}});
    command.clear_put();
    CHECK(change_ruleset(db, command, now).ruleset().items() == 0);
    CHECK(items_of(db, "words").empty());
    CHECK(items_of(db, "words", 2).size() == 3);
  });
}

TEST_CASE("who changes what has changed meanwhile is told which version stands") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    for (const auto* body : {"1", "2", "3"})
      change_ruleset(db, change_of("words", {{"a", body}}), now);
    auto command = change_of("words", {{"a", "4"}});
    command.set_base_version(2);
    auto refused = refusal_of([&] { change_ruleset(db, command, now); });
    CHECK(refused.code == ec::conflict);
    CHECK(std::string{refused.what()}.find("version 3 now, not 2") != std::string::npos);
    auto back = restore(1, 2);
    CHECK(refusal_of([&] { restore_ruleset(db, back, now); }).code == ec::conflict);
    command.set_base_version(-1);
    CHECK(refusal_of([&] { change_ruleset(db, command, now); }).code == ec::invalid_argument);
    command.set_base_version(3);
    CHECK(change_ruleset(db, command, now).ruleset().version() == 4);
  });
}

TEST_CASE("items that make no sense are refused, and nothing of their change is kept") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    auto refused = [&](const std::string& key, const std::string& body) {
      auto command = change_of("words", {{"good", "1"}});
      auto& item = *command.add_put();
      item.set_key(key);
      item.set_body(body);
      auto error = refusal_of([&] { change_ruleset(db, command, now); });
      CHECK((error.code == ec::none || std::string{error.what()}.starts_with("put[1].")));
      return error.code;
    };
    CHECK(refused("", "1") == ec::invalid_argument);
    CHECK(refused("a", "") == ec::invalid_argument);
    CHECK(refused(std::string(129, 'k'), "1") == ec::invalid_argument);
    CHECK(refused("a\xff", "1") == ec::invalid_argument);
    CHECK(refused("a", "\xc3") == ec::invalid_argument);
    CHECK(refused("a", std::string("1\0", 2)) == ec::invalid_argument);
    CHECK(refused("a", std::string(item_body_bytes_max + 1, '1')) == ec::invalid_argument);
    auto command = change_of("words", {}, {std::string(129, 'k')});
    CHECK(refusal_of([&] { change_ruleset(db, command, now); }).code == ec::invalid_argument);
    command = change_of("words", {{"a", "1"}});
    command.set_comment(std::string(501, 'c'));
    CHECK(refusal_of([&] { change_ruleset(db, command, now); }).code == ec::invalid_argument);
    command = change_of("nowhere", {{"a", "1"}});
    CHECK(refusal_of([&] { change_ruleset(db, command, now); }).code == ec::not_found);
    CHECK(items_of(db, "words").empty());
    CHECK(refused(std::string(128, 'k'), std::string(item_body_bytes_max, '1')) == ec::none);
    CHECK(items_of(db, "words").size() == 2);
  });
}

TEST_CASE("going back makes a new version with the items of the old one") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    change_ruleset(db, change_of("words", {{"a", "1"}, {"b", "1"}, {"c", "1"}}), now);
    change_ruleset(db, change_of("words", {{"a", "2"}, {"d", "1"}}, {"b"}), now);
    auto back = restore_ruleset(db, restore(1, 2), now);
    CHECK(back.ruleset().version() == 3);
    CHECK(back.change().restored_from() == 1);
    CHECK(back.change().added() == 1);
    CHECK(back.change().changed() == 1);
    CHECK(back.change().removed() == 1);
    CHECK(items_of(db, "words") == items_of(db, "words", 1));
    CHECK(items_of(db, "words", 2) == bodies{{"a", "2"}, {"c", "1"}, {"d", "1"}});
    CHECK(restore_ruleset(db, restore(1), now).unchanged());
    CHECK(restore_ruleset(db, restore(3), now).unchanged());
    CHECK(refusal_of([&] { restore_ruleset(db, restore(4), now); }).code == ec::not_found);
    CHECK(refusal_of([&] { restore_ruleset(db, restore(0), now); }).code == ec::invalid_argument);
    CHECK(refusal_of([&] { restore_ruleset(db, restore(-1), now); }).code == ec::invalid_argument);
    CHECK(db.verify().empty());
  });
}

TEST_CASE("the difference of two versions is told in both directions, by pages") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    change_ruleset(db, change_of("words", {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"e", "1"}}), now);
    change_ruleset(db, change_of("words", {{"a", "2"}, {"d", "1"}}, {"b"}), now);
    change_ruleset(db, change_of("words", {{"a", "1"}, {"e", "2"}}), now);
    auto keys = [](const auto& list) {
      std::string out;
      for (const auto& item : list)
        out += item.key() + item.body() + " ";
      return out;
    };
    auto all = diff(db, 1, 2);
    CHECK(keys(all.removed()) == "a1 b1 ");
    CHECK(keys(all.added()) == "a2 d1 ");
    // `a` went and came back as it was: that is no difference.
    CHECK(keys(diff(db, 1, 0).removed()) == "b1 e1 ");
    CHECK(keys(diff(db, 3, 1).added()) == "b1 e1 ");
    CHECK(keys(diff(db, 0, 1).added()) == "a1 b1 c1 e1 ");
    CHECK(diff(db, 2, 2).added_size() == 0);
    std::string removed, added, cursor;
    int pages = 0;
    do {
      auto page = diff(db, 1, 2, 1, cursor);
      removed += keys(page.removed());
      added += keys(page.added());
      cursor = page.next_cursor();
      REQUIRE(++pages < 10);
    } while (!cursor.empty());
    CHECK(pages == 3);
    CHECK(removed == keys(all.removed()));
    CHECK(added == keys(all.added()));
    CHECK(refusal_of([&] { diff(db, 1, 4); }).code == ec::not_found);
    CHECK(refusal_of([&] { diff(db, -1, 2); }).code == ec::invalid_argument);
    CHECK(refusal_of([&] { diff(db, 1, 2, 1'001); }).code == ec::invalid_argument);
    CHECK(refusal_of([&] { diff(db, 1, 2, 1, "1.zz"); }).code == ec::invalid_argument);
  });
}

TEST_CASE("items are listed by pages of one version, in the order of their bytes") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    change_ruleset(db,
                   change_of("words", {{"a", "{\"w\":\"Apple_1\"}"},
                                       {"B", "{}"},
                                       {"\xe4\xb8\xad", "{}"},
                                       {"a-", "{\"w\":\"apple21\"}"},
                                       {"1", "{}"}}),
                   now);
    v1::ListRulesetItems query;
    *query.mutable_ruleset() = named("words");
    query.set_limit(2);
    auto page = list_ruleset_items(db, query, now);
    CHECK(page.version() == 1);
    // The set changes; the pages after this one do not.
    change_ruleset(db, change_of("words", {{"b", "{}"}}, {"a"}), now);
    std::string keys;
    while (true) {
      for (const auto& item : page.items())
        keys += item.key() + " ";
      if (page.next_cursor().empty())
        break;
      query.set_cursor(page.next_cursor());
      page = list_ruleset_items(db, query, now);
      CHECK(page.version() == 1);
    }
    CHECK(keys == "1 B a a- \xe4\xb8\xad ");
    query.set_version(2);
    CHECK(refusal_of([&] { list_ruleset_items(db, query, now); }).code == ec::invalid_argument);
    query.clear_cursor();
    query.set_version(1);
    query.set_query("APPLE_");
    CHECK(list_ruleset_items(db, query, now).items_size() == 1);
    query.set_query("\xff");
    CHECK(refusal_of([&] { list_ruleset_items(db, query, now); }).code == ec::invalid_argument);
    query.clear_query();
    for (std::string cursor : {"x", "1.1.zz", "1.1.", "1.1.00", "1.1.ff", "1.5"}) {
      query.set_cursor(cursor);
      CHECK(refusal_of([&] { list_ruleset_items(db, query, now); }).code == ec::invalid_argument);
    }
    query.clear_cursor();
    query.set_limit(5'001);
    CHECK(refusal_of([&] { list_ruleset_items(db, query, now); }).code == ec::invalid_argument);
    query.set_limit(1);
    query.set_version(3);
    CHECK(refusal_of([&] { list_ruleset_items(db, query, now); }).code == ec::not_found);
  });
}

TEST_CASE("a page of large items ends early, and none is left out") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    bodies all;
    for (int i = 0; i < 70; ++i)
      all[fmt::format("k{}", i)] = std::string(200'000, static_cast<char>('a' + i % 26));
    change_ruleset(db, change_of("words", all), now);
    v1::ListRulesetItems query;
    *query.mutable_ruleset() = named("words");
    query.set_limit(5'000);
    auto page = list_ruleset_items(db, query, now);
    CHECK(page.ByteSizeLong() < static_cast<std::size_t>(page_bytes_max) + 300'000);
    CHECK(!page.next_cursor().empty());
    CHECK(items_of(db, "words") == all);
  });
}

TEST_CASE("sixty thousand items come in one change and go in another, in seconds") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    auto of = [](int count, std::string_view body) {
      v1::ChangeRuleset out;
      *out.mutable_ruleset() = named("words");
      for (int i = 0; i < count; ++i) {
        auto& item = *out.add_put();
        item.set_key(fmt::format("{:016x}", i * 0x9e3779b97f4a7c15ULL));
        item.set_body(fmt::format("{{\"text\":\"word {}\",\"action\":\"{}\"}}", i, body));
      }
      return out;
    };
    auto timed = [&](const std::string& what, auto&& work) {
      auto start = std::chrono::steady_clock::now();
      unit_of_work unit{db, access::write};
      work();
      unit.commit();
      std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      MESSAGE(t.place().backend() << ", " << what << ": " << took.count() << " s");
      WARN(took.count() < 5); // a machine may do much else
    };
    auto masks = of(60'000, "mask");
    auto blocks = of(60'000, "block");
    timed("60,000 added",
          [&] { CHECK(change_ruleset(db, masks, now).change().added() == 60'000); });
    timed("60,000 changed",
          [&] { CHECK(change_ruleset(db, blocks, now).change().changed() == 60'000); });
    timed("one changed",
          [&] { CHECK(change_ruleset(db, of(1, "log"), now).change().changed() == 1); });
    timed("back to the first",
          [&] { CHECK(restore_ruleset(db, restore(1), now).change().changed() == 60'000); });
    auto less = of(100, "mask");
    less.set_replace(true);
    timed("59,900 removed",
          [&] { CHECK(change_ruleset(db, less, now).change().removed() == 59'900); });
    CHECK(items_of(db, "words", 1).size() == 60'000);
  });
}

TEST_CASE("more items than are kept are refused") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    make_ruleset(db, "words");
    v1::ChangeRuleset command;
    *command.mutable_ruleset() = named("words");
    for (std::int64_t i = 0; i <= ruleset_items_max; ++i) {
      auto& item = *command.add_put();
      item.set_key(std::to_string(i));
      item.set_body("1");
    }
    CHECK(refusal_of([&] { change_ruleset(db, command, now); }).code == ec::too_large);
    CHECK(versions_of(db, "words") == 0);
  });
}

TEST_CASE("deleting a ruleset leaves nothing of it, and its name is free") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto made = make_ruleset(db, "words");
    change_ruleset(db, change_of("words", {{"a", "1"}}), now);
    v1::DeleteRuleset erase;
    *erase.mutable_ruleset() = named("words");
    delete_ruleset(db, erase, now);
    CHECK(db.rulesets().items(made.id(), 1, {}, {}, 10).empty());
    CHECK(!db.rulesets().find_version(made.id(), 1));
    CHECK(make_ruleset(db, "words").id() != made.id());
    CHECK(items_of(db, "words").empty());
    CHECK(db.verify().empty());
  });
}

TEST_CASE("versions beyond those kept are forgotten step by step, and the others stay whole") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto made = make_ruleset(db, "words");
    unit_of_work unit{db, access::write};
    auto extra = 40;
    for (int i = 1; i <= ruleset_versions_kept + extra; ++i)
      change_ruleset(db, change_of("words", {{"a", std::to_string(i)}, {"b", "1"}}), now);
    unit.commit();
    // 40 versions and the 40 bodies that `a` had in them.
    CHECK(purge_expired(db, now) == 80);
    CHECK(purge_expired(db, now) == 0);
    CHECK(versions_of(db, "words") == ruleset_versions_kept);
    CHECK(items_of(db, "words", 41) == bodies{{"a", "41"}, {"b", "1"}});
    CHECK(refusal_of([&] { items_of(db, "words", 40); }).code == ec::not_found);
    CHECK(db.verify().empty());
    // A call forgets no more than it was told to.
    CHECK(db.rulesets().forget_before(made.id(), 51, 3) == 3);
    CHECK(db.rulesets().forget_before(made.id(), 51, 12) == 12);
    CHECK(db.rulesets().forget_before(made.id(), 51, 100) == 5);
    CHECK(items_of(db, "words", 51) == bodies{{"a", "51"}, {"b", "1"}});
  });
}
