#include "actors/moderation/lexicon_diff.hpp"

#include <map>
#include <tuple>

namespace troupe::moderation {

namespace {

using key = std::tuple<std::string_view, entry_kind, std::string_view, std::string_view>;

key key_of(const entry& one) { return {one.text, one.kind, one.tenant, one.channel}; }

std::map<key, const entry*> keyed(const lexicon& words) {
  std::map<key, const entry*> result;
  for (const auto& one : words.entries)
    result[key_of(one)] = &one;
  return result;
}

} // namespace

lexicon_diff difference(const lexicon& before, const lexicon& after) {
  lexicon_diff diff;
  auto old = keyed(before), fresh = keyed(after);
  for (const auto& [name, one] : old)
    if (!fresh.contains(name))
      diff.removed.push_back(*one);
  for (const auto& [name, one] : fresh) {
    auto was = old.find(name);
    if (was == old.end())
      diff.added.push_back(*one);
    else if (*was->second != *one)
      diff.changed.emplace_back(*was->second, *one);
  }
  return diff;
}

std::vector<entry> applied(const lexicon& before, const lexicon_diff& diff) {
  auto entries = keyed(before);
  for (const auto& one : diff.removed)
    entries.erase(key_of(one));
  for (const auto& one : diff.added)
    entries[key_of(one)] = &one;
  for (const auto& [was, is] : diff.changed)
    entries[key_of(was)] = &is;
  std::vector<entry> result;
  for (const auto& [name, one] : entries)
    result.push_back(*one);
  return result;
}

} // namespace troupe::moderation
