// Character sets: conversion that tells what was lost, detection, normal forms, width, Chinese.
#include "actors/charset/charset.hpp"
#include "actors/charset/detect.hpp"
#include "actors/charset/forms.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

using namespace troupe::charset;

namespace {

const charset& set(std::string_view name) {
  const auto* found = find_charset(name);
  REQUIRE_MESSAGE(found != nullptr, name);
  return *found;
}

struct place {
  std::size_t offset;
  std::string bytes;
  loss_kind kind;
  bool operator==(const place&) const = default;
};

std::vector<place> places(const converted& result) {
  std::vector<place> all;
  for (const auto& loss : result.losses)
    all.push_back({loss.offset, loss.bytes, loss.kind});
  return all;
}

using enum loss_kind;
using all_of = std::vector<place>;

std::string first_guess(std::string_view bytes) {
  auto guesses = detect(bytes);
  return guesses.empty() ? "" : std::string{guesses.front().set->name};
}

constexpr std::string_view simplified =
    "人工智能正在改变我们的生活方式,今天天气怎么样?我想去北京看长城。";
constexpr std::string_view traditional =
    "我們在臺灣的夜市吃了很多好吃的東西,你覺得怎麼樣?他說這個時候最好。";
constexpr std::string_view japanese =
    "日本語のテキストは、漢字とひらがなとカタカナが混ざっています。";
constexpr std::string_view korean = "안녕하세요. 오늘은 날씨가 정말 좋네요! 함께 산책을 할까요?";

} // namespace

TEST_CASE("charsets are found by their names and common other names") {
  CHECK(set("GB18030").name == "gb18030");
  CHECK(set("cp936").name == "gbk");
  CHECK(set("gb2312").name == "gbk");
  CHECK(set("Shift-JIS").name == "shift_jis");
  CHECK(set("SJIS").name == "shift_jis");
  CHECK(set("latin1").name == "iso-8859-1");
  CHECK(set("UTF8").name == "utf-8");
  CHECK(find_charset("klingon") == nullptr);
  CHECK(find_charset("") == nullptr);
  CHECK(find_charset(std::string(1'000, 'x')) == nullptr);
  for (const auto& each : charsets())
    CHECK(find_charset(each.name) == &each);
}

TEST_CASE("known bytes are known texts, in both directions") {
  struct {
    const char* charset;
    std::string bytes;
    const char* text;
  } cases[] = {{"gbk", "\xc4\xe3\xba\xc3", "你好"},
               {"gb18030", "\xc4\xe3\xba\xc3\x95\x32\x82\x36", "你好𠀀"},
               {"big5", "\xa7\x41\xa6\x6e", "你好"},
               {"shift_jis", "\x82\xb1\x82\xf1\xb1", "こんｱ"},
               {"euc-jp", "\xa4\xb3\xa4\xf3", "こん"},
               {"euc-kr", "\xbe\xc8\xb3\xe7", "안녕"},
               {"utf-16le", {"\x60\x4f\x3d\xd8\x00\xde", 6}, "你😀"},
               {"utf-16be", {"\x4f\x60\xd8\x3d\xde\x00", 6}, "你😀"},
               {"utf-32le", {"\x60\x4f\0\0", 4}, "你"},
               {"iso-8859-1", "caf\xe9", "café"},
               {"windows-1252", "\x80 5", "€ 5"},
               {"utf-8", "caf\xc3\xa9", "café"}};
  for (const auto& [name, bytes, text] : cases) {
    const auto& which = name; // clang captures no binding
    CAPTURE(which);
    auto read = to_utf8(bytes, set(name));
    CHECK(read.text == text);
    CHECK(read.lost == 0);
    auto written = from_utf8(text, set(name));
    CHECK(written.text == bytes);
    CHECK(written.lost == 0);
  }
}

TEST_CASE("what is no character is told with its offset and bytes, and the rest is converted") {
  auto read = to_utf8("\xc4\xe3\x81 \xba\xc3 \x81", set("gbk"));
  CHECK(read.text == "你\xef\xbf\xbd 好 \xef\xbf\xbd");
  CHECK(places(read) == all_of{{2, "\x81", invalid}, {7, "\x81", invalid}});
  // A trail byte that is none is not taken with the lead byte.
  read = to_utf8("a\xa7"
                 "1b",
                 set("big5"));
  CHECK(read.text
        == "a\xef\xbf\xbd"
           "1b");
  CHECK(places(read) == all_of{{1, "\xa7", invalid}});
  read = to_utf8("a\xe4\xb8z\xed\xa0\x80", set("utf-8"));
  CHECK(read.lost >= 2);
  CHECK(read.losses[0].offset == 1);
  CHECK(read.losses[1].offset == 4);
  read = to_utf8({"a\0\x00\xd8"
                  "b\0",
                  6},
                 set("utf-16le"));
  CHECK(places(read) == all_of{{2, {"\x00\xd8", 2}, invalid}});
  // Two bytes that are well formed, and no character.
  read = to_utf8("x\x81\xad", set("shift_jis"));
  CHECK(places(read) == all_of{{1, "\x81\xad", unmappable}});
}

TEST_CASE("characters that a charset lacks are told with their place in the UTF-8") {
  auto written = from_utf8("a😀你é\xff!", set("gbk"));
  CHECK(written.text == "a?\xc4\xe3\xa8\xa6?!");
  CHECK(places(written) == all_of{{1, "😀", unmappable}, {10, "\xff", invalid}});
  written = from_utf8("简汉中文", set("big5"));
  CHECK(places(written) == all_of{{0, "简", unmappable}, {3, "汉", unmappable}});
  written = from_utf8("你好", set("iso-8859-1"));
  CHECK(written.text == "??");
  CHECK(written.lost == 2);
  // GB18030 has every character; only bytes that are no UTF-8 are lost.
  written = from_utf8("😀\xc3", set("gb18030"));
  CHECK(places(written) == all_of{{4, "\xc3", invalid}});
  CHECK(to_utf8(written.text, set("gb18030")).text == "😀\xef\xbf\xbd");
}

TEST_CASE("losses beyond the first hundred are counted, and their order is that of the text") {
  std::string bytes;
  for (int i = 0; i < 1'000; ++i)
    bytes += "ab\x81 ";
  auto read = to_utf8(bytes, set("gbk"));
  CHECK(read.lost == 1'000);
  REQUIRE(read.losses.size() == losses_max);
  for (std::size_t i = 0; i < losses_max; ++i)
    CHECK(read.losses[i].offset == 4 * i + 2);
  std::string text;
  for (int i = 0; i < 1'000; ++i)
    text += i % 2 == 0 ? "😀a" : "\xff";
  auto written = from_utf8(text, set("gbk"));
  CHECK(written.lost == 1'000);
  for (std::size_t i = 1; i < losses_max; ++i)
    CHECK(written.losses[i].offset > written.losses[i - 1].offset);
}

TEST_CASE("a byte order mark is told and left out") {
  auto read = to_utf8("\xef\xbb\xbfhi", set("utf-8"));
  CHECK(read.text == "hi");
  CHECK(read.marked_order);
  read = to_utf8({"\xff\xfeh\0", 4}, set("utf-16le"));
  CHECK(read.text == "h");
  CHECK(read.marked_order);
  CHECK(!to_utf8("hi", set("utf-8")).marked_order);
  CHECK(from_utf8("\xef\xbb\xbf你\xff", set("gbk")).losses[0].offset == 6);
}

TEST_CASE("every charset gives back what it was given, long texts too") {
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += "漢字とASCII 1234 ";
  for (const auto& each : charsets()) {
    CAPTURE(each.name);
    std::string here = each.name == "iso-8859-1" || each.name == "windows-1252"
                           ? std::string(300'000, '\xe9').replace(0, 3, "abc")
                           : from_utf8(text, each).text;
    auto read = to_utf8(here, each);
    if (each.name == "euc-kr" || each.name == "gbk" || each.unicode || each.name == "big5-hkscs"
        || each.name == "shift_jis" || each.name == "euc-jp")
      CHECK(read.text == text);
    CHECK(from_utf8(read.text, each).text == here);
  }
}

TEST_CASE("pairs of surrogates are whole wherever a buffer ends") {
  for (std::size_t before : {16'381, 16'382, 16'383, 16'384, 32'767}) {
    auto text = std::string(before, 'x') + "😀😀" + std::string(20'000, 'y') + "😀";
    CHECK(to_utf8(from_utf8(text, set("utf-16le")).text, set("utf-16le")).text == text);
    CHECK(to_utf8(from_utf8(text, set("gb18030")).text, set("gb18030")).text == text);
  }
}

TEST_CASE("hostile bytes take linear time in every charset") {
  for (std::string unit :
       {"\xff", "\x81", "\xc3", "\x81\x30\x81", "\xed\xa0\x80", "\x8f", "\xa1"}) {
    std::string bytes;
    while (bytes.size() < 200'000)
      bytes += unit;
    for (const auto& each : charsets()) {
      CAPTURE(each.name);
      auto start = std::chrono::steady_clock::now();
      to_utf8(bytes, each);
      from_utf8(bytes, each);
      CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{20});
    }
  }
}

TEST_CASE("texts that are too long are refused") {
  std::string text(text_bytes_max + 1, 'x');
  CHECK_THROWS_AS(to_utf8(text, set("gbk")), std::length_error);
  CHECK_THROWS_AS(from_utf8(text, set("gbk")), std::length_error);
  CHECK_THROWS_AS(normalise(text, normal_form::nfc), std::length_error);
  CHECK_THROWS_AS(fold_width(text), std::length_error);
  CHECK_THROWS_AS(convert_han(text, han_way::t2s), std::length_error);
  // U+FDFA is 3 bytes, and 33 in NFKD.
  std::string growing;
  while (growing.size() < text_bytes_max * 2 / 5)
    growing += "\xef\xb7\xba";
  CHECK_THROWS_AS(normalise(growing, normal_form::nfkd), std::length_error);
}

TEST_CASE("texts of a sentence are detected in each charset") {
  struct {
    const char* charset;
    std::string_view text;
  } cases[] = {{"gb18030", simplified},
               {"big5", traditional},
               {"shift_jis", japanese},
               {"euc-jp", japanese},
               {"euc-kr", korean},
               {"utf-8", simplified},
               {"utf-16le", "Hello, this is text"},
               {"utf-16be", "Hello, this is text"},
               {"utf-16le", "违禁品\n敏感词语\n"},
               {"utf-16be", "违禁品\n敏感词语\n"},
               {"utf-32le", "Hello, this is text"},
               {"iso-8859-1", "un café à l'été, très bien"}};
  for (const auto& [name, text] : cases) {
    const auto& which = name; // clang captures no binding
    CAPTURE(which);
    CHECK(first_guess(from_utf8(text, set(name)).text) == name);
  }
  CHECK(first_guess(from_utf8(simplified, set("gbk")).text) == "gb18030");
  CHECK(first_guess("plain ASCII") == "utf-8");
  CHECK(first_guess("") == "utf-8");
  CHECK(first_guess({"\xff\xfe\x60\x4f", 4}) == "utf-16le");
  CHECK(detect("plain ASCII").front().confidence == 100);
  std::string noise;
  std::mt19937 random{3};
  for (int i = 0; i < 5'000; ++i)
    noise += static_cast<char>(random());
  CHECK(detect(noise).empty());
}

TEST_CASE("a sample's end inside a character does not spoil the guess") {
  std::string text;
  while (text.size() < 2 * sample_bytes_max)
    text += simplified;
  for (std::size_t more = 0; more < 4; ++more)
    CHECK(first_guess(std::string(more, 'x') + text) == "utf-8");
  auto bytes = from_utf8(text, set("gbk")).text;
  CHECK(first_guess(bytes) == "gb18030");
  CHECK(first_guess("x" + bytes) == "gb18030");
}

TEST_CASE("normal forms are Unicode's, and bytes that are no UTF-8 stay") {
  CHECK(normalise("e\xcc\x81", normal_form::nfc) == "é");
  CHECK(normalise("é", normal_form::nfd) == "e\xcc\x81");
  CHECK(normalise("ﬁ①Ａ", normal_form::nfkc) == "fi1A");
  CHECK(normalise("ﬁ①Ａ", normal_form::nfc) == "ﬁ①Ａ");
  CHECK(normalise("Ａß", normal_form::nfkc_casefold) == "ass");
  CHECK(normalise("e\xcc\x81\xff"
                  "e\xcc\x81",
                  normal_form::nfc)
        == "é\xffé");
  CHECK(find_normal_form("NFKC") == normal_form::nfkc);
  CHECK(!find_normal_form("nfx"));
}

TEST_CASE("width is folded, kana with its voice mark, and nothing else") {
  CHECK(fold_width("ＡＢＣ　１２３！～") == "ABC 123!~");
  CHECK(fold_width("ｶﾞﾊﾟｱﾞ") == "ガパア\xe3\x82\x99");
  CHECK(fold_width("カ\xe3\x82\x99") == "カ\xe3\x82\x99");
  CHECK(fold_width("￦￥ﾡ") == "₩¥ㄱ");
  CHECK(fold_width("①ﬁ中é。") == "①ﬁ中é。");
  CHECK(fold_width("\xffＡ\xef\xbc")
        == "\xff"
           "A\xef\xbc");
}

TEST_CASE("Chinese is converted by words, whatever else stands in the text") {
  CHECK(convert_han("漢語與簡體", han_way::t2s) == "汉语与简体");
  CHECK(convert_han("头发发展", han_way::s2t) == "頭髮發展");
  CHECK(convert_han("鼠标里面的硅二极管", han_way::s2twp) == "滑鼠裡面的矽二極體");
  CHECK(convert_han({"漢\0漢\xff漢", 11}, han_way::t2s) == std::string{"汉\0汉\xff汉", 11});
  CHECK(convert_han("", han_way::t2s).empty());
  CHECK(find_han_way("S2T") == han_way::s2t);
  CHECK(!find_han_way("s2x"));
}
