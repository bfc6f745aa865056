#include "gateway/openai/shapes.hpp"

#include "gateway/api/base64.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <iterator>

namespace troupe::gateway::openai {

namespace {

void append_number(std::string& out, std::int64_t number) {
  fmt::format_int digits{number};
  out.append(digits.data(), digits.size());
}

/// The length of the UTF-8 sequence at `i`, or 0 if there is no valid one.
std::size_t sequence_at(std::string_view text, std::size_t i) {
  auto lead = static_cast<unsigned char>(text[i]);
  std::size_t length = lead < 0x80   ? 1
                       : lead < 0xc2 ? 0
                       : lead < 0xe0 ? 2
                       : lead < 0xf0 ? 3
                       : lead < 0xf5 ? 4
                                     : 0;
  if (length == 0 || i + length > text.size() || !simdjson::validate_utf8(text.data() + i, length))
    return 0;
  return length;
}

void append_repaired(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto length = sequence_at(text, i);
    if (length == 0)
      out += "\xEF\xBF\xBD";
    else
      out.append(text.substr(i, length));
    i += std::max<std::size_t>(length, 1);
  }
}

void append_head(std::string& out, const answer_head& head, std::string_view object) {
  out += "{\"id\":\"";
  out += head.id;
  out += "\",\"object\":\"";
  out += object;
  out += "\",\"created\":";
  append_number(out, head.created_s);
  out += ",\"model\":";
  append_json_string(out, head.model);
}

void append_finish_reason(std::string& out, std::string_view reason) {
  out += ",\"finish_reason\":";
  if (reason.empty())
    out += "null";
  else
    append_json_string(out, reason);
}

std::string_view chunk_object(const answer_head& head) {
  return head.chat ? "chat.completion.chunk" : "text_completion";
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    std::string repaired;
    append_repaired(repaired, text);
    append_json_string(out, repaired);
    return;
  }
  out += '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\')
      continue;
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
    if (c == '"' || c == '\\')
      (out += '\\') += static_cast<char>(c);
    else if (c == '\n')
      out += "\\n";
    else
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
  }
  out.append(text.substr(plain));
  out += '"';
}

void append_usage(std::string& out, const v1::Usage& usage) {
  out += "{\"prompt_tokens\":";
  append_number(out, usage.prompt_tokens());
  out += ",\"completion_tokens\":";
  append_number(out, usage.completion_tokens());
  out += ",\"total_tokens\":";
  append_number(out, usage.total_tokens());
  if (usage.cached_tokens() != 0) {
    out += ",\"prompt_tokens_details\":{\"cached_tokens\":";
    append_number(out, usage.cached_tokens());
    out += '}';
  }
  if (usage.reasoning_tokens() != 0) {
    out += ",\"completion_tokens_details\":{\"reasoning_tokens\":";
    append_number(out, usage.reasoning_tokens());
    out += '}';
  }
  out += '}';
}

void append_chunk(std::string& out, const answer_head& head, std::string_view text,
                  std::string_view finish_reason, bool first) {
  out += "data: ";
  append_head(out, head, chunk_object(head));
  out += ",\"choices\":[{\"index\":0,";
  if (head.chat) {
    out += "\"delta\":{";
    if (first)
      out += "\"role\":\"assistant\",";
    if (first || !text.empty()) {
      out += "\"content\":";
      append_json_string(out, text);
    }
    out += '}';
  } else {
    out += "\"text\":";
    append_json_string(out, text);
  }
  out += ",\"logprobs\":null";
  append_finish_reason(out, finish_reason);
  out += "}]}\n\n";
}

void append_usage_chunk(std::string& out, const answer_head& head, const v1::Usage& usage) {
  out += "data: ";
  append_head(out, head, chunk_object(head));
  out += ",\"choices\":[],\"usage\":";
  append_usage(out, usage);
  out += "}\n\n";
}

std::string whole_answer_json(const answer_head& head, std::string_view text,
                              std::string_view finish_reason, const v1::Usage& usage) {
  std::string out;
  out.reserve(text.size() + 384);
  append_head(out, head, head.chat ? "chat.completion" : "text_completion");
  out += ",\"choices\":[{\"index\":0,";
  if (head.chat) {
    out += "\"message\":{\"role\":\"assistant\",\"content\":";
    append_json_string(out, text);
    out += ",\"refusal\":null}";
  } else {
    out += "\"text\":";
    append_json_string(out, text);
  }
  out += ",\"logprobs\":null";
  append_finish_reason(out, finish_reason);
  out += "}],\"usage\":";
  append_usage(out, usage);
  out += '}';
  return out;
}

std::string embeddings_json(std::string_view model, const std::vector<std::vector<float>>& vectors,
                            std::int64_t prompt_tokens, bool as_base64) {
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    fmt::format_to(std::back_inserter(out),
                   "{}{{\"object\":\"embedding\",\"index\":{},\"embedding\":", i == 0 ? "" : ",",
                   i);
    const auto& vector = vectors[i];
    if (as_base64) {
      out += '"';
      out +=
          to_base64({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)});
      out += '"';
    } else {
      fmt::format_to(std::back_inserter(out), "[{}]", fmt::join(vector, ","));
    }
    out += '}';
  }
  out += "],\"model\":";
  append_json_string(out, model);
  fmt::format_to(std::back_inserter(out),
                 ",\"usage\":{{\"prompt_tokens\":{0},\"total_tokens\":{0}}}}}", prompt_tokens);
  return out;
}

std::string error_json(std::string_view message, std::string_view type, std::string_view code,
                       std::string_view param) {
  auto append_or_null = [](std::string& out, std::string_view text) {
    if (text.empty())
      out += "null";
    else
      append_json_string(out, text);
  };
  std::string out = "{\"error\":{\"message\":";
  append_json_string(out, message);
  out += ",\"type\":";
  append_json_string(out, type);
  out += ",\"param\":";
  append_or_null(out, param);
  out += ",\"code\":";
  append_or_null(out, code);
  out += "}}";
  return out;
}

std::string error_json(const caf::error& err) {
  const auto& row = info(err);
  return error_json(describe(err), row.openai_type, row.name);
}

} // namespace troupe::gateway::openai
