#include "gateway/openai/chunk.hpp"

#include "gateway/openai/json_walk.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace troupe::gateway::openai {

namespace {

using namespace simdjson;
using events_list = google::protobuf::RepeatedPtrField<v1::CompletionEvent>;
using parts_list = std::vector<choice_part>;

constexpr std::size_t depth_max = 64;
constexpr std::size_t error_text_max = 2'000;
constexpr std::int64_t number_max = 1'000'000'000'000;

constexpr std::array<std::pair<std::string_view, said_as>, 5> text_fields{{
    {"content", said_as::content},
    {"refusal", said_as::refusal},
    {"reasoning_content", said_as::reasoning_content},
    {"reasoning", said_as::reasoning},
    {"text", said_as::text},
}};

/// A parser and its padded input. One a thread: what it parsed is used before anything else runs
/// there, and thousands of streams share its memory.
struct scratch {
  dom::parser parser;
  std::string input;

  /// The document if `json` is an object.
  simdjson_result<dom::object> parse(std::string_view json) {
    if (input.capacity() > scratch_kept_max) {
      input = {};
      parser = dom::parser{};
    }
    if (parser.max_depth() != depth_max)
      if (auto failed = parser.allocate(4'096, depth_max))
        return failed;
    input.reserve(json.size() + SIMDJSON_PADDING);
    input.assign(json);
    return parser.parse(input.data(), input.size(), false).get_object();
  }
};

scratch& local_scratch() {
  thread_local scratch one;
  return one;
}

std::string_view text_at(const dom::object& object, std::string_view key) {
  std::string_view text;
  return object[key].get_string().get(text) == SUCCESS ? text : std::string_view{};
}

/// Within bounds: an upstream's numbers are added up, here and by the ledger.
std::int64_t bounded(std::int64_t number) {
  return std::clamp<std::int64_t>(number, 0, number_max);
}

std::int64_t number_at(const dom::object& object, std::string_view key) {
  std::int64_t number = 0;
  return object[key].get_int64().get(number) == SUCCESS ? bounded(number) : 0;
}

void complete(v1::Usage& usage) {
  if (usage.total_tokens() == 0)
    usage.set_total_tokens(usage.prompt_tokens() + usage.completion_tokens());
}

std::optional<v1::Usage> usage_at(const dom::object& object) {
  dom::object found;
  if (object["usage"].get_object().get(found) != SUCCESS)
    return std::nullopt;
  v1::Usage usage;
  usage.set_prompt_tokens(number_at(found, "prompt_tokens"));
  usage.set_completion_tokens(number_at(found, "completion_tokens"));
  usage.set_total_tokens(number_at(found, "total_tokens"));
  complete(usage);
  dom::object details;
  if (found["prompt_tokens_details"].get_object().get(details) == SUCCESS)
    usage.set_cached_tokens(number_at(details, "cached_tokens"));
  if (found["completion_tokens_details"].get_object().get(details) == SUCCESS)
    usage.set_reasoning_tokens(number_at(details, "reasoning_tokens"));
  return usage;
}

/// Numbers of members, by their names. Of a member that is there twice, the first counts.
struct number_member {
  std::string_view name;
  std::optional<std::int64_t> number = std::nullopt;
};

/// False if there is no JSON.
bool read_number(std::string_view key, ondemand::value& value, std::span<number_member> members) {
  for (auto& member : members) {
    if (member.name != key || member.number)
      continue;
    ondemand::json_type type;
    if (value.type().get(type) != SUCCESS)
      return false;
    std::int64_t number = 0;
    bool good = type == ondemand::json_type::number && value.get_int64().get(number) == SUCCESS;
    member.number = good ? bounded(number) : 0;
  }
  return true;
}

bool read_details(ondemand::value& value, number_member& member, bool& seen) {
  ondemand::object object;
  if (std::exchange(seen, true) || value.get_object().get(object) != SUCCESS)
    return true; // null, as a rule
  return each_member(object, [&](std::string_view key, ondemand::value& inner) {
    return read_number(key, inner, {&member, 1});
  });
}

bool read_usage(ondemand::object& object, v1::Usage& usage) {
  std::array<number_member, 3> counts{{{"prompt_tokens"}, {"completion_tokens"}, {"total_tokens"}}};
  number_member cached{"cached_tokens"};
  number_member reasoning{"reasoning_tokens"};
  bool prompt_seen = false;
  bool completion_seen = false;
  bool good = each_member(object, [&](std::string_view key, ondemand::value& value) {
    if (key == "prompt_tokens_details")
      return read_details(value, cached, prompt_seen);
    if (key == "completion_tokens_details")
      return read_details(value, reasoning, completion_seen);
    return read_number(key, value, counts);
  });
  usage.set_prompt_tokens(counts[0].number.value_or(0));
  usage.set_completion_tokens(counts[1].number.value_or(0));
  usage.set_total_tokens(counts[2].number.value_or(0));
  usage.set_cached_tokens(cached.number.value_or(0));
  usage.set_reasoning_tokens(reasoning.number.value_or(0));
  complete(usage);
  return good;
}

void read_tool_calls(const dom::object& delta, std::string& text, events_list* events) {
  dom::array calls;
  if (delta["tool_calls"].get_array().get(calls) != SUCCESS)
    return;
  for (auto item : calls) {
    dom::object call;
    dom::object function;
    if (item.get_object().get(call) != SUCCESS)
      continue;
    std::string_view name;
    std::string_view arguments;
    if (call["function"].get_object().get(function) == SUCCESS) {
      name = text_at(function, "name");
      arguments = text_at(function, "arguments");
    }
    text.append(name).append(arguments);
    if (events == nullptr)
      continue;
    auto* event = events->Add()->mutable_tool_call();
    event->set_index(
        static_cast<std::int32_t>(std::min<std::int64_t>(number_at(call, "index"), 1'000)));
    event->set_call_id(std::string{text_at(call, "id")});
    event->set_name(std::string{name});
    event->set_arguments(std::string{arguments});
  }
}

void read_delta(const dom::object& delta, std::string& text, events_list* events) {
  auto content = text_at(delta, "content");
  auto refusal = text_at(delta, "refusal");
  auto reasoning = text_at(delta, "reasoning_content");
  if (reasoning.empty())
    reasoning = text_at(delta, "reasoning");
  text.append(content).append(refusal).append(reasoning);
  if (events != nullptr && !(content.empty() && refusal.empty() && reasoning.empty())) {
    auto* event = events->Add()->mutable_delta();
    event->set_text(std::string{content.empty() ? refusal : content});
    event->set_reasoning(std::string{reasoning});
  }
  read_tool_calls(delta, text, events);
}

/// The texts of one choice, `from` being its delta or itself. False if one is there and no text:
/// nobody knows how it is read.
bool add_parts(const dom::object& from, std::int64_t choice, parts_list& said) {
  bool good = true;
  auto add = [&](std::string_view key, said_as what) {
    dom::element value;
    if (from[key].get(value) != SUCCESS || value.is_null())
      return;
    std::string_view text;
    good = good && value.get_string().get(text) == SUCCESS;
    if (!text.empty())
      said.push_back({choice, what, text});
  };
  add("reasoning_content", said_as::reasoning_content);
  add("reasoning", said_as::reasoning);
  add("content", said_as::content);
  add("refusal", said_as::refusal);
  add("text", said_as::text);
  if (from["tool_calls"].is_array() || from["function_call"].is_object())
    said.push_back({choice, said_as::tool_call, {}});
  return good;
}

chunk_kind read_object(const dom::object& chunk, stream_facts& facts, std::string& text,
                       events_list* events, parts_list* said) {
  dom::element error;
  if (chunk["error"].get(error) == SUCCESS && !error.is_null())
    return chunk_kind::error;
  if (auto usage = usage_at(chunk))
    facts.usage = std::move(usage);
  if (facts.model.empty()) {
    facts.model = text_at(chunk, "model");
    facts.id = text_at(chunk, "id");
  }
  dom::array choices;
  if (chunk["choices"].get_array().get(choices) != SUCCESS || choices.begin() == choices.end())
    return chunk["usage"].is_object() ? chunk_kind::usage : chunk_kind::content;
  for (auto item : choices) {
    dom::object choice;
    if (item.get_object().get(choice) != SUCCESS)
      continue;
    auto index = number_at(choice, "index");
    auto bit = std::uint64_t{1} << std::min<std::int64_t>(index, 63);
    facts.choices_seen |= bit;
    dom::object delta;
    auto* sink = index == 0 ? events : nullptr; // a conversation reads one answer
    if (choice["delta"].get_object().get(delta) == SUCCESS)
      read_delta(delta, text, sink);
    else
      text.append(text_at(choice, "text"));
    if (said != nullptr && !add_parts(choice["delta"].is_object() ? delta : choice, index, *said))
      return chunk_kind::malformed;
    auto reason = text_at(choice, "finish_reason");
    if (reason.empty())
      continue;
    if (said != nullptr)
      said->push_back({index, said_as::finish, {}});
    facts.choices_finished |= bit;
    if (facts.finish_reason.empty())
      facts.finish_reason = reason;
  }
  return chunk_kind::content;
}

chunk_kind read_any(std::string_view json, stream_facts& facts, std::string& text,
                    events_list* events, parts_list* said) {
  dom::object chunk;
  if (local_scratch().parse(json).get(chunk) != SUCCESS)
    return chunk_kind::malformed;
  return read_object(chunk, facts, text, events, said);
}

/// Takes the texts of a whole answer's choices. Clients differ in what they read of an odd one, so
/// that it is not known what it says: something is there twice, or not of the type it has to be.
class choices_reader {
public:
  explicit choices_reader(parts_list& said) : said_(said) {}

  // All of these are false if it is not known what is said.
  bool read(const dom::object& answer) {
    bool seen = false;
    for (auto [key, value] : answer)
      if (key == "choices" && (std::exchange(seen, true) || !choices(value)))
        return false;
    return true;
  }

private:
  bool choices(const dom::element& value) {
    dom::array list;
    if (value.get_array().get(list) != SUCCESS)
      return value.is_null();
    std::int64_t place = 0;
    for (auto item : list)
      if (!choice(item, place++))
        return false;
    return true;
  }

  bool choice(const dom::element& value, std::int64_t place) {
    dom::object object;
    if (value.get_object().get(object) != SUCCESS)
      return false;
    auto first = said_.size();
    bool has_message = false;
    for (auto [key, inner] : object)
      if (key == "message" ? std::exchange(has_message, true) || !message(inner, place)
                           : !text(key, inner, place))
        return false;
    for (auto i = first; i < said_.size(); ++i)
      for (auto j = first; j < i; ++j)
        if (said_[i].what == said_[j].what)
          return false;
    return true;
  }

  bool message(const dom::element& value, std::int64_t place) {
    dom::object object;
    if (value.get_object().get(object) != SUCCESS)
      return value.is_null();
    for (auto [key, inner] : object)
      if (!text(key, inner, place))
        return false;
    return true;
  }

  bool text(std::string_view key, const dom::element& value, std::int64_t place) {
    auto what = text_field(key);
    if (!what || value.is_null())
      return true;
    std::string_view said;
    if (value.get_string().get(said) != SUCCESS)
      return false;
    said_.push_back({place, *what, said});
    return true;
  }

  parts_list& said_;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

ec code_of(int status, std::string_view code, std::string_view message) {
  if (code == "context_length_exceeded" || contains(message, "maximum context length")
      || contains(message, "context window"))
    return ec::context_too_long;
  if (code == "content_filter" || code == "content_policy_violation"
      || code == "data_inspection_failed")
    return ec::content_filtered;
  if (status == 429)
    return ec::upstream_rate_limited;
  if (status == 404 || code == "model_not_found")
    return ec::model_not_found;
  return status >= 500 || status < 400 ? ec::upstream_unavailable : ec::upstream_rejected;
}

} // namespace

chunk_kind read_chunk(std::string_view json, stream_facts& facts, std::string& text) {
  return read_any(json, facts, text, nullptr, nullptr);
}

chunk_kind read_chunk(std::string_view json, stream_facts& facts, std::string& text,
                      std::vector<choice_part>& said) {
  return read_any(json, facts, text, nullptr, &said);
}

chunk_kind read_chunk(std::string_view json, stream_facts& facts, std::string& text,
                      events_list& events) {
  return read_any(json, facts, text, &events, nullptr);
}

std::string_view field_of(said_as what) {
  for (const auto& [name, as] : text_fields)
    if (as == what)
      return name;
  return text_fields[0].first;
}

std::optional<said_as> text_field(std::string_view name) {
  for (const auto& [field, as] : text_fields)
    if (field == name)
      return as;
  return std::nullopt;
}

// A whole answer is mostly text that nobody here reads: it is not made a document of.
bool read_whole(std::string_view json, std::optional<v1::Usage>& usage) {
  auto& local = local_walker();
  ondemand::document document;
  ondemand::object answer;
  if (local.begin(json).get(document) != SUCCESS || document.get_object().get(answer) != SUCCESS)
    return false;
  bool seen = false;
  bool good = each_member(answer, [&](std::string_view key, ondemand::value& value) {
    ondemand::object found;
    if (key != "usage" || std::exchange(seen, true) || value.get_object().get(found) != SUCCESS)
      return true;
    return read_usage(found, usage.emplace());
  });
  if (!good)
    return false;
  return document.current_location().error() == OUT_OF_BOUNDS; // nothing follows
}

// Whose texts are looked at has to be JSON to its last character: a document tells.
whole_kind read_whole(std::string_view json, std::optional<v1::Usage>& usage, parts_list& said) {
  dom::object answer;
  if (local_scratch().parse(json).get(answer) != SUCCESS)
    return read_whole(json, usage) ? whole_kind::unreadable : whole_kind::malformed;
  usage = usage_at(answer);
  return choices_reader{said}.read(answer) ? whole_kind::good : whole_kind::unreadable;
}

std::string texts_of_whole(std::string_view json) {
  std::string text;
  dom::object answer;
  dom::array choices;
  if (local_scratch().parse(json).get(answer) != SUCCESS
      || answer["choices"].get_array().get(choices) != SUCCESS)
    return text;
  for (auto item : choices) {
    dom::object choice;
    dom::object message;
    if (item.get_object().get(choice) != SUCCESS)
      continue;
    if (choice["message"].get_object().get(message) == SUCCESS)
      read_delta(message, text, nullptr);
    else
      text.append(text_at(choice, "text"));
  }
  return text;
}

caf::error read_error(int status, std::string_view json, std::string_view who) {
  std::string_view message;
  std::string_view code;
  dom::object answer;
  dom::object error;
  if (local_scratch().parse(json).get(answer) == SUCCESS) {
    if (answer["error"].get_object().get(error) == SUCCESS) {
      message = text_at(error, "message");
      code = text_at(error, "code");
    } else {
      message = text_at(answer, "error");
    }
    if (message.empty())
      message = text_at(answer, "message");
  }
  auto kind = code_of(status, code, message);
  if (message.empty())
    return make_error(kind, fmt::format("{} answered with status {}", who, status));
  return make_error(kind, fmt::format("{}: {}", who, message.substr(0, error_text_max)));
}

bool is_error_object(std::string_view json) {
  dom::object answer;
  return local_scratch().parse(json).get(answer) == SUCCESS && answer["error"].error() == SUCCESS;
}

} // namespace troupe::gateway::openai
