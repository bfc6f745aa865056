#include "actors/moderation/matcher.hpp"

#include <algorithm>
#include <unordered_map>

namespace troupe::moderation {

namespace {

constexpr fold_set through_text{fold::symbols, fold::repeats};

std::uint16_t number_in(const std::vector<std::string>& sorted, std::string_view name) {
  auto at = std::lower_bound(sorted.begin(), sorted.end(), name);
  return name.empty() || at == sorted.end() || *at != name
             ? std::uint16_t{0}
             : static_cast<std::uint16_t>(at - sorted.begin() + 1);
}

} // namespace

audience matcher::audience_of(std::string_view tenant, std::string_view channel) const {
  return {number_in(tenants_, tenant), number_in(channels_, channel)};
}

bool matcher::before(const raw_hit& a, const raw_hit& b) noexcept {
  if (a.what.begin != b.what.begin)
    return a.what.begin < b.what.begin;
  if (a.what.end != b.what.end)
    return a.what.end > b.what.end;
  if (a.what.entry != b.what.entry)
    return a.what.entry < b.what.entry;
  return a.from < b.from;
}

matcher::progress matcher::beginning() const noexcept {
  progress at;
  if (!exact_.empty())
    at.exact_at = 0;
  if (!sound_.empty())
    at.sound_at = 0;
  if (!detectors_.empty())
    at.detectors_at = 0;
  return at;
}

void matcher::add(std::vector<found>& some, source from, std::size_t base,
                  std::vector<raw_hit>& hits) {
  for (const auto& one : some)
    hits.push_back({{base + one.begin, base + one.end, one.entry}, from});
  some.clear();
}

void matcher::scan_others(std::string_view text, progress& at, bool final, audience to,
                          std::size_t hits_max, std::vector<found>& memory,
                          std::vector<raw_hit>& hits) const {
  auto scan_on = [&](source from, std::size_t& where, auto&& part) {
    auto base = where;
    where += part(text.substr(base));
    add(memory, from, base, hits);
  };
  if (at.exact_at != progress::unused)
    scan_on(source::exact, at.exact_at, [&](std::string_view rest) {
      return exact_.scan(rest, at.exact, final, to, hits_max, memory);
    });
  if (at.sound_at != progress::unused)
    scan_on(source::sound, at.sound_at, [&](std::string_view rest) {
      return sound_.scan(rest, at.sound_after_latin, final, to, hits_max, memory);
    });
  if (at.detectors_at != progress::unused)
    scan_on(source::detectors, at.detectors_at, [&](std::string_view rest) {
      auto first = memory.size();
      auto end = detectors_.scan(rest, at.detectors_after, final, hits_max, memory);
      for (auto i = first; i < memory.size(); ++i)
        memory[i].entry += first_detector;
      return end;
    });
}

bool matcher::is_allowed(const raw_hit& one) const noexcept {
  return one.what.entry < records_.size() && records_[one.what.entry].kind == entry_kind::allowed;
}

findings matcher::find(std::string_view text, audience to, std::size_t hits_max) const {
  findings result;
  if (text.size() > find_bytes_max) {
    text = text.substr(0, find_bytes_max);
    result.truncated = true;
  }
  auto at = beginning();
  std::vector<found> memory;
  std::vector<raw_hit> raw;
  // Allowed words take a part of the limit, which is for memory's sake.
  scan(text, at, true, to, hits_max < (std::size_t{1} << 62) ? hits_max + 1 : hits_max, memory,
       raw);
  auto known = at.least();
  result.truncated |= known < text.size();
  std::sort(raw.begin(), raw.end(), before);
  std::size_t allowed_to = 0;
  const raw_hit* last = nullptr;
  // Of equal beginnings the allowed ones count for all, whichever is longer.
  for (auto group = raw.begin(); group != raw.end() && group->what.begin < known;) {
    auto next = std::find_if(
        group, raw.end(), [&](const raw_hit& one) { return one.what.begin != group->what.begin; });
    for (auto one = group; one != next; ++one)
      if (is_allowed(*one))
        allowed_to = std::max(allowed_to, one->what.end);
    for (auto one = group; one != next; ++one) {
      if (one->what.end <= allowed_to
          || (last != nullptr && last->what.begin == one->what.begin
              && last->what.end == one->what.end && last->what.entry == one->what.entry))
        continue;
      if (result.hits.size() == hits_max) {
        result.truncated = true;
        return result;
      }
      last = &*one;
      auto bytes = text.substr(one->what.begin, one->what.end - one->what.begin);
      result.hits.push_back(made(*one, bytes, 0));
    }
    group = next;
  }
  return result;
}

hit matcher::made(const raw_hit& one, std::string_view bytes, std::uint64_t base) const {
  hit result{base + one.what.begin, base + one.what.end, one.what.entry, 0, action::log, {}};
  if (one.what.entry >= first_detector) {
    const auto& policy = options_.detectors[one.what.entry - first_detector];
    result.level = policy.level;
    result.act = policy.act;
    return result;
  }
  const auto& record = records_[one.what.entry];
  result.level = record.level;
  result.act = record.act;
  if (!options_.folds.empty())
    result.folds = folds_of(one, bytes);
  return result;
}

// Aligns what is written with the word, character by character.
fold_set matcher::folds_of(const raw_hit& one, std::string_view bytes) const {
  auto written = text(one.what.entry);
  if (one.from == source::sound)
    return {fold::pinyin};
  if (written == bytes)
    return {};
  const auto& machine = one.from == source::exact ? exact_ : words_;
  auto folds = one.from == source::exact ? options_.folds.without(through_text) : options_.folds;
  auto here = machine.traced(bytes), there = machine.traced(written);
  fold_set used;
  if (here.symbols != there.symbols)
    used.add(fold::symbols);
  if (records_[one.what.entry].kind == entry_kind::pattern) {
    if (here.repeats)
      used.add(fold::repeats);
    for (auto c : here.counted)
      if (there.counted.find(c) == there.counted.npos)
        used = used | folds_between(c, folded(c, folds), folds);
    return used;
  }
  std::size_t i = 0, j = 0;
  for (; i < here.counted.size(); ++i) {
    auto c = here.counted[i];
    if (j < there.counted.size() && folded(c, folds) == folded(there.counted[j], folds)) {
      used = used | folds_between(c, there.counted[j], folds);
      ++j;
    } else {
      used.add(fold::repeats);
    }
  }
  return used;
}

const lexicon_part* matcher::part_of(std::uint32_t entry) const noexcept {
  if (entry >= records_.size())
    return nullptr;
  auto after = std::upper_bound(
      parts_.begin(), parts_.end(), entry,
      [](std::uint32_t number, const lexicon_part& part) { return number < part.first_entry; });
  return after == parts_.begin() ? nullptr : &*std::prev(after);
}

bool matcher::empty() const noexcept {
  return words_.empty() && exact_.empty() && sound_.empty() && detectors_.empty();
}

std::string_view matcher::text(std::uint32_t entry) const noexcept {
  if (entry >= first_detector)
    return entry - first_detector < detectors_count
               ? name_of(static_cast<detector>(entry - first_detector))
               : std::string_view{};
  if (entry >= records_.size())
    return {};
  return std::string_view{texts_}.substr(records_[entry].text_at, records_[entry].text_bytes);
}

std::string_view matcher::category(std::uint32_t entry) const noexcept {
  if (entry >= first_detector)
    return entry - first_detector < detectors_count
               ? std::string_view{options_.detectors[entry - first_detector].category}
               : std::string_view{};
  return entry < records_.size() ? std::string_view{categories_[records_[entry].category]}
                                 : std::string_view{};
}

std::string_view matcher::replacement(std::uint32_t entry) const noexcept {
  if (entry >= first_detector)
    return entry - first_detector < detectors_count
               ? std::string_view{options_.detectors[entry - first_detector].replacement}
               : std::string_view{};
  if (entry >= records_.size())
    return {};
  return std::string_view{texts_}.substr(records_[entry].replacement_at,
                                         records_[entry].replacement_bytes);
}

std::size_t matcher::memory_bytes() const noexcept {
  auto bytes = sizeof *this + words_.memory_bytes() + exact_.memory_bytes() + sound_.memory_bytes()
               + records_.capacity() * sizeof(record) + texts_.capacity();
  for (const auto* names : {&categories_, &tenants_, &channels_})
    for (const auto& name : *names)
      bytes += sizeof(std::string) + name.capacity();
  return bytes;
}

} // namespace troupe::moderation
