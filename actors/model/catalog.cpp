#include "actors/model/catalog.hpp"

#include <array>

namespace troupe {

namespace {

struct row {
  std::string_view pattern;
  std::string_view vocabulary;
  std::int64_t window;
};

constexpr std::string_view o200k = "o200k_base";
constexpr std::string_view harmony = "o200k_harmony";
constexpr std::string_view cl100k = "cl100k_base";
constexpr std::string_view p50k = "p50k_base";
constexpr std::string_view r50k = "r50k_base";

// The first row that matches counts. Models of other makers use vocabularies of their own; their
// windows are listed, and o200k_base stands in for counting.
constexpr std::array table{
    row{"gpt-5-chat*", o200k, 128'000},
    row{"gpt-5*", o200k, 400'000},
    row{"gpt-4.1*", o200k, 1'047'576},
    row{"gpt-4.5*", o200k, 128'000},
    row{"gpt-4o*", o200k, 128'000},
    row{"chatgpt-4o*", o200k, 128'000},
    row{"gpt-oss*", harmony, 131'072},
    row{"codex-mini*", o200k, 200'000},
    row{"o1-mini*", o200k, 128'000},
    row{"o1-preview*", o200k, 128'000},
    row{"o1*", o200k, 200'000},
    row{"o3*", o200k, 200'000},
    row{"o4-mini*", o200k, 200'000},
    row{"gpt-4-turbo*", cl100k, 128'000},
    row{"gpt-4-1106*", cl100k, 128'000},
    row{"gpt-4-0125*", cl100k, 128'000},
    row{"gpt-4-vision*", cl100k, 128'000},
    row{"gpt-4-32k*", cl100k, 32'768},
    row{"gpt-4*", cl100k, 8'192},
    row{"gpt-3.5-turbo-instruct*", cl100k, 4'096},
    row{"gpt-3.5-turbo-0613", cl100k, 4'096},
    row{"gpt-3.5-turbo-0301", cl100k, 4'096},
    row{"gpt-3.5*", cl100k, 16'385},
    row{"gpt-35-turbo*", cl100k, 16'385},
    row{"text-embedding-3-*", cl100k, 8'192},
    row{"text-embedding-ada-002", cl100k, 8'192},
    row{"davinci-002", cl100k, 16'384},
    row{"babbage-002", cl100k, 16'384},
    row{"text-davinci-003", p50k, 4'097},
    row{"text-davinci-002", p50k, 4'097},
    row{"code-davinci-*", p50k, 8'001},
    row{"text-davinci-001", r50k, 2'049},
    row{"davinci", r50k, 2'049},
    row{"demo", o200k, 32'768},
};

constexpr std::array others{
    row{"claude*", o200k, 200'000},        row{"gemini*", o200k, 1'048'576},
    row{"deepseek*", o200k, 65'536},       row{"qwen-long*", o200k, 1'000'000},
    row{"qwen*", o200k, 32'768},           row{"moonshot-v1-128k", o200k, 131'072},
    row{"moonshot-v1-32k", o200k, 32'768}, row{"moonshot-v1-8k", o200k, 8'192},
    row{"kimi*", o200k, 131'072},          row{"glm-4*", o200k, 128'000},
    row{"mistral*", o200k, 32'768},        row{"llama-3.1*", o200k, 131'072},
    row{"llama3.1*", o200k, 131'072},
};

constexpr std::int64_t default_window = 8'192;

// "ft:gpt-4o-2024-08-06:org::id" is a gpt-4o; "openai/gpt-4o" too.
std::string_view bare_name(std::string_view model) {
  if (model.starts_with("ft:")) {
    model.remove_prefix(3);
    model = model.substr(0, model.find(':'));
  }
  if (auto slash = model.rfind('/'); slash != std::string_view::npos)
    model.remove_prefix(slash + 1);
  return model;
}

} // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) noexcept {
  // After a mismatch the last star takes one more character: linear in practice, no recursion.
  std::size_t p = 0;
  std::size_t n = 0;
  auto star = std::string_view::npos;
  std::size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

bool is_pattern(std::string_view text) noexcept { return text.find('*') != std::string_view::npos; }

model_facts facts_of(std::string_view model) {
  auto name = bare_name(model);
  for (const auto& x : table)
    if (matches_pattern(x.pattern, name))
      return {std::string{x.vocabulary}, x.window, true};
  for (const auto& x : others)
    if (matches_pattern(x.pattern, name))
      return {std::string{x.vocabulary}, x.window, false};
  return {std::string{o200k}, default_window, false};
}

} // namespace troupe
