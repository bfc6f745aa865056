// Event streams: no input crashes the parser, and pieces change nothing.
#include "gateway/upstream/dialect.hpp"
#include "gateway/upstream/sse_parser.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

using troupe::gateway::sse_event;
using troupe::gateway::sse_parser;

namespace {

std::string parse(std::string_view text, std::size_t piece) {
  std::string all;
  sse_parser parser{256};
  for (std::size_t i = 0; i < text.size(); i += piece)
    if (!parser.feed(text.substr(i, piece), [&](const sse_event& e) {
          all.append(e.name).append("|").append(e.data).append("|").append(e.id).append("\n\n");
        }))
      break;
  return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (parse(text, text.size() + 1) != parse(text, 1u + data[0] % 17))
    std::abort();
  troupe::v1::CompletionEvents events;
  auto decoder = troupe::gateway::find_dialect("openai")->decoder("fuzz");
  if (!decoder->feed(text, events))
    decoder->end();
  return 0;
}
