// Vocabularies of tokenizer.json against a tokenizer that reads the same file (npm
// @lenml/tokenizers, tests/oracle/): that of Qwen, which is brought to NFC, and that of DeepSeek,
// which splits thrice.
#include "tests/support/tokenizer_oracle.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>

using namespace troupe;
using texts = test::oracle_texts;

namespace {

void append(texts& all, texts more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

/// Fails with the first text that differs.
void compare(const std::string& vocabulary, const texts& all, tokens::specials mode) {
  auto different = test::difference(vocabulary, all, mode);
  CAPTURE(different.value_or(""));
  CHECK(!different);
}

// One call of the oracle for all: it takes seconds to read its vocabulary.
texts all_texts() {
  const char* fixed = std::getenv("TROUPE_SEED");
  auto seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  MESSAGE("TROUPE_SEED=" << seed);
  auto all = test::natural_texts();
  append(all, test::texts_with_specials());
  append(all, test::long_repeats(1'000));
  test::random_texts random{seed, true};
  for (int i = 0; i < 5'000; ++i)
    all.push_back(random.next());
  return all;
}

} // namespace

TEST_CASE("token ids of texts, repeats and 5,000 random strings are those of the model's own") {
  auto all = all_texts();
  for (auto name : test::json_vocabularies)
    compare(std::string{name}, all, tokens::specials::as_text);
}

TEST_CASE("every assigned character has the class and the form that the model's tokenizer gives") {
  auto all = test::each_character(true, 16);
  for (auto name : test::json_vocabularies)
    compare(std::string{name}, all, tokens::specials::as_text);
}

TEST_CASE("added tokens are the model's own when they are allowed") {
  for (auto name : test::json_vocabularies)
    compare(std::string{name}, test::texts_with_specials(), tokens::specials::allowed);
}

TEST_CASE(
    "prompts of Qwen and DeepSeek have the tokens of their fields and their format's overhead") {
  struct {
    const char* vocabulary;
    const char* model;
    const char* prompt;
  } cases[] = {{"qwen3", "Qwen/Qwen3-8B",
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n你好<|im_end|>\n"
                "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>assistant\n"},
               {"deepseek_v3", "deepseek-chat",
                "<｜begin▁of▁sentence｜>Be brief.<｜User｜>你好<｜Assistant｜>Yes?"
                "<｜end▁of▁sentence｜><｜Assistant｜>"}};
  for (const auto& [vocabulary, model, prompt] : cases) {
    const auto& which = model; // clang captures no binding
    CAPTURE(which);
    auto encoding = test::encoding_of(vocabulary);
    auto count = [&](std::string_view text) { return encoding->count(text).tokens; };
    auto format = tokens::chat_overhead_of(model);
    CHECK(tokens::vocabulary_of_model(model).own == vocabulary);
    CHECK(format.prompt + message_overhead(format, tokens::chat_role::system) + count("Be brief.")
              + message_overhead(format, tokens::chat_role::user) + count("你好")
              + message_overhead(format, tokens::chat_role::assistant) + count("Yes?")
              + format.reply
          == encoding->count(prompt, 0, tokens::specials::allowed).tokens);
  }
}
