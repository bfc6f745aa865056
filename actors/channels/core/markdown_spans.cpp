#include "actors/channels/core/markdown_spans.hpp"

#include <algorithm>

namespace troupe::channels {

namespace {

constexpr std::size_t label_bytes_max = 300;
constexpr std::size_t url_bytes_max = 2'048;

std::string_view line_at(std::string_view text, std::size_t begin) {
  auto line = text.substr(begin, text.find('\n', begin) - begin);
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

// The fence a line begins with, after at most three spaces: its characters, or nothing.
std::string_view fence_of(std::string_view line) {
  auto indent = std::min(line.find_first_not_of(' '), line.size());
  if (indent > 3)
    return {};
  line.remove_prefix(indent);
  if (!line.starts_with("```") && !line.starts_with("~~~"))
    return {};
  return line.substr(0, std::min(line.find_first_not_of(line[0]), line.size()));
}

bool closes(std::string_view line, const code_block& block) {
  auto fence = fence_of(line);
  if (fence.size() < block.marker.size() || fence[0] != block.marker[0])
    return false;
  auto after = line.substr(line.find(fence) + fence.size());
  return after.find_first_not_of(" \t") == std::string_view::npos;
}

// Where the Markdown link whose `](` is at `middle` begins and ends; empty if it is none.
text_span markdown_link(std::string_view text, std::size_t middle) {
  auto from = middle > label_bytes_max ? middle - label_bytes_max : 0;
  auto label = text.substr(from, middle - from);
  auto open = label.rfind('[');
  if (open == std::string_view::npos || label.find('\n', open) != std::string_view::npos)
    return {};
  auto url = text.substr(middle + 2, url_bytes_max);
  auto close = url.find_first_of(") \t\n");
  if (close == std::string_view::npos || url[close] != ')')
    return {};
  return {from + open, middle + 2 + close + 1};
}

} // namespace

std::vector<code_block> find_code_blocks(std::string_view text) {
  std::vector<code_block> blocks;
  bool open = false;
  for (std::size_t begin = 0; begin < text.size();) {
    auto newline = text.find('\n', begin);
    auto next = newline == std::string_view::npos ? text.size() : newline + 1;
    auto line = line_at(text, begin);
    if (!open) {
      auto fence = fence_of(line);
      // A backtick in the info string makes it inline code.
      auto info = fence.empty() ? std::string_view{} : line.substr(line.find(fence) + fence.size());
      if (!fence.empty() && (fence[0] == '~' || info.find('`') == std::string_view::npos)) {
        blocks.push_back(
            {begin, next, text.size(), text.size(), std::string{line}, std::string{fence}});
        open = true;
      }
    } else if (closes(line, blocks.back())) {
      blocks.back().body_end = begin;
      blocks.back().end = next;
      open = false;
    }
    begin = next;
  }
  return blocks;
}

std::vector<text_span> find_links(std::string_view text) {
  std::vector<text_span> spans;
  std::size_t done = 0;
  for (std::size_t at = 0; (at = text.find_first_of("]h", at)) != std::string_view::npos;) {
    auto rest = text.substr(at);
    text_span span;
    if (rest.starts_with("]("))
      span = markdown_link(text, at);
    else if (rest.starts_with("http://") || rest.starts_with("https://"))
      span = {at, at + std::min(rest.find_first_of(" \t\r\n<>\"'`)]"), rest.size())};
    if (span.end > span.begin && span.begin >= done) {
      spans.push_back(span);
      done = span.end;
      at = span.end;
    } else {
      ++at;
    }
  }
  return spans;
}

} // namespace troupe::channels
