// What matching means, said as plainly as possible: no automaton, no trie, no blocks. Tests compare
// the engine with it.
#pragma once

#include "actors/moderation/matcher.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace troupe::test {

/// A hit without what follows from its entry.
struct plain_hit {
  std::size_t begin, end;
  std::size_t entry;

  friend bool operator==(const plain_hit&, const plain_hit&) = default;
};

/// Words, patterns and allowed words; no sounds and no detectors.
std::vector<plain_hit> oracle_hits(const moderation::lexicon& words,
                                   const moderation::matcher_options& options,
                                   std::string_view text, std::string_view tenant = {},
                                   std::string_view channel = {});

} // namespace troupe::test
