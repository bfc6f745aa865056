// How fast texts are encoded on one thread. Arguments: NAME=FILE for each text. Each line of the
// standard input, "VOCABULARY NAME", is answered with "SECONDS TOKENS": what encoding that text
// once took of this thread's CPU. "VOCABULARY NAME count" counts only. tests/oracle/bench.mjs is
// the same of npm tiktoken, and scripts/bench tokenizer asks both in turn.
#include "actors/tokenizer/encoding.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>

using namespace troupe::tokens;

namespace {

/// What this thread used of a processor: others on the machine do not disturb it.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

} // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> texts;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    auto equals = argument.find('=');
    std::ifstream in{argument.substr(std::min(equals, argument.size() - 1) + 1), std::ios::binary};
    if (equals == argument.npos || !in) {
      fmt::print(stderr, "tokenizer_bench: {} is not NAME=FILE with a file that can be read\n",
                 argument);
      return 2;
    }
    texts[argument.substr(0, equals)] = {std::istreambuf_iterator<char>{in}, {}};
  }
  library vocabularies_here;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words{line};
    std::string vocabulary, name, mode;
    words >> vocabulary >> name >> mode;
    auto encoding = vocabularies_here.find(vocabulary);
    auto text = texts.find(name);
    if (!encoding || text == texts.end()) {
      fmt::print(stderr, "tokenizer_bench: there is no vocabulary or no text as in: {}\n", line);
      return 2;
    }
    auto start = cpu_seconds();
    auto tokens = mode == "count" ? static_cast<std::size_t>(encoding->count(text->second).tokens)
                                  : encoding->encode(text->second).size();
    fmt::print("{} {}\n", cpu_seconds() - start, tokens);
    std::fflush(stdout);
  }
}
