// Lexicons outside the matcher: files in and out, the linter and differences.
#include "actors/charset/charset.hpp"
#include "actors/csv/csv.hpp"
#include "actors/moderation/lexicon_diff.hpp"
#include "actors/moderation/lexicon_file.hpp"
#include "actors/moderation/linter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace troupe::moderation;

namespace {

lexicon full_lexicon() {
  lexicon words{"all", 7, {}};
  words.entries.push_back({.text = "敏感词"});
  words.entries.push_back({.text = "a \"b\", c",
                           .kind = entry_kind::allowed,
                           .category = "x,y",
                           .level = 9,
                           .act = action::block,
                           .replacement = " [hm] ",
                           .tenant = "acme",
                           .channel = "qq",
                           .pinyin = true});
  words.entries.push_back({.text = "加*信", .kind = entry_kind::pattern, .act = action::replace});
  return words;
}

std::vector<std::string> texts(const std::vector<entry>& entries) {
  std::vector<std::string> result;
  for (const auto& one : entries)
    result.push_back(one.text);
  return result;
}

using strings = std::vector<std::string>;

std::vector<std::size_t> told_of(const std::vector<lint>& lints, lint_kind kind) {
  std::vector<std::size_t> entries;
  for (const auto& one : lints)
    if (one.kind == kind)
      entries.push_back(one.entry);
  return entries;
}

} // namespace

TEST_CASE("a lexicon comes back from CSV and JSON as it was") {
  auto words = full_lexicon();
  for (auto format : {file_format::csv, file_format::json}) {
    auto file = export_lexicon(words, format);
    auto read = import_lexicon(file);
    CAPTURE(file);
    CHECK(read.fault.empty());
    CHECK(read.problems.empty());
    CHECK(read.entries == words.entries);
  }
  CHECK(export_lexicon(words, file_format::text) == "敏感词\n");
}

TEST_CASE("a file in any encoding is read, whether it says so or not") {
  std::string words = "违禁品\r\n敏感词语\n\n 代开发票 \n广告\n";
  strings expected{"违禁品", "敏感词语", "代开发票", "广告"};
  for (auto encoding : {"UTF-8", "GBK", "GB18030", "UTF-16LE", "UTF-16BE"}) {
    auto file = troupe::charset::from_utf8(words, *troupe::charset::find_charset(encoding));
    CAPTURE(encoding);
    REQUIRE(file.lost == 0);
    CHECK(texts(import_lexicon(file.text, file_format::text, encoding).entries) == expected);
    auto guessed = import_lexicon(file.text, file_format::text);
    CAPTURE(guessed.encoding);
    CHECK(texts(guessed.entries) == expected);
  }
  CHECK(texts(import_lexicon("\xef\xbb\xbf" + words).entries) == expected);
}

TEST_CASE("what makes no sense in its encoding is refused, and never guessed away") {
  auto read = import_lexicon("好\xff\xfe词", file_format::text, "UTF-8");
  CHECK(read.entries.empty());
  CHECK(read.fault.find("utf-8: byte 3 ") != std::string::npos);
  CHECK(import_lexicon("x", {}, "no-such-encoding").fault
        == "there is no encoding named no-such-encoding");
}

TEST_CASE("faults of a file are told by line, and the good entries are there") {
  auto read = import_lexicon("text,level,action\nok,3,block\nbad,10,block\nworse,1,burn\n,1,log\n"
                             "a,1,log,more\n\"quoted, ok\",,\n");
  CHECK(texts(read.entries) == strings{"ok", "quoted, ok"});
  std::vector<std::size_t> lines;
  for (const auto& one : read.problems)
    lines.push_back(one.entry);
  CHECK(lines == std::vector<std::size_t>{3, 4, 5, 6});
  CHECK(!import_lexicon("word,level\nx,1\n", file_format::csv).fault.empty());
  CHECK(!import_lexicon("text\n\"open", file_format::csv).fault.empty());
  CHECK(!import_lexicon("{\"entries\": 3}").fault.empty());
  CHECK(!import_lexicon("[[[[[[[[[[[]]]]]]]]]]]").fault.empty());
  CHECK(import_lexicon("[1, {\"text\": 2}, {\"text\": \"a\", \"size\": \"b\"}, \"ok\"]")
            .problems.size()
        == 3);
}

TEST_CASE("CSV has quotes, commas and line ends within fields") {
  troupe::csv_reader reader{"a,\"b \"\"c\"\"\",\"d\r\ne\"\r\n\r\nf,,\n"};
  strings fields;
  REQUIRE(reader.next(fields));
  CHECK(fields == strings{"a", "b \"c\"", "d\r\ne"});
  REQUIRE(reader.next(fields));
  CHECK(fields == strings{"f", "", ""});
  CHECK(reader.line() == 4);
  CHECK(!reader.next(fields));
  for (auto wrong : {"\"a", "\"a\"b", "a\"b"}) {
    troupe::csv_reader bad{wrong};
    CHECK(!bad.next(fields));
    CHECK(!bad.fault().empty());
  }
}

TEST_CASE("the linter warns of everyday words, short ones, contradictions and what does nothing") {
  lexicon words{"lint", 1, {}};
  auto add = [&](entry one) { words.entries.push_back(std::move(one)); };
  add({.text = "我们"});
  add({.text = "贼"});
  add({.text = "違禁品", .act = action::block});
  add({.text = "违禁 品", .act = action::log});
  add({.text = "违*禁品", .act = action::block});
  add({.text = "\xff"});
  add({.text = "违禁品研究", .kind = entry_kind::allowed});
  add({.text = "无关", .kind = entry_kind::allowed});
  add({.text = "服务器"});
  add({.text = "违禁品", .kind = entry_kind::allowed});
  auto lints = linted(words, {}, "服务器。服务器！");
  CHECK(told_of(lints, lint_kind::everyday) == std::vector<std::size_t>{0, 8});
  CHECK(told_of(lints, lint_kind::too_short) == std::vector<std::size_t>{1});
  CHECK(told_of(lints, lint_kind::contradiction) == std::vector<std::size_t>{3, 9});
  CHECK(told_of(lints, lint_kind::duplicate) == std::vector<std::size_t>{4});
  CHECK(told_of(lints, lint_kind::unusable) == std::vector<std::size_t>{5});
  CHECK(told_of(lints, lint_kind::idle) == std::vector<std::size_t>{7});
}

TEST_CASE(
    "a difference tells what was added, removed and changed, and leads from one to the other") {
  auto before = full_lexicon(), after = before;
  after.entries[0].level = 5;
  after.entries.erase(after.entries.begin() + 1);
  after.entries.push_back({.text = "新词"});
  auto diff = difference(before, after);
  CHECK(texts(diff.added) == strings{"新词"});
  CHECK(texts(diff.removed) == strings{before.entries[1].text});
  REQUIRE(diff.changed.size() == 1);
  CHECK(diff.changed[0].second.level == 5);
  CHECK(difference(after, after).empty());
  lexicon forward{"", 0, applied(before, diff)};
  CHECK(difference(forward, after).empty());
  lexicon back{"", 0, applied(after, difference(after, before))};
  CHECK(difference(back, before).empty());
}
