// What moderation found, and how often keywords came.
#include "persistence/commands/check.hpp"

#include <fmt/format.h>

namespace troupe::persistence {

namespace {

constexpr int hits_max = 10'000; // of one command
constexpr std::size_t hit_text_bytes_max = 1'000;
constexpr std::size_t counts_bytes_max = 16 * 1024 * 1024;

/// As it can be stored, and cut between two characters.
std::string short_text(const std::string& text, std::size_t bytes_max) {
  auto out = storable(text);
  if (out.size() <= bytes_max)
    return out;
  auto end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80)
    --end;
  out.resize(end);
  return out;
}

/// Nobody can be asked to mend what a user wrote: what does not fit is cut.
v1::ModerationHit mended(const v1::ModerationHit& hit) {
  auto out = hit;
  out.set_action(short_text(hit.action(), id_length_max));
  out.set_category(short_text(hit.category(), key_length_max));
  out.set_entry(short_text(hit.entry(), hit_text_bytes_max));
  out.set_text(short_text(hit.text(), hit_text_bytes_max));
  out.set_ruleset(short_text(hit.ruleset(), key_length_max));
  out.set_principal_id(short_text(hit.principal_id(), key_length_max));
  out.set_tenant_id(short_text(hit.tenant_id(), key_length_max));
  out.set_channel(short_text(hit.channel(), key_length_max));
  out.set_account(short_text(hit.account(), key_length_max));
  out.set_user_id(short_text(hit.user_id(), key_length_max));
  out.set_conversation_id(short_text(hit.conversation_id(), id_length_max));
  out.set_turn_id(short_text(hit.turn_id(), id_length_max));
  out.set_request_id(short_text(hit.request_id(), key_length_max));
  return out;
}

} // namespace

v1::Done record_moderation_hits(database& db, const v1::RecordModerationHits& command,
                                const command_env&) {
  if (command.hits_size() > hits_max)
    throw failure(ec::too_large, fmt::format("{} hits at once, at most {} are taken",
                                             command.hits_size(), hits_max));
  google::protobuf::RepeatedPtrField<v1::ModerationHit> hits;
  hits.Reserve(command.hits_size());
  for (const auto& hit : command.hits()) {
    need_id(hit.id(), "hit.id");
    *hits.Add() = mended(hit);
  }
  db.moderation_hits().insert_all(hits);
  return {};
}

v1::ModerationHitPage list_moderation_hits(database& db, const v1::ListModerationHits& query,
                                           const command_env&) {
  auto limit = page_limit(query.limit(), 100, 1'000);
  need_text(query.category(), key_length_max, "category");
  need_text(query.action(), id_length_max, "action");
  need_id_or_none(query.conversation_id(), "conversation_id");
  if (query.from_us() < 0 || query.to_us() < 0)
    throw failure(ec::invalid_argument, "from_us and to_us must not be negative");
  if (query.to_us() != 0 && query.to_us() <= query.from_us())
    throw failure(ec::invalid_argument, "to_us must be later than from_us");
  page_position before;
  if (auto read = read_cursor(query.cursor())) {
    before = std::move(*read);
    need_id(before.id, "cursor");
  }
  hit_filter filter{query.category(), query.action(), query.conversation_id(), query.from_us(),
                    query.to_us()};
  auto rows = db.moderation_hits().list(filter, before.time_us, before.id, limit + 1);
  v1::ModerationHitPage out;
  if (rows.size() > static_cast<std::size_t>(limit)) {
    rows.pop_back();
    out.set_next_cursor(make_cursor({rows.back().at_us(), rows.back().id()}));
  }
  for (auto& row : rows)
    *out.add_hits() = std::move(row);
  return out;
}

v1::Done save_keyword_counts(database& db, const v1::SaveKeywordCounts& command,
                             const command_env& env) {
  need_id(command.node(), "node");
  need_short(command.counts(), counts_bytes_max, "counts");
  db.keyword_counts().save(command.node(), command.counts(), env.now_us);
  return {};
}

v1::KeywordCounts load_keyword_counts(database& db, const v1::LoadKeywordCounts&,
                                      const command_env&) {
  v1::KeywordCounts out;
  for (auto& node : db.keyword_counts().all())
    *out.add_nodes() = std::move(node);
  return out;
}

} // namespace troupe::persistence
