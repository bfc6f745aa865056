// Bodies and query strings of the REST API: refused with a sentence, or read as payloads that any
// node can read again. The first byte chooses the reader.
#include "gateway/api/conversation_json.hpp"
#include "gateway/api/json_reader.hpp"
#include "gateway/api/key_json.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace troupe;
using namespace troupe::gateway;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

void require_sentence(const caf::error& err) { require(!describe(err).empty()); }

/// A payload that cannot be parsed again, as with bytes that are no UTF-8, dies on its way to
/// another node.
template <class P>
void require_payload(const caf::expected<P>& read) {
  if (!read)
    return require_sentence(read.error());
  P again;
  require(again.ParseFromString(read->SerializeAsString()));
}

void read_body(unsigned reader, std::string_view body) {
  const api_limits limits;
  if (reader == 0) {
    auto created = read_create(body, limits);
    require_payload(created);
    if (created)
      require(static_cast<bool>(parse_json(dump_json(to_json(created->conversation())))));
  } else if (reader == 1) {
    require_payload(read_update(body, limits));
  } else if (reader == 2) {
    auto post = read_post(body, limits);
    require_payload(post);
    v1::Message message;
    if (post)
      *message.mutable_parts() = post->parts();
    require(static_cast<bool>(parse_json(dump_json(to_json(message)))));
  } else {
    require_payload(read_create_key(body, 1'700'000'000'000'000));
  }
}

void read_query(std::string_view text) {
  auto number = read_query_integer("limit", text, 1, 200, 50);
  require(!number || (*number >= 1 && *number <= 200));
  read_query_integer("after", text, INT64_MIN, INT64_MAX, 0);
  read_query_flag("all", text, false);
  constexpr std::string_view turn = "0190a3d2-6a2b-7c3d-8e4f-5a6b7c8d9e0f";
  auto seq = read_event_id(text, turn);
  if (seq)
    require(*seq >= 0 && *read_event_id(event_id(turn, *seq), turn) == *seq);
  check_idempotency_key(text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto value = parse_json(text);
  if (value) {
    auto again = parse_json(dump_json(*value));
    require(again && *again == *value);
  } else {
    require_sentence(value.error());
  }
  if (data[0] % 8 < 4)
    read_body(data[0] % 8, text);
  else
    read_query(text);
  return 0;
}
