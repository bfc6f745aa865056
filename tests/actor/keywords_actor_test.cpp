// The keywords actor: sets that answer at once, what a message would set off, and statistics of all
// nodes, before a store that does as it is told.
#include "actors/keywords/keywords.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_text_store.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

constexpr auto hello =
    R"({"id":"hello","kind":"contains","text":"hello","answers":["Hello, {user}!"]})";

struct keywords_fixture : test::actor_fixture {
  keywords_fixture() { store = spawn(host, test::fake_text_store, data); }
  ~keywords_fixture() {
    stop();
    caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
    run();
  }

  /// A node of this name; its rules and counts are new.
  void start(const std::string& node = "a") {
    stop();
    keywords_options options;
    options.host = host;
    options.store = store;
    options.node = node;
    options.section.counts_save_ms = 60'000;
    options.clock = clock;
    options.random = [] { return std::uint64_t{0}; };
    options.worker_thread = false;
    options.tell_others = [this](v1::RulesetKind of) {
      CHECK(of == v1::RULESET_KIND_KEYWORDS);
      ++told;
    };
    options.usage = usage =
        std::make_shared<keywords::rule_usage>(1'000, keywords::counting_options(0));
    live = options.live;
    actor = spawn(host, keywords_service, std::move(options));
    run();
  }
  void stop() {
    if (actor)
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    actor = keywords_actor{};
    run();
  }

  template <class Answer, class Command>
  caf::expected<payload<Answer>> call(Command command) {
    return ask<payload<Answer>>(actor, payload<Command>{std::move(command)});
  }

  void create(const std::string& name, bool enabled = true) {
    v1::CreateRuleset command;
    command.set_name(name);
    command.set_enabled(enabled);
    REQUIRE(call<v1::Ruleset>(command));
  }
  v1::RulesetEdited put(const std::string& name, const std::string& rule) {
    v1::EditRuleset command;
    command.mutable_ruleset()->set_name(name);
    command.add_put(rule);
    auto edited = call<v1::RulesetEdited>(command);
    REQUIRE(edited);
    return **edited;
  }
  v1::KeywordsMatched match(const std::string& text, const std::string& set = {}) {
    v1::MatchKeywords query;
    query.set_text(text);
    query.set_sender_name("Ann");
    query.mutable_from()->set_chat_id("chat");
    query.mutable_ruleset()->set_name(set);
    auto answer = call<v1::KeywordsMatched>(query);
    REQUIRE(answer);
    return **answer;
  }
  /// As a session does it when a rule answered.
  void answer_by(const std::string& text, const std::string& channel = "onebot") {
    keywords::message_facts message{text, channel, "", "chat", "", false, clock->now_us()};
    keywords::matcher::scratch memory;
    auto best = live->current()->best(message, memory);
    REQUIRE(best.found);
    CHECK(usage->take(*best.found->what, message));
  }
  v1::KeywordStatistics statistics(v1::GetKeywordStatistics query = {}) {
    auto answer = call<v1::KeywordStatistics>(query);
    REQUIRE(answer);
    return **answer;
  }
  std::string top() {
    std::string text;
    auto all = statistics();
    for (const auto& one : all.top())
      text += fmt::format("{}{}:{}", text.empty() ? "" : " ", one.keyword(), one.at_least());
    return text;
  }
  std::vector<v1::SaveKeywordCounts> saved() { return data->database.db().keyword_counts().all(); }

  test::fake_text_store_ptr data = std::make_shared<test::fake_text_store_data>();
  test::fake_text_store_actor store;
  std::shared_ptr<keywords::live_rules> live;
  std::shared_ptr<keywords::rule_usage> usage;
  keywords_actor actor;
  int told = 0;
};

} // namespace

TEST_CASE_FIXTURE(keywords_fixture, "a rule that is put answers at once, and the others are told") {
  start();
  CHECK(match("hello there").matches().empty());
  create("greetings");
  put("greetings", hello);
  auto found = match("Hello there");
  REQUIRE(found.matches_size() == 1);
  CHECK(found.matches(0).ruleset() == "greetings");
  CHECK(found.matches(0).rule_id() == "hello");
  CHECK(found.matches(0).answer() == "Hello, Ann!");
  CHECK(found.matches(0).begin() == 0);
  CHECK(found.matches(0).end() == 5);
  CHECK(nlohmann::json::parse(found.matches(0).rule_json()) == nlohmann::json::parse(hello));
  CHECK(told == 2);
}

TEST_CASE_FIXTURE(keywords_fixture, "a set that is not in use can be tried alone") {
  start();
  create("used");
  put("used", hello);
  create("draft", false);
  put("draft", R"({"id":"new","text":"hello","answers":["Draft"]})");
  auto all = match("hello");
  REQUIRE(all.matches_size() == 1);
  CHECK(all.matches(0).ruleset() == "used");
  auto draft = match("hello", "draft");
  REQUIRE(draft.matches_size() == 1);
  CHECK(draft.matches(0).answer() == "Draft");
  v1::MatchKeywords query;
  query.set_text("hello");
  query.mutable_ruleset()->set_name("nothing");
  auto none = call<v1::KeywordsMatched>(query);
  REQUIRE_FALSE(none);
  CHECK(info(none.error()).code == ec::not_found);
}

TEST_CASE_FIXTURE(keywords_fixture, "a rule that rests says so") {
  start();
  create("s");
  put("s", R"({"id":"a","text":"hello","answers":["1"],"cooldown_ms":5000})");
  CHECK_FALSE(match("hello").matches(0).rests());
  keywords::message_facts message{"hello", "", "", "chat", "", false, clock->now_us()};
  CHECK(usage->take(live->current()->at(0), message));
  CHECK_FALSE(usage->take(live->current()->at(0), message));
  CHECK(match("hello").matches(0).rests());
  advance(5s);
  CHECK_FALSE(match("hello").matches(0).rests());
}

TEST_CASE_FIXTURE(keywords_fixture, "a rule that cannot be is refused, and nothing changes") {
  start();
  create("s");
  v1::EditRuleset command;
  command.mutable_ruleset()->set_name("s");
  command.add_put(hello);
  command.add_put(R"({"id":"b","text":"x"})");
  auto edited = call<v1::RulesetEdited>(command);
  REQUIRE(edited);
  REQUIRE((*edited)->problems_size() == 1);
  CHECK((*edited)->problems(0).text() == "put[1]: answers must be 1 to 32 answers");
  CHECK(match("hello").matches().empty());
}

TEST_CASE_FIXTURE(keywords_fixture, "statistics are those of all nodes, each counted once") {
  start("b");
  create("s");
  put("s", hello);
  answer_by("hello");
  answer_by("hello", "wecom");
  advance(60s); // saved as b's
  REQUIRE(saved().size() == 1);
  start("a");
  CHECK(top() == "s/hello:2");
  answer_by("hello");
  CHECK(top() == "s/hello:3"); // fresh ones too
  advance(60s);
  CHECK(saved().size() == 2);
  CHECK(top() == "s/hello:3"); // and not twice once they are saved
  auto all = statistics();
  CHECK(all.channels().at("onebot") == 2);
  CHECK(all.channels().at("wecom") == 1);
  v1::GetKeywordStatistics one;
  one.set_channel("wecom");
  CHECK(statistics(one).top(0).at_least() == 1);
  v1::GetKeywordStatistics series;
  series.set_keyword("s/hello");
  series.set_unit("day");
  REQUIRE(statistics(series).series_size() == 1);
  CHECK(statistics(series).series(0).at_least() == 3);
  v1::GetKeywordStatistics rising;
  rising.set_trends(true);
  REQUIRE(statistics(rising).trends_size() == 1);
  CHECK(statistics(rising).trends(0).now() == 3);
  v1::GetKeywordStatistics wrong;
  wrong.set_unit("week");
  CHECK_FALSE(call<v1::KeywordStatistics>(wrong));
}

TEST_CASE_FIXTURE(keywords_fixture, "a node that starts again goes on counting where it ended") {
  start();
  create("s");
  put("s", hello);
  answer_by("hello");
  REQUIRE(call<v1::Done>(v1::SaveKeywordCounts{})); // as it does when it ends
  start();
  CHECK(top() == "s/hello:1");
  answer_by("hello");
  REQUIRE(call<v1::Done>(v1::SaveKeywordCounts{}));
  start();
  CHECK(top() == "s/hello:2");
}

TEST_CASE_FIXTURE(keywords_fixture, "nothing is written over counts that could not be read yet") {
  start();
  create("s");
  put("s", hello);
  answer_by("hello");
  REQUIRE(call<v1::Done>(v1::SaveKeywordCounts{}));
  data->failing = [](std::string_view request) {
    return request == "LoadKeywordCounts" ? ec::store_unavailable : ec::none;
  };
  start();
  answer_by("hello");
  CHECK_FALSE(call<v1::Done>(v1::SaveKeywordCounts{}));
  advance(60s);
  CHECK(data->calls["SaveKeywordCounts"] == 1);
  data->failing = nullptr;
  advance(1s);
  REQUIRE(call<v1::Done>(v1::SaveKeywordCounts{}));
  CHECK(top() == "s/hello:2");
}

TEST_CASE_FIXTURE(keywords_fixture, "a hostile flood of names is saved within its bound") {
  start();
  for (int hour = 0; hour < 48; ++hour) {
    for (int i = 0; i < 400; ++i) {
      keywords::rule r;
      r.id = fmt::format("{:0>100}:{:0>60}", i, hour);
      keywords::message_facts message;
      message.channel = "onebot";
      message.now_us = clock->now_us() - std::int64_t{hour} * 3'600'000'000;
      usage->take(r, message);
    }
  }
  CHECK(usage->counted().serialise().size() > keywords::counts_bytes_max);
  REQUIRE(call<v1::Done>(v1::SaveKeywordCounts{}));
  REQUIRE(saved().size() == 1);
  CHECK(saved()[0].counts().size() <= keywords::counts_bytes_max);
  auto back = keywords::statistics::parse(saved()[0].counts(), usage->options());
  REQUIRE(back);
  // Totals are exact whatever was left out.
  CHECK(back->channels(keywords::statistics::unit::hour, 0, clock->now_us() + 1).at("onebot")
        == 48 * 400);
}
