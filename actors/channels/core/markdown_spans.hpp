// What must not be cut in an answer: code blocks and links. No CAF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::channels {

/// A code block between fences (``` or ~~~), as byte offsets into the text. One that is never
/// closed goes to the text's end.
struct code_block {
  std::size_t begin = 0;    // of its opening line
  std::size_t body = 0;     // after the opening line
  std::size_t body_end = 0; // where the closing line begins
  std::size_t end = 0;      // after the closing line
  std::string opening;      // the opening line without its line end
  std::string marker;       // what closes it
};

struct text_span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// In the order of the text; they do not overlap.
std::vector<code_block> find_code_blocks(std::string_view text);

/// Bare http(s) links and Markdown's [text](url), in the order of the text; they do not overlap.
std::vector<text_span> find_links(std::string_view text);

} // namespace troupe::channels
