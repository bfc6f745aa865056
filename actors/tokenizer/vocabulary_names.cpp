#include "actors/tokenizer/vocabulary_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace troupe::tokens {

namespace {

constexpr std::array<vocabulary_info, 7> known{{
    {"cl100k_base", "cl100k_base", split_pattern::cl100k},
    {"gpt2", "r50k_base", split_pattern::gpt2},
    {"o200k_base", "o200k_base", split_pattern::o200k},
    {"o200k_harmony", "o200k_base", split_pattern::o200k},
    {"p50k_base", "p50k_base", split_pattern::gpt2},
    {"p50k_edit", "p50k_base", split_pattern::gpt2},
    {"r50k_base", "r50k_base", split_pattern::gpt2},
}};

struct rule {
  std::string_view model; // with * at its end: every name that begins so
  std::string_view vocabulary;
};

// The first that fits. After tiktoken's model table.
constexpr rule rules[] = {
    {"gpt-oss-*", "o200k_harmony"},
    {"gpt-4o*", "o200k_base"},
    {"gpt-4.1*", "o200k_base"},
    {"gpt-4.5*", "o200k_base"},
    {"gpt-5*", "o200k_base"},
    {"chatgpt-*", "o200k_base"},
    {"codex-mini*", "o200k_base"},
    {"computer-use-*", "o200k_base"},
    {"gpt-audio*", "o200k_base"},
    {"gpt-realtime*", "o200k_base"},
    {"o1", "o200k_base"},
    {"o1-*", "o200k_base"},
    {"o3", "o200k_base"},
    {"o3-*", "o200k_base"},
    {"o4-*", "o200k_base"},
    {"gpt-4", "cl100k_base"},
    {"gpt-4-*", "cl100k_base"},
    {"gpt-3.5*", "cl100k_base"},
    {"gpt-35-*", "cl100k_base"},
    {"text-embedding-*", "cl100k_base"},
    {"davinci-002", "cl100k_base"},
    {"babbage-002", "cl100k_base"},
    {"text-davinci-edit-001", "p50k_edit"},
    {"code-davinci-edit-001", "p50k_edit"},
    {"text-davinci-003", "p50k_base"},
    {"text-davinci-002", "p50k_base"},
    {"code-davinci-*", "p50k_base"},
    {"code-cushman-*", "p50k_base"},
    {"davinci-codex", "p50k_base"},
    {"cushman-codex", "p50k_base"},
    {"text-davinci-001", "r50k_base"},
    {"text-curie-001", "r50k_base"},
    {"text-babbage-001", "r50k_base"},
    {"text-ada-001", "r50k_base"},
    {"text-similarity-*", "r50k_base"},
    {"text-search-*", "r50k_base"},
    {"code-search-*", "r50k_base"},
    {"davinci", "r50k_base"},
    {"curie", "r50k_base"},
    {"babbage", "r50k_base"},
    {"ada", "r50k_base"},
    {"gpt2", "gpt2"},
    {"gpt-2", "gpt2"},
};

// Models whose vocabulary comes as tokenizer.json, and its name.
constexpr rule own_vocabularies[] = {
    {"qwen3*", "qwen3"},         {"qwen2*", "qwen2"},           {"qwen-*", "qwen2"},
    {"qwq-*", "qwen2"},          {"deepseek-*", "deepseek_v3"}, {"llama-3*", "llama3"},
    {"meta-llama-3*", "llama3"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool begins_with(std::string_view text, std::string_view start) {
  return text.size() >= start.size()
         && std::equal(start.begin(), start.end(), text.begin(),
                       [](char x, char y) { return x == lower(y); });
}

bool fits(std::string_view model, const rule& r) {
  if (r.model.ends_with('*'))
    return begins_with(model, r.model.substr(0, r.model.size() - 1));
  return model.size() == r.model.size() && begins_with(model, r.model);
}

/// The base model in openai/gpt-4o and in ft:gpt-4o:organisation::id.
std::string_view base_of(std::string_view model) {
  if (auto slash = model.rfind('/'); slash != model.npos)
    model.remove_prefix(slash + 1);
  if (begins_with(model, "ft:")) {
    model.remove_prefix(3);
    model = model.substr(0, model.find(':'));
  }
  return model;
}

std::vector<special_token> harmony_tokens() {
  std::vector<special_token> tokens{{"<|startoftext|>", 199'998},
                                    {"<|endoftext|>", 199'999},
                                    {"<|reserved_200000|>", 200'000},
                                    {"<|reserved_200001|>", 200'001},
                                    {"<|return|>", 200'002},
                                    {"<|constrain|>", 200'003},
                                    {"<|reserved_200004|>", 200'004},
                                    {"<|channel|>", 200'005},
                                    {"<|start|>", 200'006},
                                    {"<|end|>", 200'007},
                                    {"<|message|>", 200'008},
                                    {"<|reserved_200009|>", 200'009},
                                    {"<|reserved_200010|>", 200'010},
                                    {"<|reserved_200011|>", 200'011},
                                    {"<|call|>", 200'012},
                                    {"<|endofprompt|>", 200'018}};
  for (token_id id = 200'013; id < 201'088; ++id)
    tokens.push_back({fmt::format("<|reserved_{}|>", id), id});
  return tokens;
}

} // namespace

std::span<const vocabulary_info> vocabularies() noexcept { return known; }

const vocabulary_info* find_vocabulary(std::string_view name) noexcept {
  auto found = std::find_if(known.begin(), known.end(),
                            [&](const vocabulary_info& v) { return v.name == name; });
  return found == known.end() ? nullptr : &*found;
}

std::vector<special_token> special_tokens_of(const vocabulary_info& vocabulary) {
  if (vocabulary.name == "cl100k_base")
    return {{"<|endoftext|>", 100'257},
            {"<|fim_prefix|>", 100'258},
            {"<|fim_middle|>", 100'259},
            {"<|fim_suffix|>", 100'260},
            {"<|endofprompt|>", 100'276}};
  if (vocabulary.name == "o200k_base")
    return {{"<|endoftext|>", 199'999}, {"<|endofprompt|>", 200'018}};
  if (vocabulary.name == "o200k_harmony")
    return harmony_tokens();
  if (vocabulary.name == "p50k_edit")
    return {{"<|endoftext|>", 50'256},
            {"<|fim_prefix|>", 50'281},
            {"<|fim_middle|>", 50'282},
            {"<|fim_suffix|>", 50'283}};
  return {{"<|endoftext|>", 50'256}};
}

std::vector<std::string_view> models_of_vocabulary(std::string_view name) {
  std::vector<std::string_view> models;
  for (const auto& r : rules)
    if (r.vocabulary == name)
      models.push_back(r.model);
  return models;
}

model_vocabulary vocabulary_of_model(std::string_view model) noexcept {
  auto base = base_of(model);
  for (const auto& r : rules)
    if (fits(base, r))
      return {r.vocabulary, false, {}};
  for (const auto& r : own_vocabularies)
    if (fits(base, r))
      return {"o200k_base", true, r.vocabulary};
  return {"o200k_base", true, {}};
}

// Tokens that stand around a message's role and content:
//   OpenAI's chat   <|im_start|> \n ... <|im_end|>, and <|im_start|>assistant\n
//   harmony         <|start|> <|message|> <|end|>; answers have <|channel|>final too
//   Qwen            <|im_start|> \n <|im_end|> \n
//   DeepSeek        <begin of sentence> once; a role is one token, an answer ends with another
chat_overhead chat_overhead_of(std::string_view model) noexcept {
  auto base = base_of(model);
  if (fits(base, {"gpt-3.5-turbo-0301", {}}))
    return {4, -1, 3};
  if (fits(base, {"gpt-oss-*", {}}))
    return {3, 1, 2, 0, 2};
  auto own = vocabulary_of_model(model).own;
  if (own.starts_with("qwen"))
    return {4, 0, 3};
  if (own.starts_with("deepseek"))
    return {1, 0, 1, 1, 1, false};
  return {3, 1, 3};
}

int message_overhead(const chat_overhead& format, chat_role role, int role_tokens) noexcept {
  // DeepSeek's system message has no token of its own.
  if (!format.role_is_text && role == chat_role::system)
    return 0;
  return format.per_message + (format.role_is_text ? role_tokens : 0)
         + (role == chat_role::assistant ? format.per_reply : 0);
}

} // namespace troupe::tokens
