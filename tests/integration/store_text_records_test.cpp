// What moderation found, and how often keywords came, on a real database.
#include "persistence/commands.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/rulesets.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::persistence;
using test::on_each_backend;
using test::refusal_of;
using test::test_database;

namespace {

constexpr std::int64_t start_us = 1'700'000'000'000'000;
constexpr command_env now{start_us};

v1::ModerationHit hit(const std::string& id, std::int64_t at_us,
                      const std::string& category = "abuse", const std::string& action = "mask",
                      const std::string& conversation = "c1") {
  v1::ModerationHit out;
  out.set_id(id);
  out.set_at_us(at_us);
  out.set_category(category);
  out.set_action(action);
  out.set_conversation_id(conversation);
  out.set_direction(v1::TEXT_DIRECTION_MODEL);
  out.set_level(3);
  out.set_entry("word");
  out.set_text("w0rd");
  out.set_ruleset("words");
  out.set_ruleset_version(7);
  return out;
}

void record(database& db, const std::vector<v1::ModerationHit>& hits) {
  v1::RecordModerationHits command;
  for (const auto& one : hits)
    *command.add_hits() = one;
  record_moderation_hits(db, command, now);
}

std::string ids(const v1::ModerationHitPage& page) {
  std::string out;
  for (const auto& one : page.hits())
    out += one.id() + " ";
  return out;
}

} // namespace

TEST_CASE("hits are listed newest first, by pages and by what is asked for") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto all = {hit("a", 10), hit("b", 20, "spam"), hit("c", 20, "abuse", "block"),
                hit("d", 30, "spam", "mask", "c2"), hit("e", 40)};
    record(db, all);
    record(db, {hit("a", 99, "other")}); // is there already
    v1::ListModerationHits query;
    auto page = list_moderation_hits(db, query, now);
    CHECK(ids(page) == "e d c b a ");
    CHECK(page.hits(4).SerializeAsString() == all.begin()->SerializeAsString());
    query.set_limit(2);
    std::string seen;
    do {
      page = list_moderation_hits(db, query, now);
      seen += ids(page) + "| ";
      query.set_cursor(page.next_cursor());
    } while (!query.cursor().empty());
    CHECK(seen == "e d | c b | a | ");
    auto listed = [&](auto change) {
      v1::ListModerationHits asked;
      change(asked);
      return ids(list_moderation_hits(db, asked, now));
    };
    CHECK(listed([](auto& q) { q.set_category("spam"); }) == "d b ");
    CHECK(listed([](auto& q) { q.set_action("block"); }) == "c ");
    CHECK(listed([](auto& q) { q.set_conversation_id("c2"); }) == "d ");
    CHECK(listed([](auto& q) {
            q.set_conversation_id("c1");
            q.set_category("spam");
          })
          == "b ");
    CHECK(listed([](auto& q) {
            q.set_from_us(20);
            q.set_to_us(40);
          })
          == "d c b ");
  });
}

TEST_CASE("a hit that cannot be stored as it is is mended, one without an id is refused") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto odd = hit("a", 10);
    odd.set_text(std::string("x\0y\xff", 4));
    odd.set_category(std::string(300, 'c'));
    odd.set_user_id("\xe4\xb8");
    std::string han;
    for (int i = 0; i < 400; ++i)
      han += "\xe4\xb8\xad";
    odd.set_entry(han);
    record(db, {odd});
    auto page = list_moderation_hits(db, {}, now);
    REQUIRE(page.hits_size() == 1);
    CHECK(page.hits(0).text() == "x\xef\xbf\xbdy\xef\xbf\xbd");
    CHECK(page.hits(0).category().size() == 255);
    CHECK(page.hits(0).user_id() == "\xef\xbf\xbd");
    CHECK(page.hits(0).entry() == han.substr(0, 999));
    CHECK(refusal_of([&] { record(db, {hit("", 1)}); }).code == ec::invalid_argument);
    CHECK(refusal_of([&] { record(db, std::vector(10'001, hit("z", 1))); }).code == ec::too_large);
  });
}

TEST_CASE("questions for hits that make no sense are refused") {
  on_each_backend([](test_database& t) {
    auto refused = [&](auto change) {
      v1::ListModerationHits query;
      change(query);
      return refusal_of([&] { list_moderation_hits(t.db(), query, now); }).code;
    };
    CHECK(refused([](auto& q) { q.set_limit(1'001); }) == ec::invalid_argument);
    CHECK(refused([](auto& q) { q.set_cursor("nonsense"); }) == ec::invalid_argument);
    CHECK(refused([](auto& q) { q.set_cursor("1.5."); }) == ec::invalid_argument);
    CHECK(refused([](auto& q) { q.set_category("\xff"); }) == ec::invalid_argument);
    CHECK(refused([](auto& q) { q.set_conversation_id("a b"); }) == ec::invalid_argument);
    CHECK(refused([](auto& q) { q.set_from_us(-1); }) == ec::invalid_argument);
    CHECK(refused([](auto& q) {
            q.set_from_us(5);
            q.set_to_us(5);
          })
          == ec::invalid_argument);
  });
}

TEST_CASE("a node's keyword counts replace those it wrote before, and all nodes' are read") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto save = [&](const std::string& node, const std::string& counts, std::int64_t at) {
      v1::SaveKeywordCounts command;
      command.set_node(node);
      command.set_counts(counts);
      save_keyword_counts(db, command, {at});
    };
    save("n2", std::string("\0\xff bytes", 8), start_us);
    save("n1", "old", start_us);
    save("n1", "new", start_us + 1);
    save("n3", "", start_us);
    auto all = load_keyword_counts(db, {}, now);
    REQUIRE(all.nodes_size() == 3);
    CHECK(all.nodes(0).node() == "n1");
    CHECK(all.nodes(0).counts() == "new");
    CHECK(all.nodes(1).counts() == std::string("\0\xff bytes", 8));
    CHECK(all.nodes(2).counts().empty());
    CHECK(refusal_of([&] { save("", "x", start_us); }).code == ec::invalid_argument);
    CHECK(refusal_of([&] { save("a b", "x", start_us); }).code == ec::invalid_argument);
    auto large = std::string(16 * 1024 * 1024 + 1, 'x');
    CHECK(refusal_of([&] { save("n1", large, start_us); }).code == ec::invalid_argument);
  });
}

TEST_CASE("hits and counts that outlived their time go, a thousand a call") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    std::vector<v1::ModerationHit> old;
    for (int i = 0; i < 1'500; ++i)
      old.push_back(hit("h" + std::to_string(i), start_us - moderation_hits_kept_us - 1));
    old.push_back(hit("young", start_us - moderation_hits_kept_us));
    record(db, old);
    db.keyword_counts().save("gone", "x", start_us - keyword_counts_kept_us - 1);
    db.keyword_counts().save("there", "x", start_us - keyword_counts_kept_us);
    CHECK(purge_expired(db, now) == 1'001);
    CHECK(purge_expired(db, now) == 500);
    CHECK(purge_expired(db, now) == 0);
    CHECK(ids(list_moderation_hits(db, {}, now)) == "young ");
    CHECK(load_keyword_counts(db, {}, now).nodes(0).node() == "there");
  });
}
