#include "actors/channels/onebot/normalise.hpp"

#include <nlohmann/json.hpp>

namespace troupe::onebot11 {

namespace {

constexpr std::string_view channel = "onebot";
constexpr std::string_view anonymous_prefix = "anonymous:";
constexpr std::size_t name_chars_max = 64;
constexpr std::size_t card_chars_max = 500;

std::string_view first_of(const segment& s, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = s.field(name); !value.empty())
      return value;
  return {};
}

std::string bracketed(std::string_view what, std::string_view detail = {}) {
  auto text = channels::clipped(channels::trimmed(detail), card_chars_max);
  return text.empty() ? fmt::format("[{}]", what) : fmt::format("[{}: {}]", what, text);
}

bool is_link(std::string_view url) {
  return url.starts_with("https://") || url.starts_with("http://");
}

// What a card of another program shows in a chat list.
std::string card_prompt(const segment& s) {
  auto card = nlohmann::json::parse(s.field("data"), nullptr, false);
  auto prompt = card.is_object() ? card.find("prompt") : card.end();
  return card.is_object() && prompt != card.end() && prompt->is_string()
             ? prompt->get<std::string>()
             : std::string{};
}

// What a segment without a part of its own says.
std::string described(const segment& s) {
  const auto& t = s.type;
  if (t == "face")
    return bracketed("face", first_of(s, {"text", "name", "id"}));
  if (t == "mface")
    return bracketed("sticker", s.field("summary"));
  if (t == "record")
    return bracketed("voice message");
  if (t == "video")
    return bracketed("video");
  if (t == "file")
    return bracketed("file", first_of(s, {"name", "file_name", "file"}));
  if (t == "share" || t == "music")
    return bracketed("link", fmt::format("{} {}", s.field("title"), s.field("url")));
  if (t == "location")
    return bracketed("location", first_of(s, {"title", "content"}));
  if (t == "json")
    return bracketed("card", card_prompt(s));
  if (t == "forward" || t == "node")
    return bracketed("forwarded messages");
  if (t == "dice" || t == "rps")
    return bracketed(t, s.field("result"));
  return bracketed(t.empty() ? "unknown" : channels::clipped(t, 32));
}

std::string mention(const segment& s) {
  if (s.field("qq") == "all")
    return "@all";
  return fmt::format("@{}", channels::clipped(first_of(s, {"name", "qq"}), name_chars_max));
}

// Gathers texts, so that a run of them is one part.
class part_writer {
public:
  explicit part_writer(channels::part_list& parts) : parts_(parts) {}

  void text(std::string_view text) {
    for (char c : text)
      if (c != '\0')
        text_ += c;
  }

  void image(std::string_view url) {
    flush();
    parts_.Add()->mutable_image()->set_url(std::string{url});
  }

  void flush() {
    channels::add_text(parts_, channels::valid_utf8(channels::trimmed(text_)));
    text_.clear();
  }

private:
  channels::part_list& parts_;
  std::string text_;
};

} // namespace

content read_segments(const segments& message, std::string_view self_id) {
  content result;
  part_writer writer{result.parts};
  for (const auto& s : message) {
    if (s.type == "text") {
      writer.text(s.field("text"));
    } else if (s.type == "at" && !self_id.empty() && s.field("qq") == self_id) {
      result.mentions_bot = true;
    } else if (s.type == "at") {
      writer.text(mention(s));
    } else if (s.type == "reply") {
      if (auto id = s.field("id"); id.size() <= id_bytes_max)
        result.quoted_message_id = id;
    } else if (s.type == "image") {
      auto url = is_link(s.field("url")) ? s.field("url") : s.field("file");
      if (is_link(url))
        writer.image(url);
      else
        writer.text(bracketed("image", s.field("summary")));
    } else if (s.type != "anonymous") {
      writer.text(described(s));
    }
  }
  writer.flush();
  return result;
}

v1::InboundMessage inbound_message(const message_event& event, std::string_view self_id,
                                   std::string_view account) {
  v1::InboundMessage result;
  auto said = read_segments(event.message, self_id);
  auto& from = *result.mutable_from();
  from.set_channel(std::string{channel});
  from.set_account(std::string{account});
  from.set_group(event.group);
  from.set_user_id(event.anonymous_id.empty() ? event.user_id
                                              : std::string{anonymous_prefix} + event.anonymous_id);
  if (event.group)
    from.set_chat_id(event.group_id);
  else
    from.set_chat_id(event.group_id.empty() ? event.user_id : event.user_id + "@" + event.group_id);
  from.set_message_id(event.message_id);
  result.set_sender_name(channels::clipped(channels::trimmed(event.sender_name), name_chars_max));
  result.mutable_parts()->Swap(&said.parts);
  result.set_mentions_bot(said.mentions_bot);
  result.set_quoted_message_id(said.quoted_message_id);
  result.set_sent_us(event.time_us);
  return result;
}

namespace {

// What the first piece of an answer in a group begins with.
segments addressed(const v1::ReplyAddress& to, bool first) {
  segments result;
  if (!to.group() || !first)
    return result;
  if (!to.message_id().empty())
    result.push_back({"reply", {{"id", to.message_id()}}});
  if (is_number(to.user_id()))
    result.push_back({"at", {{"qq", to.user_id()}}});
  return result;
}

} // namespace

segments reply_image(const v1::ReplyAddress& to, std::string url, bool first) {
  auto result = addressed(to, first);
  result.push_back({"image", {{"file", std::move(url)}}});
  return result;
}

segments reply_segments(const v1::ReplyAddress& to, std::string text, bool first) {
  auto result = addressed(to, first);
  if (!result.empty() && result.back().type == "at")
    text.insert(0, " ");
  result.push_back({"text", {{"text", std::move(text)}}});
  return result;
}

std::string send_action(const v1::ReplyAddress& to, const segments& message,
                        std::string_view echo) {
  if (to.group())
    return send_group_msg(to.chat_id(), message, echo);
  auto at = to.chat_id().find('@');
  auto group = at == std::string::npos ? std::string{} : to.chat_id().substr(at + 1);
  return send_private_msg(to.chat_id().substr(0, at), group, message, echo);
}

} // namespace troupe::onebot11
