// Bodies of /v1 requests, and what upstreams answer. A body that was read and then edited is read
// again as what it was edited to be.
#include "gateway/openai/chunk.hpp"
#include "gateway/openai/json_places.hpp"
#include "gateway/openai/request_reader.hpp"
#include "gateway/openai/shapes.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace troupe;
using namespace troupe::gateway::openai;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

void try_edits(std::string_view body, const request_facts& facts, bool ask_usage) {
  constexpr std::string_view upstream_model = "their/\"model\"\n";
  auto edited = splice(body, edits_for(facts, upstream_model, ask_usage));
  request_facts again;
  require(!read_request(edited, again));
  require(again.model == upstream_model && again.stream == facts.stream);
  require(again.include_usage == (facts.include_usage || (ask_usage && facts.stream)));
  require(edits_for(again, upstream_model, ask_usage).empty());
}

/// Texts that are replaced where they stand are read again as what replaced them.
void try_places(std::string_view body) {
  auto texts = texts_with_places(body);
  if (!texts) {
    require(!describe(texts.error()).empty());
    return;
  }
  constexpr std::string_view other = "another \"text\"\n";
  std::vector<body_edit> edits;
  for (const auto& one : *texts) {
    edits.push_back({one.place.at, one.place.length, {}});
    append_json_string(edits.back().text, other);
  }
  auto edited = splice(body, edits);
  request_facts facts;
  require(!read_request(edited, facts));
  auto again = texts_with_places(edited);
  require(again && again->size() == texts->size());
  for (std::size_t i = 0; i < again->size(); ++i)
    require((*again)[i].text == other && (*again)[i].of_model == (*texts)[i].of_model);
}

void read_as_request(std::string_view body) {
  request_facts facts;
  if (auto err = read_request(body, facts)) {
    require(!describe(err).empty());
    return;
  }
  require(splice(body, edits_for(facts, facts.model, false)) == body);
  try_edits(body, facts, false);
  try_edits(body, facts, true);
  texts_of_request(body);
  try_places(body);
}

void read_as_answer(std::string_view json) {
  stream_facts facts;
  stream_facts same;
  std::string text;
  std::string same_text;
  google::protobuf::RepeatedPtrField<v1::CompletionEvent> events;
  auto kind = read_chunk(json, facts, text);
  require(kind == read_chunk(json, same, same_text, events));
  require(text == same_text && facts.finished() == same.finished());
  v1::CompletionEvents sent;
  *sent.mutable_events() = events;
  v1::CompletionEvents received;
  require(received.ParseFromString(sent.SerializeAsString()));
  std::optional<v1::Usage> usage;
  bool whole = read_whole(json, usage);
  require(whole || kind == chunk_kind::malformed);
  std::optional<v1::Usage> same_usage;
  std::vector<choice_part> said;
  auto of_choices = read_whole(json, same_usage, said);
  require(whole == (of_choices != whole_kind::malformed));
  require(!whole || usage.has_value() == same_usage.has_value());
  if (kind == chunk_kind::content || kind == chunk_kind::usage)
    require(usage.has_value() == facts.usage.has_value()
            && (!usage || usage->SerializeAsString() == facts.usage->SerializeAsString()));
  texts_of_whole(json);
  require(!describe(read_error(502, json, "fuzz")).empty());
  is_error_object(json);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  read_as_request(text);
  read_as_answer(text);
  std::string quoted;
  append_json_string(quoted, text);
  require(nlohmann::json::parse(quoted, nullptr, false).is_string());
  return 0;
}
