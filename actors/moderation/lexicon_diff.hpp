// What changed between two lexicons.
#pragma once

#include "actors/moderation/entry.hpp"

#include <utility>
#include <vector>

namespace troupe::moderation {

/// Entries are the same thing if text, kind, tenant and channel are; of several such, the last one
/// counts.
struct lexicon_diff {
  std::vector<entry> added, removed;
  std::vector<std::pair<entry, entry>> changed; // before, after

  bool empty() const noexcept { return added.empty() && removed.empty() && changed.empty(); }
};

/// In the order of the texts.
lexicon_diff difference(const lexicon& before, const lexicon& after);

/// `before` with the difference applied: the entries of `after`, in another order. Going back to an
/// earlier version is `difference(after, before)`.
std::vector<entry> applied(const lexicon& before, const lexicon_diff& diff);

} // namespace troupe::moderation
