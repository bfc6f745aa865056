// OneBot v11 on the wire: frames in, actions out, CQ codes. Pure functions; no CAF.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::onebot11 {

/// One element of a message. Numbers and booleans of `data` are kept as text; nested values are
/// left out.
struct segment {
  std::string type;
  std::map<std::string, std::string> data;

  /// The field, or an empty view.
  std::string_view field(const std::string& name) const;
  friend bool operator==(const segment&, const segment&) = default;
};
using segments = std::vector<segment>;

/// Text outside CQ codes: & [ ] escaped.
std::string escape_text(std::string_view text);
/// A value inside a CQ code: & [ ] and , escaped.
std::string escape_value(std::string_view text);
/// Undoes both. An unknown entity stays as it is.
std::string unescape(std::string_view text);

/// A message's string form as segments. What only looks like a CQ code is text.
segments parse_cq(std::string_view text);
/// Segments as a message's string form; it parses back to the same segments (neighbouring texts
/// become one, empty ones none).
std::string to_cq(const segments& message);

/// `message` events. Ids are text: implementations send numbers of 32 or 64 bits, or strings.
struct message_event {
  std::string self_id;
  std::string user_id;
  std::string group_id;     // with `group`; or of a private chat that began in a group
  std::string message_id;   // empty: not sent
  std::string anonymous_id; // the same anonymous person has the same one; empty: not anonymous
  std::string sender_name;  // the group card, else the nickname
  bool group = false;
  std::int64_t time_us = 0; // 0: not sent
  segments message;
};

/// `meta_event` of type lifecycle: enable, disable or connect.
struct lifecycle_event {
  std::string self_id;
  std::string sub_type;
};

/// `meta_event` of type heartbeat.
struct heartbeat_event {
  std::string self_id;
  std::int64_t interval_ms = 0; // until the next; 0: not said
  bool online = true;           // the implementation's own link to QQ
};

/// Events that Troupe has no use for: notices, requests, own messages, anything unknown.
struct other_event {
  std::string what; // post_type.detail_type
};

/// The answer to an action.
struct action_answer {
  std::string echo; // a JSON number as its text
  bool ok = false;  // retcode 0, or 1: done later
  std::int64_t retcode = 0;
  std::string error; // what the implementation says of a failure
  std::string message_id;
  std::string sender_name; // of get_msg
  segments message;        // of get_msg
};

struct malformed_frame {
  std::string why;
};

using frame = std::variant<malformed_frame, other_event, lifecycle_event, heartbeat_event,
                           message_event, action_answer>;

/// Understands one text frame. Never throws: what is no JSON object of the protocol is malformed;
/// nesting is bounded, and so is the number of segments.
frame parse_frame(std::string_view json);

inline constexpr int json_depth_max = 32;
inline constexpr std::size_t segments_max = 500;
inline constexpr std::size_t id_bytes_max = 64;

/// Actions, as the text of a frame. `echo` comes back with the answer.
std::string send_group_msg(std::string_view group_id, const segments& message,
                           std::string_view echo);
/// `group_id` not empty: a temporary chat that began in that group.
std::string send_private_msg(std::string_view user_id, std::string_view group_id,
                             const segments& message, std::string_view echo);
std::string get_msg(std::string_view message_id, std::string_view echo);
std::string get_status(std::string_view echo);

/// True for decimal digits that fit an int64: ids that go out as JSON numbers.
bool is_number(std::string_view id) noexcept;

} // namespace troupe::onebot11
