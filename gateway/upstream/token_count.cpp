#include "gateway/upstream/token_count.hpp"

namespace troupe::gateway {

namespace {

constexpr std::chrono::milliseconds count_limit{5'000};
constexpr std::size_t bytes_per_token = 4;

std::int64_t guess(const std::string& text) {
  return static_cast<std::int64_t>((text.size() + bytes_per_token - 1) / bytes_per_token);
}

} // namespace

std::vector<std::string> prompt_texts(const v1::StartCompletion& start) {
  std::vector<std::string> texts;
  for (const auto& message : start.messages()) {
    auto& text = texts.emplace_back();
    for (const auto& part : message.parts()) {
      text += part.text().text();
      text += part.tool_call().name();
      text += part.tool_call().arguments_json();
      text += part.tool_result().content();
    }
  }
  return texts;
}

asio::awaitable<v1::Usage> count_usage(io_shard& shard, const tokenizer_actor& tokenizer,
                                       const v1::Context& context, std::string vocabulary,
                                       std::string model, std::vector<std::string> prompt,
                                       std::string answer) {
  v1::CountTokens query;
  *query.mutable_context() = context;
  query.set_vocabulary(std::move(vocabulary));
  query.set_model(std::move(model));
  for (auto& text : prompt)
    query.add_texts(std::move(text));
  query.add_texts(std::move(answer));
  std::int64_t prompt_tokens = 0;
  std::int64_t answer_tokens = 0;
  caf::expected<TokensCounted> counted{caf::error{make_error(ec::unsupported)}};
  auto asked = CountTokens{std::move(query)};
  if (tokenizer)
    counted = co_await ask<TokensCounted>(shard, tokenizer, count_limit, asked);
  const int last = asked->texts_size() - 1;
  bool usable = counted && (*counted)->counts_size() == last + 1;
  for (int i = 0; i <= last; ++i) {
    auto tokens = usable ? (*counted)->counts(i) : guess(asked->texts(i));
    (i == last ? answer_tokens : prompt_tokens) += tokens;
  }
  if (last > 0)
    prompt_tokens += last * tokens_per_message + tokens_before_answer;
  v1::Usage usage;
  usage.set_prompt_tokens(prompt_tokens);
  usage.set_completion_tokens(answer_tokens);
  usage.set_total_tokens(prompt_tokens + answer_tokens);
  usage.set_estimated(true);
  co_return usage;
}

} // namespace troupe::gateway
