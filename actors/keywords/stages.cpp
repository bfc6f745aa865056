#include "actors/keywords/stages.hpp"

#include <optional>
#include <utility>

namespace troupe {

namespace {

using keywords::chosen_answer;
using keywords::message_facts;

// As often another thread may take a rule before this one.
constexpr int tries_max = 8;

/// The user's message of the turn in a request; null if the turn goes on after it.
v1::Message* question_of(const v1::Turn& turn, v1::StartCompletion& request) {
  if (turn.step() != 0 || request.messages().empty())
    return nullptr;
  auto& last = *request.mutable_messages(request.messages_size() - 1);
  return last.role() == v1::ROLE_USER && last.id() == turn.message_id() ? &last : nullptr;
}

void replace_text(v1::Message& message, std::string text) {
  v1::Message changed;
  changed.add_parts()->mutable_text()->set_text(std::move(text));
  for (auto& part : *message.mutable_parts())
    if (!part.has_text())
      *changed.add_parts() = std::move(part);
  message.mutable_parts()->Swap(changed.mutable_parts());
}

/// The answer of the best rule that may be used; it is used then.
std::optional<chosen_answer> answer(const keyword_stage_options& options, const v1::Turn& turn,
                                    const v1::Message& question, const std::string& text) {
  auto rules = options.live->current();
  if (rules == nullptr || rules->size() == 0)
    return {};
  const auto& from = turn.reply_to();
  message_facts message{text,           from.channel(), from.account(),         from.chat_id(),
                        from.user_id(), from.group(),   options.clock->now_us()};
  if (message.channel.empty())
    message.channel = "api";
  keywords::message_names names;
  names.user = !question.author().empty() ? question.author() : from.user_id();
  if (from.group())
    names.group = from.chat_id();
  thread_local keywords::matcher::scratch memory;
  auto& usage = *options.usage;
  for (int i = 0; i < tries_max; ++i) {
    auto best = rules->best(message, memory,
                            [&](const keywords::rule& r) { return !usage.rests(r, message); });
    if (best.incomplete && i == 0)
      ++usage.counts().incomplete;
    if (!best.found)
      return {};
    if (usage.take(*best.found->what, message))
      return answer_of(message, *best.found, names, options.random());
  }
  return {};
}

} // namespace

namespace keywords {

std::string own_text(const v1::Message& message) {
  std::string text;
  for (const auto& part : message.parts()) {
    if (!part.has_text())
      continue;
    if (!text.empty())
      text += '\n';
    text += part.text().text();
  }
  std::size_t at = 0;
  while (std::string_view{text}.substr(at).starts_with("> ")) {
    auto end = text.find('\n', at);
    if (end == text.npos)
      return {}; // it quotes, and says nothing itself
    at = end + 1;
  }
  if (at > 0 && at < text.size() && text[at] == '\n')
    ++at;
  return text.substr(at);
}

ready_answer ready(chosen_answer answer) {
  ready_answer made{std::move(answer.text), {}};
  for (auto& image : answer.images) {
    if (image.starts_with("https://")) {
      made.images.emplace_back().set_url(std::move(image));
      continue;
    }
    if (!made.text.empty())
      made.text += '\n';
    made.text += image;
  }
  return made;
}

} // namespace keywords

void keyword_stage::examine(const stage_context&, const v1::Turn& turn, v1::StartCompletion request,
                            next go_on) const {
  auto* question =
      !options_.api && turn.reply_to().channel().empty() ? nullptr : question_of(turn, request);
  if (question == nullptr)
    return go_on(std::move(request));
  auto text = keywords::own_text(*question);
  auto chosen = text.empty() ? std::nullopt : answer(options_, turn, *question, text);
  auto& counts = options_.usage->counts();
  if (!chosen) {
    ++counts.unmatched;
    return go_on(std::move(request));
  }
  if (!chosen->prompt) {
    ++counts.answered;
    return go_on(keywords::ready(std::move(*chosen)));
  }
  ++counts.prompted;
  replace_text(*question, std::move(chosen->text));
  go_on(std::move(request));
}

} // namespace troupe
