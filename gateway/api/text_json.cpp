#include "gateway/api/text_json.hpp"

#include "gateway/api/base64.hpp"
#include "gateway/api/json_reader.hpp"

#include <fmt/format.h>

namespace troupe::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t name_bytes_max = 256;
constexpr std::size_t text_bytes_max = 64 * 1'024 * 1'024; // the actor knows better
constexpr std::int64_t limit_max = 1'000'000'000;

/// `model` or `vocabulary`; which are there is for the actor to judge.
template <class Query>
void read_vocabulary(object_reader& reader, Query& out) {
  if (auto model = reader.text("model", name_bytes_max))
    out.set_model(std::move(*model));
  if (auto name = reader.text("vocabulary", name_bytes_max))
    out.set_vocabulary(std::move(*name));
}

void require_text(object_reader& reader, v1::AnalyzeTokens& out) {
  reader.require("text", "a text");
  if (auto text = reader.text("text", text_bytes_max))
    out.set_text(std::move(*text));
}

void read_texts(object_reader& reader, const json& texts, v1::CountTokens& out) {
  constexpr std::string_view allowed = "an array of texts";
  if (!texts.is_array())
    return reader.must_be("texts", allowed);
  for (const auto& text : texts) {
    const auto* value = text.get_ptr<const std::string*>();
    if (value == nullptr || !is_plain_utf8(*value))
      return reader.must_be("texts", allowed);
    out.add_texts(*value);
  }
}

v1::Role role_of(std::string_view name) {
  if (name == "system" || name == "developer")
    return v1::ROLE_SYSTEM;
  if (name == "assistant")
    return v1::ROLE_ASSISTANT;
  return name == "user" ? v1::ROLE_USER : v1::ROLE_TOOL;
}

/// A text; null; or parts, of which those that are no texts make the count an estimate.
void read_content(object_reader& message, const json& content, v1::Message& out) {
  constexpr std::string_view allowed = "a text, null or an array of parts";
  if (content.is_null())
    return;
  if (const auto* text = content.get_ptr<const std::string*>()) {
    out.add_parts()->mutable_text()->set_text(*text);
    return;
  }
  if (!content.is_array())
    return message.must_be("content", allowed);
  for (const auto& part : content) {
    if (!part.is_object())
      return message.must_be("content", allowed);
    auto text = part.find("text");
    if (part.value("type", json{}) != "text")
      out.add_parts()->mutable_file();
    else if (text != part.end() && text->is_string())
      out.add_parts()->mutable_text()->set_text(text->get<std::string>());
    else
      return message.must_be("content", allowed);
  }
}

void read_message(object_reader& reader, const json& value, std::size_t index, v1::Message& out) {
  if (!value.is_object())
    return reader.must_be(fmt::format("messages[{}]", index), "an object with role and content");
  object_reader message{value, reader.path_of(fmt::format("messages[{}]", index))};
  message.require("role", "a role");
  if (auto role = message.one_of("role", {"system", "developer", "user", "assistant", "tool"}))
    out.set_role(role_of(*role));
  if (const auto* content = message.find("content"))
    read_content(message, *content, out);
  if (auto name = message.text("name", name_bytes_max))
    out.set_author(std::move(*name));
  message.find("tool_call_id");
  if (const auto* calls = message.find("tool_calls"); calls != nullptr && !calls->is_null())
    out.add_parts()->mutable_tool_call()->set_arguments_json(dump_json(*calls));
  if (auto err = message.finish())
    reader.fail(std::move(err));
}

caf::expected<count_request> read_chat(object_reader& reader, const json& messages) {
  v1::CountChatTokens out;
  reader.require("model", "the name of the model in whose form the chat is counted");
  if (auto model = reader.text("model", name_bytes_max))
    out.set_model(std::move(*model));
  if (const auto* tools = reader.find("tools"))
    out.set_tools_json(tools->is_null() ? std::string{} : dump_json(*tools));
  if (!messages.is_array())
    reader.must_be("messages", "an array of messages");
  else
    for (std::size_t i = 0; i < messages.size() && !reader.failed(); ++i)
      read_message(reader, messages[i], i, *out.add_messages());
  if (auto err = reader.finish())
    return err;
  return count_request{std::move(out)};
}

void read_ids(object_reader& reader, v1::AnalyzeTokens& out) {
  constexpr std::string_view allowed = "an array of token ids";
  const auto* ids = reader.require("ids", allowed);
  if (ids == nullptr)
    return;
  if (!ids->is_array())
    return reader.must_be("ids", allowed);
  for (const auto& id : *ids) {
    if (!id.is_number_integer())
      return reader.must_be("ids", allowed);
    out.add_ids(id.get<std::int64_t>());
  }
}

void read_specials(object_reader& reader, v1::AnalyzeTokens& out) {
  auto specials = reader.one_of("specials", {"text", "allowed", "refused"});
  if (specials == "allowed")
    out.set_specials(v1::SPECIAL_TOKENS_ALLOWED);
  else if (specials == "refused")
    out.set_specials(v1::SPECIAL_TOKENS_REFUSED);
}

/// `text`, or `data` in base64: exactly one.
template <class Query>
void read_bytes(object_reader& reader, Query& out) {
  auto text = reader.text("text", text_bytes_max);
  auto data = reader.text("data", text_bytes_max);
  if (text.has_value() == data.has_value())
    return reader.fail(
        make_error(ec::invalid_argument, "send either `text`, or `data` with the bytes in base64"));
  auto bytes = text ? std::move(text) : from_base64(*data);
  if (!bytes)
    return reader.must_be("data", "base64 with its padding");
  out.set_text(std::move(*bytes));
}

void put_bytes(json& out, const std::string& bytes) {
  if (is_plain_utf8(bytes))
    out["text"] = bytes;
  else
    out["data"] = to_base64(bytes);
}

json pieces_of(const std::string& text, const v1::TokensAnalyzed& analyzed) {
  auto pieces = json::array();
  std::size_t begin = 0;
  for (auto end : analyzed.ends()) {
    auto to = static_cast<std::size_t>(end);
    pieces.push_back(text.substr(begin, to - begin));
    begin = to;
  }
  return pieces;
}

} // namespace

caf::expected<count_request> read_count_tokens(std::string_view body) {
  auto value = parse_json(body);
  if (!value)
    return value.error();
  object_reader reader{*value};
  if (const auto* messages = reader.find("messages"))
    return read_chat(reader, *messages);
  v1::CountTokens out;
  read_vocabulary(reader, out);
  if (auto limit = reader.integer("limit", 1, limit_max))
    out.set_limit(*limit);
  const auto* texts = reader.find("texts");
  auto text = reader.text("text", text_bytes_max);
  if (texts != nullptr)
    read_texts(reader, *texts, out);
  if ((texts != nullptr) == text.has_value())
    reader.fail(make_error(ec::invalid_argument, "send one of `text`, `texts` and `messages`"));
  if (text)
    out.add_texts(std::move(*text));
  if (auto err = reader.finish())
    return err;
  return count_request{std::move(out)};
}

caf::expected<v1::AnalyzeTokens> read_analyze_tokens(std::string_view body, v1::TokenWork work) {
  auto value = parse_json(body);
  if (!value)
    return value.error();
  object_reader reader{*value};
  v1::AnalyzeTokens out;
  out.set_work(work);
  read_vocabulary(reader, out);
  if (work == v1::TOKEN_WORK_DECODE) {
    read_ids(reader, out);
  } else {
    require_text(reader, out);
    read_specials(reader, out);
  }
  if (work == v1::TOKEN_WORK_ENCODE)
    out.set_places(reader.boolean("places").value_or(false));
  if (work == v1::TOKEN_WORK_TRUNCATE || work == v1::TOKEN_WORK_SPLIT) {
    reader.require("limit", "the tokens that a text may have");
    if (auto limit = reader.integer("limit", 1, limit_max))
      out.set_limit(*limit);
  }
  if (auto err = reader.finish())
    return err;
  return out;
}

caf::expected<v1::ConvertText> read_convert_text(std::string_view body) {
  auto value = parse_json(body);
  if (!value)
    return value.error();
  object_reader reader{*value};
  v1::ConvertText out;
  read_bytes(reader, out);
  // A text in JSON is UTF-8 by now, whatever it was.
  out.set_from(reader.text("from", name_bytes_max).value_or(reader.find("text") ? "utf-8" : ""));
  out.set_to(reader.text("to", name_bytes_max).value_or(""));
  out.set_form(reader.text("form", name_bytes_max).value_or(""));
  out.set_han(reader.text("han", name_bytes_max).value_or(""));
  out.set_fold_width(reader.boolean("fold_width").value_or(false));
  if (auto err = reader.finish())
    return err;
  return out;
}

caf::expected<v1::DetectText> read_detect_text(std::string_view body) {
  auto value = parse_json(body);
  if (!value)
    return value.error();
  object_reader reader{*value};
  v1::DetectText out;
  read_bytes(reader, out);
  if (auto err = reader.finish())
    return err;
  return out;
}

json to_json(const v1::TokensCounted& counted) {
  return {{"vocabulary", counted.vocabulary()},
          {"estimated", counted.estimated()},
          {"total", counted.total()},
          {"counts", counted.counts()},
          {"limit_reached", counted.limit_reached()}};
}

json to_json(const v1::ChatTokensCounted& counted) {
  return {{"vocabulary", counted.vocabulary()},
          {"estimated", counted.estimated()},
          {"total", counted.total()},
          {"messages", counted.messages()},
          {"reply", counted.reply()}};
}

json to_json(const v1::TokensAnalyzed& analyzed, const v1::AnalyzeTokens& query) {
  json out{{"vocabulary", analyzed.vocabulary()},
           {"estimated", analyzed.estimated()},
           {"total", analyzed.total()}};
  switch (query.work()) {
    case v1::TOKEN_WORK_ENCODE:
      out["ids"] = analyzed.ids();
      if (query.places())
        out["ends"] = analyzed.ends();
      break;
    case v1::TOKEN_WORK_SPLIT:
      out["ends"] = analyzed.ends();
      out["pieces"] = pieces_of(query.text(), analyzed);
      break;
    case v1::TOKEN_WORK_TRUNCATE:
      out["truncated"] = analyzed.text().size() < query.text().size();
      put_bytes(out, analyzed.text());
      break;
    default:
      put_bytes(out, analyzed.text());
  }
  return out;
}

json to_json(const v1::VocabularyList& list) {
  auto all = json::array();
  for (const auto& vocabulary : list.vocabularies())
    all.push_back({{"name", vocabulary.name()},
                   {"tokens", vocabulary.tokens()},
                   {"models", vocabulary.models()}});
  return {{"vocabularies", std::move(all)}};
}

json to_json(const v1::TextConverted& converted) {
  auto losses = json::array();
  for (const auto& loss : converted.losses())
    losses.push_back({{"at", loss.at() < 0 ? json(nullptr) : json(loss.at())},
                      {"data", to_base64(loss.bytes())},
                      {"kind", loss.kind()}});
  json out{{"from", converted.from()},
           {"to", converted.to()},
           {"confidence", converted.confidence()},
           {"losses", std::move(losses)},
           {"losses_total", converted.losses_total()}};
  if (converted.to() == "utf-8")
    put_bytes(out, converted.text());
  else
    out["data"] = to_base64(converted.text());
  return out;
}

json to_json(const v1::TextDetected& detected) {
  auto guesses = json::array();
  for (const auto& guess : detected.guesses())
    guesses.push_back({{"encoding", guess.encoding()}, {"confidence", guess.confidence()}});
  return {{"guesses", std::move(guesses)}};
}

} // namespace troupe::gateway
