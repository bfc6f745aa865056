// How fast texts are counted, one thread: MB (10^6 bytes) a second of its CPU of each vocabulary
// and text. Usage: tokenizer_bench [--seconds N] [NAME=FILE...]; without files it makes its texts.
#include "actors/tokenizer/encoding.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using namespace troupe::tokens;

namespace {

/// What this thread used of a processor: others on the machine do not disturb it.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct sample {
  std::string name;
  std::string text;
};

std::string mix(const std::vector<std::string>& parts, std::size_t bytes) {
  std::mt19937_64 random{1};
  std::string text;
  while (text.size() < bytes)
    text += parts[random() % parts.size()];
  return text;
}

std::vector<sample> made_samples() {
  constexpr std::size_t bytes = 5'000'000;
  auto english = mix({"The ",      "report ",    "says that ",      "it doesn't ", "change ",
                      "anything ", "until ",     "Monday, ",        "because ",    "people ",
                      "were ",     "still ",     "travelling.\n\n", "However, ",   "in 2024 ",
                      "a new ",    "committee ", "(of 12) ",        "answered: ",  "\"No.\" "},
                     bytes);
  auto chinese =
      mix({"我们", "今天", "讨论",   "的",   "是", "人工智能", "技术", "，",   "。",   "它",
           "可以", "帮助", "人们",   "学习", "和", "工作",     "因此", "非常", "重要", "发展",
           "北京", "问题", "2024年", "在",   "了", "不",       "有",   "这",   "中国", "！\n"},
          bytes);
  auto code = mix({"  if (x == nullptr)\n    return;\n", "for (int i = 0; i < n; ++i) {\n", "}\n\n",
                   "  auto value = map.find(key);\n", "#include <vector>\n", "// a comment here\n",
                   "std::string name_of(const node& n) {\n", "  foo_bar(baz, 0x1F, \"text\");\n"},
                  bytes);
  return {{"english", english},
          {"chinese", chinese},
          {"code", code},
          {"one_letter", std::string(1'000'000, 'a')},
          {"spaces", std::string(1'000'000, ' ')},
          {"symbols", std::string(1'000'000, '=')}};
}

sample read_sample(const std::string& argument) {
  auto equals = argument.find('=');
  std::ifstream in{argument.substr(equals + 1), std::ios::binary};
  if (equals == argument.npos || !in) {
    fmt::print(stderr, "tokenizer_bench: {} is not NAME=FILE with a file that can be read\n",
               argument);
    std::exit(2);
  }
  return {argument.substr(0, equals), {std::istreambuf_iterator<char>{in}, {}}};
}

double megabytes_per_second(const encoding& vocabulary, const std::string& text, double seconds) {
  auto start = cpu_seconds();
  double took = 0;
  std::size_t bytes = 0;
  do {
    vocabulary.count(text);
    bytes += text.size();
    took = cpu_seconds() - start;
  } while (took < seconds);
  return static_cast<double>(bytes) / 1e6 / took;
}

} // namespace

int main(int argc, char** argv) {
  double seconds = 1;
  std::vector<sample> samples;
  for (int i = 1; i < argc; ++i) {
    if (std::string{argv[i]} == "--seconds" && i + 1 < argc)
      seconds = std::atof(argv[++i]);
    else
      samples.push_back(read_sample(argv[i]));
  }
  if (samples.empty())
    samples = made_samples();
  library vocabularies_here;
  for (auto name : {"cl100k_base", "o200k_base", "r50k_base"}) {
    auto start = cpu_seconds();
    auto vocabulary = vocabularies_here.find(name);
    vocabulary->count("Hello, world!");
    auto opened_ms = (cpu_seconds() - start) * 1e3;
    fmt::print("{:12} opened and first counted in {:.2f} ms\n", name, opened_ms);
    for (const auto& [label, text] : samples)
      fmt::print("{:12} {:12} {:8.1f} MB/s {:>10} tokens\n", name, label,
                 megabytes_per_second(*vocabulary, text, seconds), vocabulary->count(text).tokens);
  }
}
