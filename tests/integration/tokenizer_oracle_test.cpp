// Our token ids against those of OpenAI's own tokenizer (npm tiktoken, tests/oracle/).
#include "actors/tokenizer/encoding.hpp"
#include "messages/id.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using namespace troupe;
using tokens::token_id;

namespace {

namespace fs = std::filesystem;
using texts = std::vector<std::string>;

const char* const vocabulary_names[] = {"cl100k_base", "gpt2",      "o200k_base", "o200k_harmony",
                                        "p50k_base",   "p50k_edit", "r50k_base"};
// One of each rank file: what differs between those of one file is their special tokens.
const char* const rank_names[] = {"cl100k_base", "o200k_base", "p50k_base", "r50k_base"};

fs::path source_folder() {
  const char* folder = std::getenv("TROUPE_SOURCE");
  REQUIRE_MESSAGE(folder != nullptr, "run this by ctest, or set TROUPE_SOURCE to the repository");
  return folder;
}

std::string read_file(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

struct temporary_folder {
  temporary_folder() { fs::create_directories(path); }
  ~temporary_folder() { fs::remove_all(path); }
  fs::path path = fs::temp_directory_path() / ("troupe-oracle-" + random_hex(8));
};

/// tiktoken's ids of each text.
std::vector<std::vector<token_id>> ask_oracle(const std::string& vocabulary, const texts& all,
                                              const std::string& mode) {
  auto oracle = source_folder() / "tests/oracle";
  REQUIRE_MESSAGE(fs::exists(oracle / "node_modules/tiktoken"),
                  "run scripts/setup, or: npm ci --ignore-scripts --prefix tests/oracle");
  temporary_folder folder;
  {
    std::ofstream in{folder.path / "in", std::ios::binary};
    for (const auto& text : all) {
      auto size = static_cast<std::uint32_t>(text.size());
      in.write(reinterpret_cast<const char*>(&size), sizeof size);
      in << text;
    }
  }
  auto command = "node '" + (oracle / "encode.mjs").string() + "' " + vocabulary + " " + mode
                 + " <'" + (folder.path / "in").string() + "' >'" + (folder.path / "out").string()
                 + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  auto out = read_file(folder.path / "out");
  std::vector<token_id> numbers(out.size() / sizeof(token_id));
  std::memcpy(numbers.data(), out.data(), numbers.size() * sizeof(token_id));
  std::vector<std::vector<token_id>> result;
  for (std::size_t i = 0; i < numbers.size(); i += 1 + numbers[i]) {
    auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    result.emplace_back(begin, begin + numbers[i]);
  }
  REQUIRE(result.size() == all.size());
  return result;
}

/// Fails at the first text whose ids differ, and shows it.
void compare(const std::string& vocabulary, const texts& all,
             tokens::specials mode = tokens::specials::as_text) {
  CAPTURE(vocabulary);
  tokens::library library;
  auto encoding = library.find(vocabulary);
  REQUIRE(encoding);
  auto expected = ask_oracle(vocabulary, all, mode == tokens::specials::allowed ? "--special" : "");
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto ids = encoding->encode(all[i], mode);
    if (ids == expected[i] && encoding->decode(ids) == all[i]
        && encoding->count(all[i], 0, mode).tokens == static_cast<std::int64_t>(ids.size()))
      continue;
    CAPTURE(i);
    CAPTURE(all[i].substr(0, 2'000));
    CHECK(encoding->decode(ids) == all[i]);
    REQUIRE(ids == expected[i]);
  }
}

void append_utf8(std::string& text, std::uint32_t c) {
  auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80)
    return put(c);
  if (c < 0x800)
    put(0xc0 | c >> 6);
  else if (c < 0x10000)
    put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f));
  else
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f));
  put(0x80 | (c & 0x3f));
}

bool is_surrogate(std::uint32_t c) { return c >= 0xd800 && c <= 0xdfff; }

/// Strings that mix what the split patterns tell apart, and now and then anything at all.
class random_texts {
public:
  explicit random_texts(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string text;
    for (auto left = 1 + below(30); left > 0; --left)
      append_some(text);
    return text;
  }

private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

  std::uint32_t code_point_in(std::uint32_t first, std::uint32_t last) {
    return first + below(last - first + 1);
  }

  void append_some(std::string& text) {
    static const char* const ready[] = {
        " ",  "  ", "\n",  "\r\n", "\t",  "'s", "'LL",          "'\xc5\xbf", "'re",          "'VE",
        "'d", "\"", "/\n", "//",   "...", "'",  "\xe3\x80\x80", "\xc2\xa0",  "\xe2\x80\x99s"};
    switch (below(12)) {
      case 0:
      case 1:
        text += ready[below(std::size(ready))];
        break;
      case 2:
        append_utf8(text, code_point_in('a', 'z'));
        break;
      case 3:
        append_utf8(text, code_point_in('A', 'Z'));
        break;
      case 4:
        append_utf8(text, code_point_in('0', '9'));
        break;
      case 5:
        append_utf8(text, code_point_in(0x21, 0x7e));
        break;
      case 6:
        append_utf8(text, code_point_in(0x4e00, 0x9fff));
        break;
      case 7:
        append_utf8(text, code_point_in(0x300, 0x36f));
        break; // combining marks
      case 8:
        append_utf8(text, code_point_in(0x80, 0x24f));
        break; // Latin, cased
      case 9:
        append_utf8(text, code_point_in(0x250, 0x20ff));
        break; // most living scripts
      case 10:
        append_utf8(text, code_point_in(0x1f300, 0x1faff));
        break; // emoji
      default: {
        auto c = code_point_in(1, 0x10ffff);
        append_utf8(text, is_surrogate(c) ? 0xfffd : c);
      }
    }
  }

  std::mt19937_64 random_;
};

texts natural_texts() {
  texts all{
      "The quick brown fox doesn't jump over the lazy dog; it's 12,345.678 times too lazy!",
      "人工智能正在改变我们的生活方式。今天天气怎么样？我想去北京看长城,但是没有时间……",
      "我們在臺灣的夜市吃了很多好吃的東西。「真的嗎？」他問道。",
      "日本語のテキストは、漢字とひらがなとカタカナが混ざっています。東京タワーへ行きましょう!",
      "안녕하세요. 오늘은 날씨가 정말 좋네요! 함께 산책할까요?",
      "Съешь же ещё этих мягких французских булок, да выпей чаю. ПРИВЕТ, МИР!",
      "مرحبا بالعالم، كيف حالك اليوم؟ ١٢٣٤٥",
      "नमस्ते दुनिया, आप कैसे हैं? मैं ठीक हूँ। १२३",
      "สวัสดีชาวโลก วันนี้อากาศดีมาก",
      "Zażółć gęślą jaźń. Größe, naïve, cœur, ŒUVRE, ǅungla, İstanbul, ΑΣΣΟΣ",
      "👩‍👩‍👧‍👦 🇨🇳🇺🇸 👍🏽 ❤️‍🔥 ½ ² Ⅷ ①",
      "I'M, you'Re, HE'LL they'Ve 'Twas o'clock rock'n'roll '\xc5\xbf it'\xc5\xbf",
      "int main() {\r\n\tstd::cout << \"hi\\n\";   \r\n\r\n\r\n    return 0; // done\r\n}\r\n",
      "<|endoftext|> and <|im_start|> are text here, <|",
      " ",
      "  ",
      "\n",
      "\n\n",
      " \n",
      "\n ",
      "\r",
      "\r\n \r\n",
      "a \n b",
      "\t\t\tx",
      "x   ",
      "x \n  ",
      "1234567890",
      "1 22 333 4444 55555",
      "3.14159e-10",
      "0xDEADBEEF",
      "C++20",
      "a/b//c/\n/d",
      "e\xcc\x81\xcc\x81 \xcc\x81x \xcc\x81X A\xcc\x81"
      "B !\xcc\x81",
      "中ABC中abc中",
      "ABCdefGHI"};
  auto root = source_folder();
  for (const auto* folder :
       {"docs", "messages", "actors/tokenizer", "tests/integration", "cmake"}) {
    if (!fs::exists(root / folder))
      continue;
    for (const auto& entry : fs::recursive_directory_iterator{root / folder}) {
      auto name = entry.path().string();
      auto kind = entry.path().extension();
      if (entry.is_regular_file() && name.find("node_modules") == name.npos
          && (kind == ".md" || kind == ".cpp" || kind == ".hpp" || kind == ".proto"))
        all.push_back(read_file(entry.path()));
    }
  }
  return all;
}

} // namespace

TEST_CASE("token ids of natural texts, code and their borders are tiktoken's") {
  auto all = natural_texts();
  for (auto name : vocabulary_names)
    compare(name, all);
}

TEST_CASE("token ids of 20,000 random strings are tiktoken's in every vocabulary") {
  const char* fixed = std::getenv("TROUPE_SEED");
  auto seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  MESSAGE("TROUPE_SEED=" << seed);
  random_texts random{seed};
  texts all;
  for (int i = 0; i < 20'000; ++i)
    all.push_back(random.next());
  for (auto name : rank_names)
    compare(name, all);
}

TEST_CASE("every assigned character has the class that tiktoken gives it") {
  texts all;
  for (std::uint32_t c = 1; c < 0xe0200; c = c == 0x323ff ? 0xe0000 : c + 1) {
    if (is_surrogate(c))
      continue;
    std::string text;
    for (const char* around : {"a", "A", "1", "!", " ", "\n"}) {
      text += around;
      append_utf8(text, c);
      text += around;
    }
    all.push_back(std::move(text));
  }
  for (auto name : {"cl100k_base", "o200k_base", "r50k_base"})
    compare(name, all);
}

TEST_CASE("token ids of long repeats are tiktoken's") {
  texts all;
  for (std::string unit :
       {"a",        "A",  "ab",   " ", "\n", " \n", "\r\n", "0", "!", "/",          "'s",
        "\xcc\x81", "中", "中文", "é", "aA", "Ａ",  "👍",    "=", "-", "abcdefghij", "\t"})
    for (std::size_t bytes : {30, 257, 3'000}) {
      std::string text;
      while (text.size() < bytes)
        text += unit;
      all.push_back(text);
      all.push_back(text + "x");
      all.push_back("x" + text + " y");
    }
  for (auto name : rank_names)
    compare(name, all);
}

TEST_CASE("special tokens are tiktoken's when they are allowed") {
  for (auto name : {"cl100k_base", "o200k_base", "p50k_edit", "r50k_base", "o200k_harmony"})
    compare(name,
            {"<|endoftext|>", "a<|endoftext|>b  <|endoftext|>", "<|endoftext", "<|<|endoftext|>|>",
             "<|fim_prefix|>x<|fim_suffix|>y<|fim_middle|>", "  <|endofprompt|>  \n",
             "<|start|>assistant<|channel|>final<|message|>Hi<|return|>"},
            tokens::specials::allowed);
}
