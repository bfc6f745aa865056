#include "actors/tokenizer/tokenizer.hpp"

#include "actors/tokenizer/vocabulary_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

std::int64_t bytes_of(const v1::CountTokens& query) {
  std::int64_t bytes = 0;
  for (const auto& text : query.texts())
    bytes += static_cast<std::int64_t>(text.size());
  return bytes;
}

caf::error check(const v1::CountTokens& query, const tokenizer_options& options) {
  if (auto choice = choose_vocabulary(query.vocabulary(), query.model()); !choice)
    return choice.error();
  if (query.limit() < 0)
    return make_error(ec::invalid_argument, "the limit is negative");
  if (query.texts_size() > options.texts_max || bytes_of(query) > options.bytes_max)
    return make_error(ec::too_large,
                      fmt::format("at most {} texts of {} bytes together are counted at once",
                                  options.texts_max, options.bytes_max));
  return {};
}

v1::TokensCounted count_all(const v1::CountTokens& query, const tokenizer_options& options) {
  v1::TokensCounted answer;
  auto choice = choose_vocabulary(query.vocabulary(), query.model()).value();
  answer.set_estimated(choice.estimated);
  auto encoding = options.library->find(choice.name);
  answer.set_vocabulary(std::string{encoding->name()});
  std::int64_t total = 0;
  for (const auto& text : query.texts()) {
    tokens::token_count counted;
    if (!answer.limit_reached()) {
      auto left = query.limit() == 0 ? 0 : query.limit() - total;
      // A limit of 0 is none: what is left of a used-up one is told by one token more.
      counted = encoding->count(text, std::max<std::int64_t>(left, query.limit() == 0 ? 0 : 1));
      total += counted.tokens;
      answer.set_limit_reached(query.limit() > 0 && total > query.limit());
    }
    answer.add_counts(counted.tokens);
  }
  answer.set_total(total);
  auto& probe = *options.probe;
  probe.texts.fetch_add(static_cast<std::uint64_t>(query.texts_size()), std::memory_order_relaxed);
  probe.bytes.fetch_add(static_cast<std::uint64_t>(bytes_of(query)), std::memory_order_relaxed);
  probe.tokens.fetch_add(static_cast<std::uint64_t>(total), std::memory_order_relaxed);
  probe.estimated.fetch_add(answer.estimated() ? 1 : 0, std::memory_order_relaxed);
  return answer;
}

/// A missing vocabulary file is the operator's to mend: it is said, not treated as a crash.
caf::result<TokensCounted> try_count(const CountTokens& query, const tokenizer_options& options) {
  try {
    return TokensCounted{count_all(*query, options)};
  } catch (const std::runtime_error& e) {
    log_error("vocabulary_missing", {{"error", e.what()}});
    return make_error(ec::internal, e.what());
  }
}

} // namespace

tokenizer_actor::behavior_type
tokenizer_worker(self_pointer<tokenizer_actor, tokenizer_worker_state>, tokenizer_options options) {
  return {[options](const CountTokens& query) -> caf::result<TokensCounted> {
    auto deadline = query->context().deadline_us();
    if (deadline != 0 && options.clock->now_us() > deadline)
      return make_error(ec::deadline_exceeded, "the texts waited too long to be counted");
    return try_count(query, options);
  }};
}

tokenizer_state::tokenizer_state(self_type self) : self_(self) {}

void tokenizer_state::start(tokenizer_options given) {
  options_ = std::move(given);
  options_.host.probes->of_type(tokenizer_worker_state::name).mailbox_max = options_.queue_max;
  workers_.start(self_, options_.workers,
                 [this] { return troupe::spawn(options_.host, tokenizer_worker, options_); });
}

caf::result<TokensCounted> tokenizer_state::count(const CountTokens& query) {
  if (auto refused = check(*query, options_)) {
    options_.probe->refused.fetch_add(1, std::memory_order_relaxed);
    return refused;
  }
  if (bytes_of(*query) <= options_.inline_bytes_max)
    return try_count(query, options_);
  options_.probe->handed_on.fetch_add(1, std::memory_order_relaxed);
  return workers_.hand_on<TokensCounted>(query);
}

tokenizer_actor::behavior_type tokenizer(self_pointer<tokenizer_actor, tokenizer_state> self,
                                         tokenizer_options options) {
  self->state.start(std::move(options));
  return {[self](const CountTokens& query) { return self->state.count(query); }};
}

} // namespace troupe
