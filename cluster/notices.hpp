// What a node tells all others at once. Nobody waits for an answer; who is not linked finds out
// later: by its next look at the tables, when its link comes up, or when what it keeps gets old.
#pragma once

#include "cluster/link/peer_table.hpp"

#include <caf/send.hpp>

#include <string>
#include <utility>

namespace troupe {

inline void tell_all(const peer_table& peers, v1::RemoteRequest news) {
  constexpr std::int64_t limit_ms = 1'000;
  news.set_limit_ms(limit_ms);
  RemoteRequest message{std::move(news)};
  for (const auto& name : peers.names())
    if (auto peer = peers.find(name))
      caf::anon_send(peer, message);
}

inline void tell_shards_changed(const peer_table& peers, std::int64_t version) {
  v1::RemoteRequest news;
  news.mutable_shards_changed()->set_version(version);
  tell_all(peers, std::move(news));
}

inline void tell_key_revoked(const peer_table& peers, const std::string& id) {
  v1::RemoteRequest news;
  news.mutable_key_revoked()->set_id(id);
  tell_all(peers, std::move(news));
}

inline void tell_rulesets_changed(const peer_table& peers, v1::RulesetKind kind) {
  v1::RemoteRequest news;
  news.mutable_rulesets_changed()->set_kind(kind);
  tell_all(peers, std::move(news));
}

inline void tell_outbox_changed(const peer_table& peers, const v1::OutboxChanged& rows) {
  v1::RemoteRequest news;
  *news.mutable_outbox_changed() = rows;
  tell_all(peers, std::move(news));
}

} // namespace troupe
