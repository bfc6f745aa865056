// Random changes of a ruleset, beside a model of all its versions.
#include "persistence/commands.hpp"
#include "tests/support/audit.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/rulesets.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe;
using namespace troupe::persistence;
using test::items_of;
using test::named;

namespace {

using bodies = std::map<std::string, std::string>;
constexpr command_env now{1'700'000'000'000'000};

struct player {
  player(database& db, std::uint64_t seed) : db(db), random(seed) {}

  std::size_t below(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>{0, count - 1}(random);
  }
  std::string key() { return "k" + std::to_string(below(30)); }

  v1::RulesetChanged change() {
    auto model = versions.back();
    v1::ChangeRuleset command;
    *command.mutable_ruleset() = named("words");
    command.set_replace(below(8) == 0);
    if (command.replace())
      model.clear();
    for (auto count = below(6); count > 0; --count)
      command.add_remove(key());
    for (const auto& gone : command.remove())
      model.erase(gone);
    for (auto count = below(6); count > 0; --count) {
      auto& item = *command.add_put();
      item.set_key(key());
      item.set_body(std::to_string(below(3)));
      model[item.key()] = item.body();
    }
    auto done = change_ruleset(db, command, now);
    expect(done, model);
    return done;
  }

  void restore() {
    v1::RestoreRuleset command;
    *command.mutable_ruleset() = named("words");
    auto version = 1 + below(versions.size() - 1);
    command.set_version(static_cast<std::int64_t>(version));
    expect(restore_ruleset(db, command, now), versions[version]);
  }

  /// Counts, and the version made or not.
  void expect(const v1::RulesetChanged& done, bodies model) {
    const auto& before = versions.back();
    std::int64_t added = 0, changed = 0, removed = 0;
    for (const auto& [key, body] : model) {
      auto old = before.find(key);
      added += old == before.end();
      changed += old != before.end() && old->second != body;
    }
    for (const auto& [key, body] : before)
      removed += !model.contains(key);
    CHECK(done.unchanged() == (model == before));
    if (!done.unchanged()) {
      versions.push_back(model);
      CHECK(done.change().added() == added);
      CHECK(done.change().changed() == changed);
      CHECK(done.change().removed() == removed);
    }
    CHECK(done.ruleset().version() == static_cast<std::int64_t>(versions.size()) - 1);
    CHECK(done.ruleset().items() == static_cast<std::int64_t>(model.size()));
  }

  /// The whole difference, by small pages: what is removed and what is added.
  std::pair<bodies, bodies> diff(std::size_t from, std::size_t to) {
    v1::DiffRuleset query;
    *query.mutable_ruleset() = named("words");
    query.set_from_version(static_cast<std::int64_t>(from));
    query.set_to_version(static_cast<std::int64_t>(to));
    query.set_limit(static_cast<int>(1 + below(7)));
    std::pair<bodies, bodies> out;
    do {
      auto page = diff_ruleset(db, query, now);
      CHECK(page.removed_size() <= query.limit());
      for (const auto& item : page.removed())
        CHECK(out.first.emplace(item.key(), item.body()).second);
      for (const auto& item : page.added())
        CHECK(out.second.emplace(item.key(), item.body()).second);
      query.set_cursor(page.next_cursor());
    } while (!query.cursor().empty());
    return out;
  }

  static bodies only_in(const bodies& one, const bodies& other) {
    bodies out;
    for (const auto& [key, body] : one)
      if (auto found = other.find(key); found == other.end() || found->second != body)
        out.emplace(key, body);
    return out;
  }

  void check_all() {
    for (std::size_t i = 1; i < versions.size(); ++i) {
      CAPTURE(i);
      auto page = static_cast<int>(1 + below(40));
      CHECK(items_of(db, "words", static_cast<std::int64_t>(i), page) == versions[i]);
      auto other = 1 + below(versions.size() - 1);
      auto [removed, added] = diff(i, other);
      CHECK(removed == only_in(versions[i], versions[other]));
      CHECK(added == only_in(versions[other], versions[i]));
    }
  }

  database& db;
  std::mt19937_64 random;
  std::vector<bodies> versions{{}}; // by number; the first one is empty
};

} // namespace

TEST_CASE("after any changes and roll-backs every version has the items it was made with") {
  auto seed = test::seed_wanted();
  MESSAGE("TROUPE_SEED=" << seed);
  test::on_each_backend([&](test::test_database& t) {
    player play{t.db(), seed};
    test::make_ruleset(t.db(), "words");
    play.change();
    for (int step = 0; step < 150; ++step) {
      CAPTURE(step);
      unit_of_work unit{t.db(), access::write};
      if (play.versions.size() > 1 && play.below(5) == 0)
        play.restore();
      else
        play.change();
      unit.commit();
    }
    play.check_all();
    CHECK(t.db().verify().empty());
  });
}
