// Lexicons as rulesets: keys, bodies, files, and several of them at work as one.
#include "actors/moderation/lexicon_kind.hpp"

#include "actors/moderation/lexicon_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <thread>

using namespace troupe;
using namespace troupe::moderation;

namespace {

std::shared_ptr<word_watch> make_watch(const config::moderation_section& section = {}) {
  return std::make_shared<word_watch>(*options_of(section));
}

rulesets::loaded_ruleset set_of(const std::string& name, int version,
                                std::vector<std::string> bodies) {
  rulesets::loaded_ruleset out;
  out.ruleset.set_name(name);
  out.ruleset.set_version(version);
  out.bodies = std::move(bodies);
  return out;
}

std::string found_by(const matcher& words, std::string_view text) {
  std::string out;
  for (const auto& hit : words.find(text).hits) {
    const auto* part = words.part_of(hit.entry);
    out += (out.empty() ? "" : " ") + std::string{words.text(hit.entry)} + "@"
           + (part == nullptr ? "none" : part->name + std::to_string(part->version));
  }
  return out;
}

} // namespace

TEST_CASE("an entry's body is canonical, and says nothing that is so by default") {
  lexicon_kind kind{make_watch()};
  auto plain = kind.check(R"({"text":"敏感词"})");
  CHECK(plain.fault.empty());
  CHECK(plain.body == R"({"text":"敏感词"})");
  CHECK(kind.check(R"("敏感词")").body == plain.body);
  auto spelled = kind.check(R"({"action":"mask","kind":"word","level":1,"text":"敏感词",
                                "category":"","tenant":"","channel":"","pinyin":false})");
  CHECK(spelled.body == plain.body);
  CHECK(spelled.key == plain.key);
  auto full = kind.check(R"({"text":"x y","level":9,"action":"replace","replacement":"[hm]",
                            "category":"c","kind":"allowed","tenant":"t","channel":"qq"})");
  entry read;
  CHECK(read_entry(full.body, read).empty());
  CHECK(read.level == 9);
  CHECK(read.act == action::replace);
  CHECK(read.replacement == "[hm]");
  CHECK(read.kind == entry_kind::allowed);
  CHECK(entry_json(read) == full.body);
}

TEST_CASE("an entry's key is of what makes entries the same thing, and of nothing else") {
  lexicon_kind kind{make_watch()};
  auto key = [&](const std::string& json) { return kind.check(json).key; };
  auto plain = key(R"({"text":"a"})");
  CHECK(key(R"({"text":"a","level":7,"action":"block","category":"c"})") == plain);
  CHECK(kind.identify(R"({"text":"a"})").key == plain);
  CHECK(kind.identify(R"({"text":"a"})").body.empty());
  for (auto other : {R"({"text":"b"})", R"({"text":"a","kind":"allowed"})",
                     R"({"text":"a","tenant":"t"})", R"({"text":"a","channel":"t"})"})
    CHECK(key(other) != plain);
}

TEST_CASE("keys of long texts are bounded, end on a character, and order as the texts do") {
  std::mt19937 random{20'261'127};
  std::vector<entry> entries;
  for (int i = 0; i < 400; ++i) {
    entry one;
    auto length = 1 + random() % 60;
    for (std::size_t c = 0; c < length; ++c)
      append_utf8(one.text, random() % 3 == 0
                                ? U'a' + random() % 4
                                : (random() % 2 == 0 ? 0x4e00 : 0x20000) + random() % 3);
    entries.push_back(one);
  }
  for (const auto& a : entries) {
    auto key = item_key(a);
    CHECK(key.size() <= 128);
    CHECK(unfinished_bytes(key.substr(0, key.find('\t'))) == 0);
    for (const auto& b : entries)
      if (a.text.size() < 100 && b.text.size() < 100 && a.text != b.text)
        REQUIRE((a.text < b.text) == (key < item_key(b)));
  }
}

TEST_CASE("what is no entry is refused with a sentence") {
  lexicon_kind kind{make_watch()};
  for (auto json : {"", "[", "[]", "3", R"({"text":""})", R"({"word":"a"})", R"({"text":1})",
                    R"({"text":"a","level":10})", R"({"text":"a","action":"delete"})",
                    R"({"text":"*a","kind":"pattern"})"}) {
    CAPTURE(json);
    auto made = kind.check(json);
    CHECK(!made.fault.empty());
    CHECK(made.key.empty());
  }
  CHECK(!kind.identify(R"({"category":"c"})").fault.empty());
}

TEST_CASE("files are imported with defaults, and exported as they can be imported again") {
  lexicon_kind kind{make_watch()};
  auto read = kind.import_file("one\ntwo\n\n", "text", "", R"({"category":"c","action":"block"})");
  CHECK(read.fault.empty());
  REQUIRE(read.items.size() == 2);
  CHECK(read.items[0].body == R"({"action":"block","category":"c","text":"one"})");
  auto set = set_of("words", 4, {read.items[0].body, read.items[1].body});
  for (auto format : {"csv", "json"}) {
    auto file = kind.export_items(set, format);
    CHECK(file.fault.empty());
    CHECK(file.extension == format);
    auto again = kind.import_file(file.content, "", "", "");
    REQUIRE(again.items.size() == 2);
    CHECK(again.items[1].body == read.items[1].body);
    CHECK(again.items[1].key == read.items[1].key);
  }
  CHECK(kind.export_items(set, "").extension == "csv");
  CHECK(kind.export_items(set, "text").content == "one\ntwo\n");
  CHECK(!kind.export_items(set, "xml").fault.empty());
  CHECK(!kind.import_file("one", "xml", "", "").fault.empty());
  CHECK(!kind.import_file("one", "text", "", R"({"level":"high"})").fault.empty());
  auto bad = kind.import_file("text,level\na,1\nb,99\n", "csv", "utf-8", "");
  CHECK(bad.items.size() == 1);
  REQUIRE(bad.problems_total == 1);
  CHECK(bad.problems[0].line() == 3);
}

TEST_CASE("all lexicons at work are one matcher, whose hits know where they are from") {
  auto watch = make_watch();
  lexicon_kind kind{watch};
  CHECK(!watch->any());
  auto made = kind.put_to_work(
      {set_of("cities", 2, {R"({"text":"atlantis"})"}), set_of("empty", 0, {}),
       set_of("fruit", 9, {R"({"text":"dragonfruit"})", "broken", R"({"text":"mangosteen"})"})});
  CHECK(watch->any());
  CHECK(made.items == 3);
  CHECK(made.memory_bytes > 0);
  REQUIRE(made.problems.size() == 1);
  CHECK(made.problems[0].text().starts_with("fruit: "));
  CHECK(found_by(*watch->get(), "mangosteen and dragonfruit of atlantis")
        == "mangosteen@fruit9 dragonfruit@fruit9 atlantis@cities2");
  kind.put_to_work({});
  CHECK(!watch->any());
  CHECK(found_by(*watch->get(), "atlantis").empty());
}

TEST_CASE("detectors work without a lexicon, and an unknown one is refused") {
  config::moderation_section section;
  section.detectors = {{"email", "replace"}};
  auto watch = make_watch(section);
  CHECK(watch->any());
  auto hits = watch->get()->find("to a.b@example.org now").hits;
  REQUIRE(hits.size() == 1);
  CHECK(watch->get()->category(hits[0].entry) == "email");
  CHECK(watch->get()->replacement(hits[0].entry) == "[email]");
  CHECK(watch->get()->part_of(hits[0].entry) == nullptr);
  section.detectors = {{"mail", "mask"}};
  CHECK(!options_of(section));
}

TEST_CASE("folds that are switched off are not seen through") {
  config::moderation_section section;
  section.folds = {"letter_case"};
  auto watch = make_watch(section);
  lexicon_kind{watch}.put_to_work({set_of("w", 1, {R"({"text":"atlantis"})"})});
  CHECK(watch->get()->find("ATLANTIS").hits.size() == 1);
  CHECK(watch->get()->find("a.t.l.a.n.t.i.s").hits.empty());
}

TEST_CASE("the linter's findings are told with their words") {
  lexicon_kind kind{make_watch()};
  auto found = kind.lint(set_of("w", 1, {R"({"text":"的"})", R"({"text":"atlantis"})"}), "");
  REQUIRE(!found.empty());
  CHECK(found[0].item() == "的");
  CHECK(!found[0].kind().empty());
}

TEST_CASE("threads look by the words of now while they are replaced") {
  auto watch = make_watch();
  lexicon_kind kind{watch};
  auto words = [&](int version) {
    return set_of(
        "w", version,
        {R"({"text":"always"})", "{\"text\":\"v" + std::to_string(version) + "suffix\"}"});
  };
  kind.put_to_work({words(1)});
  std::atomic<bool> stop{false};
  std::atomic<int> missed{0}, looks{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        missed += watch->get()->find("it is always there").hits.size() == 1 ? 0 : 1;
        ++looks;
      }
    });
  for (int version = 2; version < 40; ++version)
    kind.put_to_work({words(version)});
  while (looks < 1'000)
    std::this_thread::yield();
  stop = true;
  for (auto& one : threads)
    one.join();
  CHECK(missed == 0);
  CHECK(watch->get()->find("v39suffix").hits.size() == 1);
}
