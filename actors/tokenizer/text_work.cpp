#include "actors/tokenizer/text_work.hpp"

#include "actors/charset/conversion.hpp"
#include "actors/tokenizer/vocabulary_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace troupe {

namespace {

using tokens::token_id;

template <class... Args>
caf::error invalid(fmt::format_string<Args...> text, Args&&... args) {
  return make_error(ec::invalid_argument, fmt::format(text, std::forward<Args>(args)...));
}

caf::error too_long(std::int64_t bytes_max) {
  return make_error(ec::too_large, fmt::format("a text of at most {} bytes is taken", bytes_max));
}

std::int64_t size_of(const std::string& text) { return static_cast<std::int64_t>(text.size()); }

std::shared_ptr<const tokens::encoding> open(tokens::library& library, v1::TokensAnalyzed& answer,
                                             const v1::AnalyzeTokens& query) {
  auto choice = choose_vocabulary(query.vocabulary(), query.model()).value();
  answer.set_vocabulary(choice.name);
  answer.set_estimated(choice.estimated);
  return library.find(choice.name);
}

void encode(const tokens::encoding& encoding, const v1::AnalyzeTokens& query,
            v1::TokensAnalyzed& answer) {
  auto mode = query.specials() == v1::SPECIAL_TOKENS_ALLOWED ? tokens::specials::allowed
                                                             : tokens::specials::as_text;
  if (query.places()) {
    for (const auto& place : encoding.encode_with_places(query.text(), mode)) {
      answer.add_ids(place.id);
      answer.add_ends(static_cast<std::int64_t>(place.end));
    }
  } else {
    auto ids = encoding.encode(query.text(), mode);
    answer.mutable_ids()->Add(ids.begin(), ids.end());
  }
  answer.set_total(answer.ids_size());
}

caf::error decode(const tokens::encoding& encoding, const v1::AnalyzeTokens& query,
                  std::int64_t bytes_max, v1::TokensAnalyzed& answer) {
  auto& text = *answer.mutable_text();
  for (int i = 0; i < query.ids_size(); ++i) {
    auto id = query.ids(i);
    auto known = id >= 0 && id <= std::numeric_limits<token_id>::max();
    auto part = known ? encoding.text_of(static_cast<token_id>(id)) : std::nullopt;
    if (!part)
      return invalid("ids[{}] is {}, and {} has no such token", i, id, encoding.name());
    text += *part;
    if (size_of(text) > bytes_max)
      return make_error(
          ec::too_large,
          fmt::format("the ids are a text of more than {} bytes: send fewer at once", bytes_max));
  }
  answer.set_total(query.ids_size());
  return {};
}

void cut(const tokens::encoding& encoding, const v1::AnalyzeTokens& query,
         v1::TokensAnalyzed& answer) {
  std::string_view text = query.text();
  if (query.work() == v1::TOKEN_WORK_TRUNCATE) {
    auto kept = text.substr(0, encoding.truncate(text, query.limit()));
    answer.set_text(std::string{kept});
    answer.add_ends(static_cast<std::int64_t>(kept.size()));
    answer.set_total(encoding.count(kept).tokens);
    return;
  }
  std::size_t begin = 0;
  std::int64_t total = 0;
  for (auto end : encoding.split(text, query.limit())) {
    answer.add_ends(static_cast<std::int64_t>(end));
    total += encoding.count(text.substr(begin, end - begin)).tokens;
    begin = end;
  }
  answer.set_total(total);
}

tokens::chat_role role_of(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return tokens::chat_role::system;
    case v1::ROLE_ASSISTANT:
      return tokens::chat_role::assistant;
    case v1::ROLE_TOOL:
      return tokens::chat_role::tool;
    default:
      return tokens::chat_role::user;
  }
}

/// What of a part is text, and whether that is all of it.
struct part_text {
  std::string_view text;
  bool whole = true;
};

part_text text_of(const v1::Part& part) {
  switch (part.kind_case()) {
    case v1::Part::kText:
      return {part.text().text(), true};
    case v1::Part::kToolCall:
      return {part.tool_call().arguments_json(), false};
    case v1::Part::kToolResult:
      return {part.tool_result().content(), false};
    default:
      return {{}, false};
  }
}

std::string loss_kind_name(charset::loss_kind kind) {
  return kind == charset::loss_kind::invalid ? "invalid" : "unmappable";
}

charset::conversion conversion_of(const v1::ConvertText& query) {
  return charset::read_conversion(query.from(), query.to(), query.form(), query.fold_width(),
                                  query.han());
}

} // namespace

std::int64_t bytes_of(const v1::AnalyzeTokens& query) {
  return size_of(query.text()) + 4 * query.ids_size();
}

std::int64_t bytes_of(const v1::CountChatTokens& query) {
  auto bytes = size_of(query.tools_json());
  for (const auto& message : query.messages()) {
    bytes += size_of(message.author()) + 8; // and what stands around it
    for (const auto& part : message.parts())
      bytes += static_cast<std::int64_t>(text_of(part).text.size());
  }
  return bytes;
}

// Folding Chinese reads dictionaries when it is first done: never on the asker's thread.
std::int64_t bytes_of(const v1::ConvertText& query) {
  return query.han().empty() ? size_of(query.text()) : std::numeric_limits<std::int64_t>::max();
}

std::int64_t bytes_of(const v1::DetectText& query) { return size_of(query.text()); }

caf::error check(const v1::AnalyzeTokens& query, const text_limits& limits) {
  if (auto choice = choose_vocabulary(query.vocabulary(), query.model()); !choice)
    return choice.error();
  if (size_of(query.text()) > limits.tokens_bytes_max)
    return too_long(limits.tokens_bytes_max);
  if (query.ids_size() > limits.ids_max)
    return make_error(ec::too_large,
                      fmt::format("at most {} ids are decoded at once", limits.ids_max));
  auto cuts = false;
  switch (query.work()) {
    case v1::TOKEN_WORK_ENCODE:
    case v1::TOKEN_WORK_DECODE:
      break;
    case v1::TOKEN_WORK_TRUNCATE:
    case v1::TOKEN_WORK_SPLIT:
      cuts = true;
      break;
    default:
      return invalid("say what is to be done: encode, decode, truncate or split");
  }
  if (cuts && query.limit() <= 0)
    return invalid("the limit must be at least 1 token");
  if (cuts && query.specials() == v1::SPECIAL_TOKENS_ALLOWED)
    return invalid("special tokens are text where texts are cut: only encode can allow them");
  if (query.specials() < v1::SPECIAL_TOKENS_TEXT || query.specials() > v1::SPECIAL_TOKENS_REFUSED)
    return invalid("special tokens can be text, allowed or refused");
  return {};
}

caf::error check(const v1::CountChatTokens& query, const text_limits& limits) {
  if (query.model().empty())
    return invalid("name the model: a chat is counted in its form");
  if (query.messages_size() > limits.messages_max)
    return make_error(ec::too_large,
                      fmt::format("a chat of at most {} messages is counted", limits.messages_max));
  if (bytes_of(query) > limits.tokens_bytes_max)
    return too_long(limits.tokens_bytes_max);
  return {};
}

caf::error check(const v1::ConvertText& query, const text_limits& limits) {
  if (size_of(query.text()) > limits.convert_bytes_max)
    return too_long(limits.convert_bytes_max);
  try {
    conversion_of(query);
  } catch (const std::invalid_argument& e) {
    return make_error(ec::invalid_argument, e.what());
  }
  return {};
}

caf::error check(const v1::DetectText& query, const text_limits& limits) {
  if (size_of(query.text()) > limits.convert_bytes_max)
    return too_long(limits.convert_bytes_max);
  return {};
}

caf::expected<v1::TokensAnalyzed> work(const v1::AnalyzeTokens& query, tokens::library& library,
                                       const text_limits& limits) {
  v1::TokensAnalyzed answer;
  auto encoding = open(library, answer, query);
  if (query.specials() == v1::SPECIAL_TOKENS_REFUSED)
    if (auto found = encoding->first_special(query.text()))
      return invalid("the text has the special token {} at byte {}, and they are refused",
                     found->text, found->begin);
  if (query.work() == v1::TOKEN_WORK_ENCODE) {
    encode(*encoding, query, answer);
  } else if (query.work() == v1::TOKEN_WORK_DECODE) {
    if (auto err = decode(*encoding, query, limits.tokens_bytes_max, answer))
      return err;
  } else {
    cut(*encoding, query, answer);
  }
  return answer;
}

// Tools, images and calls have a form that is not published: what is text in them is counted, and
// the answer says that it is an estimate.
caf::expected<v1::ChatTokensCounted> work(const v1::CountChatTokens& query,
                                          tokens::library& library, const text_limits&) {
  auto choice = choose_vocabulary({}, query.model()).value();
  auto encoding = library.find(choice.name);
  auto format = tokens::chat_overhead_of(query.model());
  v1::ChatTokensCounted answer;
  answer.set_vocabulary(choice.name);
  auto exact = !choice.estimated && query.tools_json().empty();
  auto total = encoding->count(query.tools_json()).tokens;
  for (const auto& message : query.messages()) {
    std::int64_t count = tokens::message_overhead(format, role_of(message.role()));
    for (const auto& part : message.parts()) {
      auto [text, whole] = text_of(part);
      count += encoding->count(text).tokens;
      exact = exact && whole;
    }
    if (!message.author().empty())
      count += format.per_name + encoding->count(message.author()).tokens;
    answer.add_messages(count);
    total += count;
  }
  answer.set_reply(format.prompt + format.reply);
  answer.set_total(total + answer.reply());
  answer.set_estimated(!exact);
  return answer;
}

caf::expected<v1::TextConverted> work(const v1::ConvertText& query, tokens::library&,
                                      const text_limits&) {
  std::optional<charset::conversion_result> done;
  try {
    done = charset::convert(query.text(), conversion_of(query));
  } catch (const std::length_error& e) {
    return make_error(ec::too_large, e.what());
  }
  if (!done)
    return invalid("the bytes look like no text: name their character set with `from`");
  v1::TextConverted answer;
  answer.set_text(std::move(done->text));
  answer.set_from(std::string{done->from->name});
  answer.set_to(std::string{done->to->name});
  answer.set_confidence(done->confidence);
  answer.set_losses_total(static_cast<std::int64_t>(done->lost));
  for (auto& loss : done->losses) {
    auto& out = *answer.add_losses();
    out.set_at(loss.offset ? static_cast<std::int64_t>(*loss.offset) : -1);
    out.set_bytes(std::move(loss.bytes));
    out.set_kind(loss_kind_name(loss.kind));
  }
  return answer;
}

caf::expected<v1::TextDetected> work(const v1::DetectText& query, tokens::library&,
                                     const text_limits&) {
  v1::TextDetected answer;
  for (const auto& guess : charset::detect(query.text())) {
    auto& out = *answer.add_guesses();
    out.set_encoding(std::string{guess.set->name});
    out.set_confidence(guess.confidence);
  }
  return answer;
}

caf::expected<v1::VocabularyList> work(const v1::ListVocabularies&, tokens::library& library,
                                       const text_limits&) {
  v1::VocabularyList answer;
  for (const auto& info : tokens::vocabularies()) {
    auto& out = *answer.add_vocabularies();
    out.set_name(std::string{info.name});
    out.set_tokens(static_cast<std::int64_t>(library.find(info.name)->size()));
    for (auto model : tokens::models_of_vocabulary(info.name))
      out.add_models(std::string{model});
  }
  return answer;
}

} // namespace troupe
