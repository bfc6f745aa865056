#include "persistence/commands/check.hpp"

#include "messages/shard.hpp"
#include "persistence/cluster_commands.hpp"

#include <fmt/format.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <charconv>

namespace troupe::persistence {

void need_id(std::string_view id, std::string_view what) {
  if (id.empty())
    throw failure(ec::invalid_argument, fmt::format("{} is missing", what));
  need_id_or_none(id, what);
}

void need_id_or_none(std::string_view id, std::string_view what) {
  if (id.size() > id_length_max
      || !std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 127; }))
    throw failure(
        ec::invalid_argument,
        fmt::format("{} is no id: at most {} printable ASCII characters", what, id_length_max));
}

bool is_storable(std::string_view text) {
  auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    if (c <= 0)
      return false;
  }
  return true;
}

std::string storable(std::string text) {
  if (is_storable(text))
    return text;
  std::string out;
  auto decoded = icu::UnicodeString::fromUTF8(text);
  decoded.findAndReplace(icu::UnicodeString(UChar{0}), icu::UnicodeString(UChar{0xfffd}));
  decoded.toUTF8String(out);
  return out;
}

void need_text(std::string_view text, std::size_t bytes_max, std::string_view what) {
  if (!is_storable(text))
    throw failure(ec::invalid_argument,
                  fmt::format("{} is no UTF-8 text, or has a zero byte in it", what));
  need_short(text, bytes_max, what);
}

void need_short(std::string_view text, std::size_t bytes_max, std::string_view what) {
  if (text.size() > bytes_max)
    throw failure(ec::invalid_argument, fmt::format("{} has {} bytes, at most {} are taken", what,
                                                    text.size(), bytes_max));
}

int page_limit(std::int32_t asked, int standard, int most) {
  if (asked == 0)
    return standard;
  if (asked < 0 || asked > most)
    throw failure(ec::invalid_argument, fmt::format("limit must be from 1 to {}", most));
  return asked;
}

std::string make_cursor(const page_position& position) {
  return fmt::format("1.{:x}.{}", position.time_us, position.id);
}

std::optional<page_position> read_cursor(std::string_view cursor) {
  if (cursor.empty())
    return std::nullopt;
  page_position out;
  auto refuse = [] {
    return failure(ec::invalid_argument, "the cursor is not one of ours: take next_cursor of the "
                                         "page before as it is");
  };
  if (cursor.size() > key_length_max + 32 || !cursor.starts_with("1."))
    throw refuse();
  cursor.remove_prefix(2);
  auto dot = cursor.find('.');
  if (dot == std::string_view::npos)
    throw refuse();
  auto [end, error] = std::from_chars(cursor.data(), cursor.data() + dot, out.time_us, 16);
  if (error != std::errc{} || end != cursor.data() + dot)
    throw refuse();
  out.id = cursor.substr(dot + 1);
  return out;
}

void check_claim(database& db, const v1::ShardClaim& claim, std::string_view conversation_id) {
  if (claim.epoch() != 0 && claim.shard() != shard_of(conversation_id))
    throw failure(ec::internal, fmt::format("conversation {} is not of shard {}", conversation_id,
                                            claim.shard()));
  check_claim(db.cluster(), claim);
}

namespace {

v1::Conversation visible(std::optional<v1::Conversation> found, std::string_view id,
                         const v1::Context& context) {
  const auto& principal = context.principal_id();
  bool yours = found
               && (principal.empty() || context.admin() || found->owner_id().empty()
                   || found->owner_id() == principal);
  if (!yours)
    throw failure(ec::not_found, fmt::format("there is no conversation {}", id));
  return std::move(*found);
}

} // namespace

v1::Conversation need_conversation(database& db, std::string_view id, const v1::Context& context) {
  need_id(id, "conversation_id");
  return visible(db.conversations().find(id), id, context);
}

v1::Conversation hold_conversation(database& db, std::string_view id, const v1::Context& context) {
  need_id(id, "conversation_id");
  return visible(db.conversations().hold(id), id, context);
}

} // namespace troupe::persistence
