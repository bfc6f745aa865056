// Our token ids against those of OpenAI's own tokenizer (npm tiktoken, tests/oracle/).
// scripts/bench tokenizer --verify compares much more.
#include "tests/support/pace.hpp"
#include "tests/support/tokenizer_oracle.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>

using namespace troupe;
using texts = test::oracle_texts;

namespace {

const char* const vocabulary_names[] = {"cl100k_base", "gpt2",      "o200k_base", "o200k_harmony",
                                        "p50k_base",   "p50k_edit", "r50k_base"};
// One of each rank file: what differs between those of one file is their special tokens.
const char* const rank_names[] = {"cl100k_base", "o200k_base", "p50k_base", "r50k_base"};

/// Fails with the first text that differs.
void compare(const std::string& vocabulary, const texts& all,
             tokens::specials mode = tokens::specials::as_text) {
  auto different = test::difference(vocabulary, all, mode);
  CAPTURE(different.value_or(""));
  CHECK(!different);
}

} // namespace

TEST_CASE("token ids of natural texts, code and their borders are tiktoken's") {
  auto all = test::natural_texts();
  for (auto name : vocabulary_names)
    compare(name, all);
}

TEST_CASE("token ids of 20,000 random strings are tiktoken's in every vocabulary") {
  const char* fixed = std::getenv("TROUPE_SEED");
  auto seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  MESSAGE("TROUPE_SEED=" << seed);
  test::random_texts random{seed, false};
  texts all;
  for (int i = 0; i < 20'000 / test::slowed; ++i)
    all.push_back(random.next());
  for (auto name : rank_names)
    compare(name, all);
}

TEST_CASE("every assigned character has the class that tiktoken gives it") {
  auto all = test::each_character(false, test::slowed == 1 ? 1 : 16);
  for (auto name : {"cl100k_base", "o200k_base", "r50k_base"})
    compare(name, all);
}

TEST_CASE("token ids of long repeats are tiktoken's") {
  auto all = test::long_repeats(3'000);
  for (auto name : rank_names)
    compare(name, all);
}

TEST_CASE("special tokens are tiktoken's when they are allowed") {
  for (auto name : {"cl100k_base", "o200k_base", "p50k_edit", "r50k_base", "o200k_harmony"})
    compare(name, test::texts_with_specials(), tokens::specials::allowed);
}
