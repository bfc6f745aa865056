// The sensitive words engine against its oracle, and in pieces against the whole.
#include "actors/moderation/matcher.hpp"
#include "actors/moderation/render.hpp"
#include "actors/moderation/stream_filter.hpp"
#include "tests/support/moderation_oracle.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

using namespace troupe::moderation;
using troupe::test::oracle_hits;
using troupe::test::plain_hit;

namespace {

using random_source = std::mt19937_64;

std::uint64_t seed() {
  const auto* given = std::getenv("TROUPE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

/// So many lexicons, with four texts each; a campaign has more.
int rounds() {
  const auto* given = std::getenv("TROUPE_CAMPAIGN_RUNS");
  return given != nullptr ? std::atoi(given) : 1'000;
}

// Few characters, so that everything meets everything: forms of the same, symbols, digits, bytes
// that are no UTF-8.
const std::vector<std::string> parts{"a",          "b",    "A",        "ａ", "а",  "á",
                                     "敏",         "感",   "國",       "国", "*",  " ",
                                     "\u200b",     "1",    "2",        "１", "。", "\U0001F600",
                                     "\U0001D41A", "\xff", "\xe6\x95", "\n", ".",  "好"};

std::string random_text(random_source& random, std::size_t least, std::size_t most,
                        std::size_t kinds) {
  std::string text;
  std::vector<std::string> some;
  for (std::size_t i = 0; i < kinds; ++i)
    some.push_back(parts[random() % parts.size()]);
  for (auto left = least + random() % (most - least + 1); left > 0; --left) {
    text += some[random() % some.size()];
    if (random() % 40 == 0)
      for (auto more = random() % 20; more > 0; --more)
        text += some[0];
  }
  return text;
}

// Of ASCII and of three bytes a character only.
std::string random_plain_text(random_source& random, std::size_t least, std::size_t most,
                              std::size_t kinds) {
  static const std::vector<std::string> all{"a", "敏", "b", "感", "1", "国", "好", "c"};
  std::string text;
  for (auto left = least + random() % (most - least + 1); left > 0; --left)
    text += all[random() % kinds];
  return text;
}

// Latin text as people write it: mostly letters, with doubled ones, digits, spaces and marks.
std::string random_latin_text(random_source& random, std::size_t least, std::size_t most) {
  static const std::vector<std::string> between{" ", " ", " ", "  ", ", ", "-", "敏", " 敏", "\n"};
  std::string text;
  for (auto end = least + random() % (most - least + 1); text.size() < end;) {
    for (auto left = 1 + random() % 30; left > 0; --left) {
      text += "abAB1"[random() % 5];
      if (random() % 8 == 0)
        text.append(random() % 4 == 0 ? random() % 40 : 1, text.back());
    }
    text += between[random() % between.size()];
  }
  return text;
}

std::string random_pattern(random_source& random) {
  static const std::vector<std::string> elements{"?",     "*",      "[ab]", "[敏感國]", "a",
                                                 "敏",    "国",     "a{2}", "?{1,3}",   "1",
                                                 "[0-9]", "b{0,2}", "\\*"};
  auto text = random() % 2 == 0 ? std::string{"a"} : random() % 2 == 0 ? "[敏国]" : "1a";
  for (auto left = random() % 4; left > 0; --left)
    text += elements[random() % elements.size()];
  return text;
}

lexicon random_lexicon(random_source& random) {
  lexicon words;
  auto kinds = 3 + random() % 8;
  // Without words of one character a stream's pieces are looked at in another way.
  auto is_long = random() % 2 == 0;
  for (auto left = 1 + random() % 12; left > 0; --left) {
    entry one;
    one.text = is_long ? random_text(random, 2, 7, kinds) : random_text(random, 0, 4, kinds);
    if (auto kind = random() % 8; kind == 0)
      one.kind = entry_kind::allowed;
    else if (kind == 1 && !is_long) {
      one.kind = entry_kind::pattern;
      one.text = random_pattern(random);
    }
    one.act = static_cast<action>(random() % 5);
    one.replacement = "<>";
    if (random() % 8 == 0)
      one.tenant = "t";
    words.entries.push_back(one);
  }
  return words;
}

fold_set random_folds(random_source& random) {
  fold_set folds;
  for (auto one : {fold::width, fold::look_alikes, fold::letter_case, fold::script, fold::symbols,
                   fold::repeats})
    if (random() % 3 != 0)
      folds.add(one);
  return folds;
}

std::vector<plain_hit> plain(const std::vector<hit>& hits) {
  std::vector<plain_hit> result;
  for (const auto& one : hits)
    result.push_back(
        {static_cast<std::size_t>(one.begin), static_cast<std::size_t>(one.end), one.entry});
  return result;
}

std::string told(const std::vector<plain_hit>& hits) {
  std::string text;
  for (const auto& one : hits)
    text += "[" + std::to_string(one.begin) + "," + std::to_string(one.end) + ") "
            + std::to_string(one.entry) + "; ";
  return text;
}

std::string told(const lexicon& words) {
  std::string text;
  for (const auto& one : words.entries)
    text += std::string{name_of(one.kind)} + " " + one.text + (one.tenant.empty() ? "" : " of t")
            + "; ";
  return text;
}

struct streamed {
  std::string text;
  std::vector<hit> hits;
};

streamed in_pieces(const std::shared_ptr<const matcher>& words, std::string_view text, audience to,
                   random_source& random) {
  streamed result;
  stream_filter filter{words, to};
  auto most = random() % 3 == 0 ? 2 : 12;
  while (!text.empty()) {
    auto size = std::min<std::size_t>(text.size(), random() % (most + 1));
    filter.push(text.substr(0, size), result.text, result.hits);
    text.remove_prefix(size);
  }
  filter.finish(result.text, result.hits);
  return result;
}

std::shared_ptr<const matcher> made(const std::vector<entry>& entries,
                                    const matcher_options& options = {}) {
  std::vector<problem> problems;
  auto result = matcher::make({"test", 1, entries}, options, problems);
  CHECK(problems.empty());
  return result;
}

std::vector<std::string> found_in(const matcher& words, std::string_view text) {
  std::vector<std::string> result;
  for (const auto& one : words.find(text).hits)
    result.emplace_back(text.substr(one.begin, one.end - one.begin));
  return result;
}

using strings = std::vector<std::string>;

entry word(std::string text) { return {.text = std::move(text)}; }
entry allowed(std::string text) { return {.text = std::move(text), .kind = entry_kind::allowed}; }
entry pattern_entry(std::string text) {
  return {.text = std::move(text), .kind = entry_kind::pattern};
}

bool is_border(std::string_view text, std::size_t at) {
  for (std::size_t here = 0; here < text.size(); here += character_at(text, here).bytes)
    if (here == at)
      return true;
  return at == text.size();
}

} // namespace

TEST_CASE("random words in random texts are found where the oracle finds them, with any folds, and "
          "any pieces give the result of the whole") {
  auto from = seed();
  MESSAGE("TROUPE_SEED=", from);
  random_source random{from};
  for (int round = 0; round < rounds(); ++round) {
    auto words = random_lexicon(random);
    matcher_options options;
    options.folds = random_folds(random);
    options.word_borders = random() % 2 == 0;
    std::vector<problem> problems;
    auto machine = matcher::make(words, options, problems);
    for (int texts = 0; texts < 4; ++texts) {
      auto text = random_text(random, 0, 60, 3 + random() % 8);
      std::string tenant = random() % 2 == 0 ? "t" : "";
      auto to = machine->audience_of(tenant, "");
      auto whole = machine->find(text, to);
      auto expected = oracle_hits(words, options, text, tenant);
      CAPTURE(text);
      CAPTURE(told(words));
      CAPTURE(static_cast<int>(options.folds.bits()));
      CAPTURE(options.word_borders);
      REQUIRE(told(plain(whole.hits)) == told(expected));
      for (const auto& one : whole.hits) {
        REQUIRE(is_border(text, static_cast<std::size_t>(one.begin)));
        REQUIRE(is_border(text, static_cast<std::size_t>(one.end)));
      }
      auto parts_of = in_pieces(machine, text, to, random);
      REQUIRE(told(plain(parts_of.hits)) == told(expected));
      REQUIRE(parts_of.hits == whole.hits);
      REQUIRE(parts_of.text == rendered(*machine, text, whole.hits));
    }
  }
}

TEST_CASE("in Latin text, which is read sixteen bytes at a time, the same is found") {
  auto from = seed();
  MESSAGE("TROUPE_SEED=", from);
  random_source random{from};
  for (int round = 0; round < rounds(); ++round) {
    auto words = random_lexicon(random);
    words.entries.push_back({.text = random_latin_text(random, 2, 12)});
    matcher_options options;
    options.folds = random_folds(random);
    options.word_borders = random() % 2 == 0;
    std::vector<problem> problems;
    auto machine = matcher::make(words, options, problems);
    auto text = random_latin_text(random, 0, 120);
    auto found = machine->find(text, {}, text.size() * 20);
    CAPTURE(text);
    CAPTURE(told(words));
    CAPTURE(static_cast<int>(options.folds.bits()));
    CAPTURE(options.word_borders);
    REQUIRE(told(plain(found.hits)) == told(oracle_hits(words, options, text, "")));
  }
}

TEST_CASE("hits say what had to be seen through") {
  auto machine = made({word("敏感词"), word("Viagra"), word("國家"), word("妹妹好")});
  auto folds_of = [&](std::string_view text) {
    auto found = machine->find(text);
    REQUIRE(found.hits.size() == 1);
    return found.hits[0].folds;
  };
  CHECK(folds_of("是敏感词吗") == fold_set{});
  CHECK(folds_of("敏*感 词") == fold_set{fold::symbols});
  CHECK(folds_of("敏敏感词") == fold_set{fold::repeats});
  CHECK(folds_of("VIAGRA") == fold_set{fold::letter_case});
  CHECK(folds_of("Ｖiagra") == fold_set{fold::width});
  CHECK(folds_of("Vi\u0430gra") == fold_set{fold::look_alikes});
  CHECK(folds_of("国家") == fold_set{fold::script});
  CHECK(folds_of("妹妹好") == fold_set{});
  CHECK(folds_of("妹妹妹好") == fold_set{fold::repeats});
  CHECK(found_in(*machine, "妹好").empty());
}

TEST_CASE("offsets are those of the original text, whatever was folded or skipped") {
  auto machine = made({word("敏感词")});
  CHECK(found_in(*machine, "看：敏\u200b感——词。") == strings{"敏\u200b感——词"});
  CHECK(found_in(*machine, "敏。。。。。。感词") == strings{"敏。。。。。。感词"});
  CHECK(found_in(*machine, "敏。。。。。。。感词").empty());
}

TEST_CASE("spaces between Latin words are not seen through, and phrases keep theirs") {
  auto machine = made({word("therapist"), word("buy drugs")});
  CHECK(found_in(*machine, "the rapist").empty());
  CHECK(found_in(*machine, "the-rapist") == strings{"the-rapist"});
  CHECK(found_in(*machine, "we buy \n drugs") == strings{"buy \n drugs"});
  CHECK(found_in(*machine, "buydrugs").empty());
}

TEST_CASE("short Latin words and numbers stand alone, and others do not have to") {
  auto machine = made({word("ass"), word("64"), word("10086"), word("hell")});
  CHECK(found_in(*machine, "class, assess; ass.") == strings{"ass"});
  CHECK(found_in(*machine, "1964, 640, a64, 64年") == strings{"64"});
  CHECK(found_in(*machine, "拨打10086或100861") == strings{"10086"});
  CHECK(found_in(*machine, "shells") == strings{"hell"});
}

TEST_CASE("nothing is found within an allowed word, and what reaches beyond it is") {
  auto machine = made({word("敏感"), word("感词汇"), allowed("敏感词")});
  CHECK(found_in(*machine, "敏感词") == strings{});
  CHECK(found_in(*machine, "敏感词汇") == strings{"感词汇"});
  CHECK(found_in(*machine, "敏感的") == strings{"敏感"});
}

TEST_CASE("words of symbols are found as they are written") {
  auto machine = made({word("c++"), word("@_@"), word("t-shirt")});
  CHECK(found_in(*machine, "C++ and c") == strings{"C++"});
  CHECK(found_in(*machine, "see @_@ @@") == strings{"@_@"});
  CHECK(found_in(*machine, "a tshirt, a T-Shirt") == strings{"tshirt", "T-Shirt"});
}

TEST_CASE(
    "patterns have open places, choices and repeats, and what is no pattern is refused with a "
    "reason") {
  auto machine =
      made({pattern_entry("加*信"), pattern_entry("[买卖]?枪"), pattern_entry("x[0-9]{3}")});
  CHECK(found_in(*machine, "加我的薇信") == strings{"加我的薇信"});
  CHECK(found_in(*machine, "加一二三四五六七八九信").empty());
  CHECK(found_in(*machine, "卖把枪，买枪") == strings{"卖把枪"});
  CHECK(found_in(*machine, "x12 x345") == strings{"x345"});
  for (auto wrong : {"", "*a", "?a", "[ab", "a]", "a{3", "a{0}", "a{3,1}", "[]a", "[b-a]", "a\\",
                     "a{65}", "a{2}{2}"}) {
    CAPTURE(wrong);
    CHECK(!parse_pattern(wrong).fault.empty());
  }
}

TEST_CASE("entries of a tenant or a channel are found for these only") {
  std::vector<entry> entries{word("全部"), word("租户"), word("频道")};
  entries[1].tenant = "acme";
  entries[2].channel = "qq";
  auto machine = made(entries);
  auto count = [&](std::string_view tenant, std::string_view channel) {
    return machine->find("全部租户频道", machine->audience_of(tenant, channel)).hits.size();
  };
  CHECK(count("", "") == 1);
  CHECK(count("acme", "") == 2);
  CHECK(count("other", "qq") == 2);
  CHECK(count("acme", "qq") == 3);
}

TEST_CASE("words that ask for it are found by their sound, in characters, in letters and in both") {
  auto asks = word("微信");
  asks.pinyin = true;
  auto machine = made({asks, word("西安")});
  for (auto text : {"威信", "weixin", "wei xin", "微xin", "WEI信", "薇*新"}) {
    CAPTURE(text);
    auto found = machine->find(text);
    REQUIRE(found.hits.size() == 1);
    CHECK(found.hits[0].folds == fold_set{fold::pinyin});
    CHECK(found.hits[0].end == std::string_view{text}.size());
  }
  for (auto text : {"weixing", "aweixin", "先", "喂"}) {
    CAPTURE(text);
    CHECK(machine->find(text).hits.empty());
  }
  CHECK(machine->find("微信").hits.size() == 1);
}

TEST_CASE("links, addresses and numbers are found where they are switched on") {
  matcher_options options;
  for (auto& one : options.detectors)
    one.on = true;
  auto machine = made({}, options);
  CHECK(found_in(*machine, "看https://example.com/a?b=1。")
        == strings{"https://example.com/a?b=1"});
  CHECK(found_in(*machine, "www.example.org, abc.com; e.g. this.")
        == strings{"www.example.org", "abc.com"});
  CHECK(found_in(*machine, "写信给me.you@example.co.uk吧") == strings{"me.you@example.co.uk"});
  CHECK(found_in(*machine, "电话13800138000，+86 138-0013-8000")
        == strings{"13800138000", "+86 138-0013-8000"});
  CHECK(found_in(*machine, "11010519491231002X 110105194912310021")
        == strings{"11010519491231002X"});
  CHECK(found_in(*machine, "订单2026112712345678").empty());
  CHECK(machine->find("a@b.cn").hits[0].entry == first_detector + 1);
}

TEST_CASE("masks, replacements and blocks are written over the original text, once") {
  std::vector<entry> entries{word("敏感"), word("感词"), word("广告"), word("日志")};
  entries[2].act = action::replace;
  entries[2].replacement = "[ad]";
  entries[3].act = action::log;
  auto machine = made(entries);
  auto written = [&](std::string_view text) {
    return rendered(*machine, text, machine->find(text).hits);
  };
  CHECK(written("是敏感词。广 告，日志") == "是***。[ad]，日志");
  CHECK(written("敏\u200b感") == "***");
}

TEST_CASE("a stream holds back only what could still become a hit") {
  auto machine = made({word("敏感词")});
  stream_filter filter{machine};
  std::string out;
  std::vector<hit> hits;
  filter.push("你好敏", out, hits);
  CHECK(out == "你好");
  filter.push("感", out, hits);
  CHECK(filter.held_bytes() == 6);
  filter.push("觉", out, hits);
  CHECK(out == "你好敏感觉");
  filter.push("敏\xe6", out, hits);
  CHECK(filter.held_bytes() == 4);
  filter.finish(out, hits);
  CHECK(out == "你好敏感觉敏\xe6");
  CHECK(hits.empty());
  CHECK(sizeof(stream_filter) < 1'024);
}

TEST_CASE(
    "of any text in pieces, the longest end that begins a longer word is held back, no more") {
  auto from = seed();
  MESSAGE("TROUPE_SEED=", from);
  random_source random{from};
  matcher_options options;
  options.folds = fold_set::none();
  options.word_borders = false;
  for (int round = 0; round < rounds(); ++round) {
    std::vector<entry> words;
    auto kinds = 2 + random() % 4;
    for (auto left = 1 + random() % 30; left > 0; --left)
      words.push_back(word(random_plain_text(random, 1 + random() % 2, 7, kinds)));
    auto machine = made(words, options);
    stream_filter filter{machine};
    std::string text, out;
    std::vector<hit> hits;
    for (int pieces = 0; pieces < 20; ++pieces) {
      auto whole = random_plain_text(random, 0, 12, kinds);
      auto piece =
          whole.substr(0, random() % 3 == 0 ? random() % (whole.size() + 1) : whole.size());
      text += piece;
      filter.push(piece, out, hits);
      auto known = text.size() - unfinished_bytes(text), held = known;
      for (std::size_t at = 0; at < known && held == known; ++at) {
        auto end = std::string_view{text}.substr(at, known - at);
        for (const auto& one : words)
          if (one.text.size() > end.size() && one.text.compare(0, end.size(), end) == 0
              && is_border(one.text, end.size()))
            held = at;
      }
      CAPTURE(text);
      CAPTURE(told(lexicon{"", 1, words}));
      REQUIRE(filter.held_bytes() == text.size() - held);
    }
  }
}

TEST_CASE("a long run of one character is neither held back nor slow") {
  auto machine = made({word("aab"), word("哈哈哈"), pattern_entry("a*b")});
  stream_filter filter{machine};
  std::string out;
  std::vector<hit> hits;
  for (int i = 0; i < 100'000; ++i)
    filter.push("a", out, hits);
  CHECK(filter.held_bytes() < 512);
  filter.finish(out, hits);
  CHECK(out.size() == 100'000);
}

TEST_CASE("hits are counted up to the limit, and the rest is told") {
  auto machine = made({word("敏")});
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "敏好";
  CHECK(machine->find(text).hits.size() == 100);
  CHECK(!machine->find(text, {}, 100).truncated);
  auto some = machine->find(text, {}, 99);
  CHECK(some.hits.size() == 99);
  CHECK(some.truncated);
}

TEST_CASE("entries that cannot be used are told, and the others are") {
  std::vector<problem> problems;
  std::vector<entry> entries{word(""), word("好\xff"), pattern_entry("*"),
                             word("\u200b\u200b\u200b"), word("好")};
  auto machine = matcher::make({"test", 1, entries}, {}, problems);
  CHECK(problems.size() == 3);
  CHECK(machine->find("好").hits.size() == 1);
}
