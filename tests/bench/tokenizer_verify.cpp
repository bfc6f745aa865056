// Compares our token ids with those of the models' own tokenizers, whole: the texts that are given,
// 200,000 random strings, and long repeats, in every vocabulary. Usage: tokenizer_verify [--seed N]
// [--strings N] [--only VOCABULARY] NAME=FILE... Ends with 1 if something differs.
#include "tests/support/tokenizer_oracle.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>

using namespace troupe;
using test::oracle_texts;

namespace {

const char* const vocabulary_names[] = {"cl100k_base", "gpt2",      "o200k_base", "p50k_base",
                                        "p50k_edit",   "r50k_base", "qwen3",      "deepseek_v3"};

/// In parts that end with a line: the oracles in JavaScript have bounds on their arrays.
oracle_texts in_parts(const std::string& text) {
  constexpr std::size_t part_bytes = 200'000;
  oracle_texts parts;
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.size() - at <= part_bytes ? text.npos : text.find('\n', at + part_bytes);
    end = end == text.npos ? text.size() : end + 1;
    parts.push_back(text.substr(at, end - at));
    at = end;
  }
  return parts;
}

struct arguments {
  std::uint64_t seed = std::random_device{}();
  int strings = 200'000;
  std::string only; // one vocabulary; all of them if empty
  std::map<std::string, oracle_texts> texts;
};

arguments parse(int argc, char** argv) {
  arguments given;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    auto equals = argument.find('=');
    if (argument == "--seed" && i + 1 < argc)
      given.seed = std::strtoull(argv[++i], nullptr, 10);
    else if (argument == "--strings" && i + 1 < argc)
      given.strings = std::atoi(argv[++i]);
    else if (argument == "--only" && i + 1 < argc)
      given.only = argv[++i];
    else if (std::ifstream in{argument.substr(std::min(equals, argument.size() - 1) + 1),
                              std::ios::binary};
             equals != argument.npos && in)
      given.texts[argument.substr(0, equals)] = in_parts({std::istreambuf_iterator<char>{in}, {}});
    else {
      fmt::print(stderr, "tokenizer_verify: {} is not NAME=FILE with a file that can be read\n",
                 argument);
      std::exit(2);
    }
  }
  return given;
}

bool is_json(const std::string& vocabulary) {
  return vocabulary == "qwen3" || vocabulary == "deepseek_v3";
}

} // namespace

int main(int argc, char** argv) {
  auto given = parse(argc, argv);
  fmt::print("seed {}\n", given.seed);
  int different = 0;
  for (std::string vocabulary : vocabulary_names) {
    if (!given.only.empty() && vocabulary != given.only)
      continue;
    auto compare = [&](const std::string& what, const oracle_texts& texts) {
      std::size_t bytes = 0;
      for (const auto& text : texts)
        bytes += text.size();
      auto found = test::difference(vocabulary, texts);
      fmt::print("{:12} {:16} {:>7} texts {:>9} bytes  {}\n", vocabulary, what, texts.size(), bytes,
                 found.value_or("equal"));
      std::fflush(stdout);
      different += found ? 1 : 0;
    };
    for (const auto& [name, parts] : given.texts)
      compare(name, parts);
    compare("repeats", test::long_repeats(10'000));
    compare("every character", test::each_character(is_json(vocabulary)));
    test::random_texts random{given.seed, is_json(vocabulary)};
    oracle_texts strings;
    for (int i = 0; i < given.strings; ++i)
      strings.push_back(random.next());
    compare("random strings", strings);
  }
  fmt::print("figure tokenizer_verify_differences {} comparisons\n", different);
  return different == 0 ? 0 : 1;
}
