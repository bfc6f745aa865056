#include "actors/channels/core/address.hpp"

#include <openssl/sha.h>

#include <array>

namespace troupe::channels {

namespace {

constexpr std::size_t component_bytes_max = 64; // so that a key stays below 255

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

std::string hex(const unsigned char* bytes, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i)
    out += fmt::format("{:02x}", bytes[i]);
  return out;
}

std::string sha256_hex(std::string_view text) {
  auto digest = sha256(text);
  return hex(digest.data(), digest.size());
}

// Length before content: no two lists of fields give the same text.
void add_field(std::string& out, std::string_view field) {
  out += std::to_string(field.size());
  out += ':';
  out += field;
}

} // namespace

std::string escaped_component(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '%' || c == ':' || c == '~' || c == '#' || byte < 0x20 || byte == 0x7F)
      out += fmt::format("%{:02X}", byte);
    else
      out += c;
    // `~` begins a hash and nothing else.
    if (out.size() > component_bytes_max)
      return "~" + sha256_hex(text);
  }
  return out;
}

std::string session_key(const v1::ReplyAddress& from, group_sessions mode) {
  auto key = escaped_component(from.channel()) + ":" + escaped_component(from.account());
  if (!from.group())
    return key + ":private:" + escaped_component(from.user_id());
  key += ":group:" + escaped_component(from.chat_id());
  if (mode == group_sessions::member)
    key += ":member:" + escaped_component(from.user_id());
  return key;
}

std::string chat_key(const v1::ReplyAddress& to) {
  return escaped_component(to.channel()) + ":" + escaped_component(to.account())
         + (to.group() ? ":group:" : ":private:") + escaped_component(to.chat_id());
}

std::string dedupe_key(const v1::InboundMessage& message) {
  auto chat = chat_key(message.from());
  if (!message.from().message_id().empty())
    return chat + ":" + escaped_component(message.from().message_id());
  std::string fields;
  add_field(fields, message.from().user_id());
  add_field(fields, message.sender_name());
  add_field(fields, std::to_string(message.sent_us()));
  add_field(fields, message.quoted_message_id());
  for (const auto& part : message.parts())
    add_field(fields, part.SerializeAsString());
  return chat + ":~" + sha256_hex(fields);
}

std::string later_session_key(std::string_view session_key, std::string_view salt) {
  return fmt::format("{}#{}", session_key, sha256_hex(salt).substr(0, 16));
}

std::string conversation_id_for(std::string_view session_key, std::string_view salt) {
  std::string fields;
  add_field(fields, session_key);
  add_field(fields, salt);
  auto digest = sha256(fields);
  digest[6] = static_cast<unsigned char>(0x80 | (digest[6] & 0x0F)); // version 8
  digest[8] = static_cast<unsigned char>(0x80 | (digest[8] & 0x3F)); // RFC 9562's variant
  auto text = hex(digest.data(), 16);
  for (std::size_t at : {8, 13, 18, 23})
    text.insert(at, "-");
  return text;
}

} // namespace troupe::channels
