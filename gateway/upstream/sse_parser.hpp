// Server-sent events, read piece by piece as they come from a socket. No I/O here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// One event. The views are valid inside the callback only.
struct sse_event {
  std::string_view name; // the last `event:` line; empty: "message"
  std::string_view data; // the `data:` lines, joined by LF
  std::string_view id;   // the last id seen on the stream
};

/// Parses an event stream by the WHATWG rules: lines end in CR, LF or CRLF, one leading BOM is
/// skipped, unknown fields and comments are ignored, an event without data is not dispatched, an
/// event cut by the end of the stream is dropped. Any chunking gives the same events. What is kept
/// between pieces is bounded.
class sse_parser {
public:
  /// `event_bytes_max` bounds a line, and the data of one event.
  explicit sse_parser(std::size_t event_bytes_max = 1'048'576) : max_(event_bytes_max) {}

  /// Calls `on_event(const sse_event&)` for every event that ends in `bytes`. False once a line or
  /// an event was over the bound: nothing more is parsed then.
  template <class OnEvent>
  bool feed(std::string_view bytes, OnEvent&& on_event) {
    while (!failed_ && !bytes.empty()) {
      std::string_view line;
      if (!next_line(bytes, line))
        break;
      if (!take_line(line))
        continue;
      on_event(sse_event{name_, data_view_, id_});
      reset_event();
    }
    keep_views();
    let_go();
    return !failed_;
  }

  /// Comment lines so far: an upstream's signs of life.
  std::uint64_t comments() const noexcept { return comments_; }

  /// True while bytes of an unfinished line or event are held.
  bool inside_event() const noexcept { return !line_.empty() || has_data_; }

  bool failed() const noexcept { return failed_; }

private:
  /// Cuts the next whole line off `bytes`; keeps the rest when there is none.
  bool next_line(std::string_view& bytes, std::string_view& line);
  /// True if the line ended an event that has data.
  bool take_line(std::string_view line);
  void take_field(std::string_view name, std::string_view value);
  void add_data(std::string_view value);
  void keep_views();
  void reset_event();
  void let_go();

  std::size_t max_;
  std::string line_;           // an unfinished line of earlier pieces
  std::string data_;           // the data, when it spans lines or pieces
  std::string_view data_view_; // the data: into the piece being fed, or into data_
  std::string name_;
  std::string id_;
  std::uint64_t comments_ = 0;
  bool first_line_ = true;
  bool line_is_kept_ = false;
  bool line_used_ = false;
  bool has_data_ = false;
  bool skip_lf_ = false;
  bool failed_ = false;
};

} // namespace troupe::gateway
