#include "gateway/openai/answer_guard.hpp"

#include "gateway/openai/json_places.hpp"
#include "gateway/openai/shapes.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace troupe::gateway::openai {

namespace {

using json_t = nlohmann::ordered_json;

constexpr std::size_t empty_string_bytes = 2;
constexpr std::int64_t choices_max = 128; // further ones share the last one's texts

std::int64_t bounded(std::int64_t index) { return std::min(index, choices_max - 1); }

/// The chunk with no choices and no usage: what its stream's chunks have in common.
json_t head_of(std::string_view json) {
  auto chunk = json_t::parse(json, nullptr, false);
  if (!chunk.is_object())
    chunk = json_t::object();
  chunk["choices"] = json_t::array();
  if (chunk.contains("usage"))
    chunk["usage"] = nullptr;
  return chunk;
}

json_t choice_with(bool chat, std::int64_t index, said_as what, std::string_view text,
                   const char* reason) {
  json_t one = json_t::object();
  one["index"] = index;
  json_t said = json_t::object();
  if (!text.empty() || !chat)
    said[std::string{field_of(what)}] = text;
  if (chat)
    one["delta"] = std::move(said);
  else
    one.update(said);
  one["logprobs"] = nullptr;
  one["finish_reason"] = reason == nullptr ? json_t(nullptr) : json_t(reason);
  return one;
}

std::string dumped(const json_t& chunk) {
  return chunk.dump(-1, ' ', false, json_t::error_handler_t::replace);
}

} // namespace

std::string chunk_with(std::string_view json, std::int64_t choice, said_as what,
                       std::string_view text) {
  auto chunk = head_of(json);
  chunk["choices"].push_back(choice_with(what != said_as::text, choice, what, text, nullptr));
  return dumped(chunk);
}

/// False if the guard blocked it.
bool answer_guard::push(choice& to, const choice_part& part) {
  auto& one = to.texts[part.what];
  if (!one.guarded)
    one.guarded = guard_->open(v1::TEXT_DIRECTION_MODEL, origin_);
  to.last = &one;
  to.last_as = part.what;
  one.here = true;
  auto before = one.out.size();
  auto held = one.guarded->held_bytes();
  auto refused = one.guarded->push(part.text, one.out);
  one.touched = one.touched || held != 0 || one.guarded->held_bytes() != 0
                || std::string_view{one.out}.substr(before) != part.text;
  return !refused;
}

/// The choice goes on to something else: what was held back of its last text goes before that.
bool answer_guard::settle(std::int64_t index, choice& of, std::string_view json,
                          std::vector<std::string>& out) {
  auto* one = std::exchange(of.last, nullptr);
  if (one == nullptr)
    return true;
  std::string rest;
  auto refused = one->guarded->finish(rest);
  if (!rest.empty() && one->here) {
    one->out += rest;
    one->touched = true;
  } else if (!rest.empty()) {
    out.push_back(chunk_with(json, index, of.last_as, rest));
  }
  return !refused;
}

answer_guard::verdict answer_guard::take(std::string_view json,
                                         const std::vector<choice_part>& said,
                                         std::vector<std::string>& out) {
  auto before = out.size();
  bool good = true;
  for (const auto& part : said) {
    auto& one = choices_[bounded(part.choice)];
    auto goes_on = one.last != nullptr && one.last_as == part.what;
    if (!goes_on)
      good = settle(part.choice, one, json, out);
    if (good && part.what == said_as::finish)
      one.finished = true;
    else if (good && part.what != said_as::tool_call)
      good = push(one, part);
    if (!good)
      break;
  }
  if (head_.empty() && !said.empty())
    head_ = json;
  bool touched = false;
  for (const auto& [index, one] : choices_)
    for (const auto& [what, each] : one.texts)
      touched = touched || each.touched;
  if (!good)
    out.push_back(ending(json));
  else if (touched)
    out.push_back(rewritten(json));
  else if (out.size() != before)
    out.emplace_back(json);
  auto same = out.size() == before;
  for (auto& [index, one] : choices_)
    for (auto& [what, each] : one.texts) {
      each.out.clear();
      each.here = each.touched = false;
    }
  return !good ? verdict::blocked : same ? verdict::same : verdict::changed;
}

answer_guard::verdict answer_guard::finish(std::vector<std::string>& out) {
  auto before = out.size();
  bool good = true;
  for (auto& [index, one] : choices_)
    good = settle(index, one, head_, out) && good;
  if (!good)
    out.push_back(ending(head_));
  return !good ? verdict::blocked : out.size() == before ? verdict::same : verdict::changed;
}

std::string answer_guard::rewritten(std::string_view json) const {
  std::vector<body_edit> edits;
  std::size_t placed = 0, here = 0;
  for (const auto& [index, one] : choices_)
    for (const auto& [what, each] : one.texts)
      here += each.here ? 1 : 0;
  for (const auto& place : places_of_chunk(json)) {
    auto at = choices_.find(bounded(place.choice));
    if (place.logprobs) {
      auto touched = at != choices_.end()
                     && std::any_of(at->second.texts.begin(), at->second.texts.end(),
                                    [](const auto& each) { return each.second.touched; });
      if (touched)
        edits.push_back({place.place.at, place.place.length, "null"});
      continue;
    }
    if (place.place.length <= empty_string_bytes)
      continue; // nobody looked at it
    const text* said = nullptr;
    if (at != choices_.end())
      if (auto found = at->second.texts.find(place.what); found != at->second.texts.end())
        said = &found->second;
    if (said == nullptr || !said->here)
      return made_anew(json);
    ++placed;
    if (!said->touched)
      continue;
    std::string value;
    append_json_string(value, said->out);
    edits.push_back({place.place.at, place.place.length, std::move(value)});
  }
  return placed == here ? splice(json, edits) : made_anew(json);
}

/// Where the chunk says things twice, so that what was looked at has no one place in it: only that.
std::string answer_guard::made_anew(std::string_view json) const {
  auto chunk = head_of(json);
  for (const auto& [index, one] : choices_) {
    for (const auto& [what, each] : one.texts)
      if (each.here)
        chunk["choices"].push_back(
            choice_with(what != said_as::text, index, what, each.out, nullptr));
    if (one.finished)
      chunk["choices"].push_back(
          choice_with(!one.texts.contains(said_as::text), index, said_as::content, {}, "stop"));
  }
  return dumped(chunk);
}

/// What ends an answer that is blocked, as OpenAI ends one; with what may go on of the chunk.
std::string answer_guard::ending(std::string_view json) const {
  auto chunk = head_of(json);
  for (const auto& [index, one] : choices_) {
    if (one.finished)
      continue;
    auto what = said_as::content;
    std::string_view text;
    for (const auto& [as, each] : one.texts)
      if (each.here || text.empty()) {
        what = as;
        text = each.out;
      }
    auto chat = !one.texts.contains(said_as::text);
    chunk["choices"].push_back(choice_with(chat, index, what, text, "content_filter"));
  }
  return dumped(chunk);
}

} // namespace troupe::gateway::openai
