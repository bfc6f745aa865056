#include "actors/tokenizer/text.hpp"

#include <stdexcept>

namespace troupe {

namespace {

/// A missing file is the operator's to mend: it is said, not treated as a crash.
template <class Answer, class Query>
caf::result<Answer> try_work(const Query& query, const text_options& options) {
  try {
    auto done = work(*query, *options.library, options.limits);
    if (!done)
      return done.error();
    return Answer{std::move(*done)};
  } catch (const std::runtime_error& e) {
    log_error("text_file_missing", {{"error", e.what()}});
    return make_error(ec::internal, e.what());
  }
}

template <class Answer, class Query>
caf::result<Answer> work_in_time(const Query& query, const text_options& options) {
  auto deadline = query->context().deadline_us();
  if (deadline != 0 && options.clock->now_us() > deadline)
    return make_error(ec::deadline_exceeded, "the text waited too long for its turn");
  return try_work<Answer>(query, options);
}

} // namespace

text_actor::behavior_type text_worker(self_pointer<text_actor, text_worker_state>,
                                      text_options options) {
  return {
      [options](const AnalyzeTokens& q) { return work_in_time<TokensAnalyzed>(q, options); },
      [options](const CountChatTokens& q) { return work_in_time<ChatTokensCounted>(q, options); },
      [options](const ListVocabularies& q) { return try_work<VocabularyList>(q, options); },
      [options](const ConvertText& q) { return work_in_time<TextConverted>(q, options); },
      [options](const DetectText& q) { return work_in_time<TextDetected>(q, options); },
  };
}

text_state::text_state(self_type self) : self_(self) {}

void text_state::start(text_options given) {
  options_ = std::move(given);
  options_.host.probes->of_type(text_worker_state::name).mailbox_max = options_.queue_max;
  workers_.start(self_, options_.workers,
                 [this] { return troupe::spawn(options_.host, text_worker, options_); });
}

template <class Answer, class Query>
caf::result<Answer> text_state::answer(const Query& query) {
  if (auto refused = check(*query, options_.limits))
    return refused;
  if (bytes_of(*query) > options_.inline_bytes_max)
    return workers_.hand_on<Answer>(query);
  return try_work<Answer>(query, options_);
}

// Opens them all, if that was not done before.
caf::result<VocabularyList> text_state::list(const ListVocabularies& query) {
  return workers_.hand_on<VocabularyList>(query);
}

text_actor::behavior_type text_service(self_pointer<text_actor, text_state> self,
                                       text_options options) {
  self->state.start(std::move(options));
  return {
      [self](const AnalyzeTokens& q) { return self->state.answer<TokensAnalyzed>(q); },
      [self](const CountChatTokens& q) { return self->state.answer<ChatTokensCounted>(q); },
      [self](const ListVocabularies& q) { return self->state.list(q); },
      [self](const ConvertText& q) { return self->state.answer<TextConverted>(q); },
      [self](const DetectText& q) { return self->state.answer<TextDetected>(q); },
  };
}

} // namespace troupe
