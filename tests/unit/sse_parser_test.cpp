// The parser of event streams: the same events whatever the pieces.
#include "gateway/upstream/sse_parser.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using troupe::gateway::sse_event;
using troupe::gateway::sse_parser;

namespace {

std::vector<std::string> parse(const std::vector<std::string>& pieces,
                               std::size_t bytes_max = 1'000) {
  std::vector<std::string> events;
  sse_parser parser{bytes_max};
  for (const auto& piece : pieces)
    if (!parser.feed(piece, [&](const sse_event& e) {
          events.push_back(std::string{e.name} + "|" + std::string{e.data} + "|"
                           + std::string{e.id});
        })) {
      events.push_back("failed");
      break;
    }
  return events;
}

std::vector<std::string> in_pieces_of(const std::string& text, std::size_t size) {
  std::vector<std::string> pieces;
  for (std::size_t i = 0; i < text.size(); i += size)
    pieces.push_back(text.substr(i, size));
  return pieces;
}

using list = std::vector<std::string>;

} // namespace

TEST_CASE("an event stream gives the same events in any pieces") {
  const std::string text = "\xEF\xBB\xBF"
                           "data: one\n\n"
                           ": a comment\r\n"
                           "event: named\r\ndata: two\r\ndata:three\r\nid: 7\r\n\r\n"
                           "data\rdata:  four\r\r"
                           "retry: 10\nunknown: x\n\n"
                           "data: last\n\n"
                           "data: unfinished\n";
  const list expected{"|one|", "named|two\nthree|7", "|\n four|7", "|last|7"};
  for (std::size_t size = 1; size <= text.size(); ++size) {
    CAPTURE(size);
    CHECK(parse(in_pieces_of(text, size)) == expected);
  }
}

TEST_CASE("CR, LF and CRLF each end a line, also across pieces") {
  CHECK(parse({"data: a\r", "\ndata: b\r", "\n\r", "\n"}) == list{"|a\nb|"});
  CHECK(parse({"data: a\r\rdata: b\n\n"}) == list{"|a|", "|b|"});
  CHECK(parse({"data: a\n\r\n"}) == list{"|a|"});
}

TEST_CASE("an event without data is not dispatched and its name is forgotten") {
  CHECK(parse({"event: x\n\ndata: y\n\n"}) == list{"|y|"});
  CHECK(parse({"data:\n\n"}) == list{"||"});
  CHECK(parse({"\n\n\n"}).empty());
}

TEST_CASE("an id with a NUL is ignored, and the last id stays") {
  CHECK(parse({std::string("id: 1\nid: 2\0\ndata: a\n\n", 22), "data: b\n\n"})
        == list{"|a|1", "|b|1"});
}

TEST_CASE("a mark in the middle of a stream belongs to its line") {
  CHECK(parse({"data: a\n\n\xEF\xBB\xBF"
               "data: b\n\n"})
        == list{"|a|"});
}

TEST_CASE("a line or an event over the bound ends the parsing") {
  CHECK(parse({"data: " + std::string(95, 'x') + "\n\n"}, 100) == list{"failed"});
  CHECK(parse({"data: " + std::string(90, 'x') + "\n\n"}, 100)
        == list{"|" + std::string(90, 'x') + "|"});
  CHECK(parse(in_pieces_of(std::string(101, 'x'), 10), 100) == list{"failed"});
  std::string many;
  for (int i = 0; i < 30; ++i)
    many += "data: 1234567890\n";
  CHECK(parse({many + "\n"}, 100) == list{"failed"});
}

TEST_CASE("comments are counted as signs of life") {
  sse_parser parser;
  CHECK(parser.feed(": one\n:\n\n: tw", [](const sse_event&) {}));
  CHECK(parser.comments() == 2);
  CHECK(parser.inside_event());
}
