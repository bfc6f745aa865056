#include "actors/session/window.hpp"

#include <algorithm>
#include <set>

namespace troupe {

namespace {

constexpr std::int64_t image_tokens = 765;
constexpr std::int64_t image_tokens_low = 85;
constexpr std::int64_t bytes_per_file_token = 4;
constexpr std::int64_t tool_frame_tokens = 8; // around a call's name and arguments, or a result

std::int64_t tokens_of_bytes(std::size_t bytes) {
  return static_cast<std::int64_t>(bytes) / bytes_per_file_token + 1;
}

std::int64_t fixed_tokens(const v1::Part& part) {
  switch (part.kind_case()) {
    case v1::Part::kImage:
      return part.image().detail() == "low" ? image_tokens_low : image_tokens;
    case v1::Part::kAudio:
      return tokens_of_bytes(part.audio().data().size());
    case v1::Part::kFile:
      return tokens_of_bytes(part.file().data().size());
    case v1::Part::kToolCall:
    case v1::Part::kToolResult:
      return tool_frame_tokens;
    default:
      return 0;
  }
}

std::size_t next_not_tool(const std::vector<v1::Message>& messages, std::size_t i) {
  while (i < messages.size() && messages[i].role() == v1::ROLE_TOOL)
    ++i;
  return i;
}

template <class Predicate>
void remove_parts(v1::Message& message, Predicate unwanted) {
  auto& parts = *message.mutable_parts();
  parts.erase(std::remove_if(parts.begin(), parts.end(), unwanted), parts.end());
}

// A model's own answer has no pictures: those of a ready answer become what is known of them.
void name_images(v1::Message& message) {
  for (auto& part : *message.mutable_parts()) {
    if (!part.has_image())
      continue;
    auto url = part.image().url();
    part.mutable_text()->set_text(url.empty() ? "[image]" : "[image " + url + "]");
  }
}

// Keeps the calls of `messages[i]` and the results right after it that belong together.
void pair_tools(std::vector<v1::Message>& messages, std::size_t i) {
  std::set<std::string> called;
  std::set<std::string> answered;
  auto end = next_not_tool(messages, i + 1);
  for (const auto& part : messages[i].parts())
    if (part.has_tool_call())
      called.insert(part.tool_call().call_id());
  for (auto j = i + 1; j < end; ++j)
    for (const auto& part : messages[j].parts())
      if (part.has_tool_result())
        answered.insert(part.tool_result().call_id());
  remove_parts(messages[i], [&](const v1::Part& part) {
    return part.has_tool_call() && !answered.contains(part.tool_call().call_id());
  });
  for (auto j = i + 1; j < end; ++j)
    remove_parts(messages[j], [&](const v1::Part& part) {
      return part.has_tool_result() && !called.contains(part.tool_result().call_id());
    });
}

} // namespace

std::vector<std::string> countable_texts(const v1::Message& message) {
  std::vector<std::string> texts;
  auto add = [&](const std::string& text) {
    if (!text.empty())
      texts.push_back(text);
  };
  add(message.author());
  for (const auto& part : message.parts()) {
    add(part.text().text());
    add(part.tool_call().name());
    add(part.tool_call().arguments_json());
    add(part.tool_result().content());
  }
  return texts;
}

std::int64_t fixed_tokens(const v1::Message& message) {
  auto sum = tokens_per_message;
  for (const auto& part : message.parts())
    sum += fixed_tokens(part);
  return sum;
}

std::int64_t tokens_at_most(const v1::Message& message) {
  auto sum = fixed_tokens(message) + static_cast<std::int64_t>(message.author().size());
  for (const auto& part : message.parts())
    sum += static_cast<std::int64_t>(part.text().text().size() + part.tool_call().name().size()
                                     + part.tool_call().arguments_json().size()
                                     + part.tool_result().content().size());
  return sum;
}

window_choice choose_window(std::span<const window_item> items, std::int64_t fixed,
                            std::int64_t budget, bool complete) {
  std::vector<std::size_t> starts; // of exchanges
  if (complete && !items.empty() && items.front().role != v1::ROLE_USER)
    starts.push_back(0);
  for (std::size_t i = 0; i < items.size(); ++i)
    if (items[i].role == v1::ROLE_USER)
      starts.push_back(i);
  window_choice choice;
  choice.tokens = fixed;
  choice.first = items.size();
  auto end = items.size();
  while (!starts.empty()) {
    auto begin = starts.back();
    std::int64_t exchange = 0;
    for (auto i = begin; i < end; ++i)
      exchange += items[i].tokens;
    bool newest = end == items.size();
    if (choice.tokens + exchange > budget) {
      if (newest)
        choice.tokens += exchange;
      return choice;
    }
    choice.fits = true;
    choice.tokens += exchange;
    choice.first = begin;
    end = begin;
    starts.pop_back();
  }
  return choice;
}

std::int64_t prompt_budget(std::int64_t window, std::int64_t configured_max, std::int64_t reserved,
                           std::int64_t max_tokens) {
  if (configured_max > 0)
    window = std::min(window, configured_max);
  return window - (max_tokens > 0 ? max_tokens : std::min(reserved, window / 2));
}

void prepare_for_model(std::vector<v1::Message>& messages) {
  bool orphans = true; // tool results before any assistant message have no call
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto& message = messages[i];
    remove_parts(message, [](const v1::Part& part) { return part.has_reasoning(); });
    if (message.role() == v1::ROLE_ASSISTANT)
      name_images(message);
    if (message.role() == v1::ROLE_ASSISTANT)
      pair_tools(messages, i);
    else if (message.role() == v1::ROLE_TOOL && orphans)
      message.clear_parts();
    if (message.role() != v1::ROLE_TOOL)
      orphans = message.role() != v1::ROLE_ASSISTANT;
    message.clear_conversation_id();
    message.clear_parent_id();
    message.clear_turn_id();
    message.clear_usage();
    message.clear_model();
    message.clear_finish_reason();
  }
  std::erase_if(messages, [](const v1::Message& message) { return message.parts().empty(); });
}

std::vector<v1::ToolCallPart> tool_calls_of(const v1::Message& message) {
  std::vector<v1::ToolCallPart> calls;
  for (const auto& part : message.parts())
    if (part.has_tool_call())
      calls.push_back(part.tool_call());
  return calls;
}

} // namespace troupe
