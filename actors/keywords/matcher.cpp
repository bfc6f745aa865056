#include "actors/keywords/matcher.hpp"

#include <algorithm>

namespace troupe::keywords {

/// One message's way through the set.
class matcher::search {
public:
  /// With `matches_max` 0 for the best rule only.
  search(const matcher& rules, const message_facts& message, scratch& memory, const usable& may_use,
         std::size_t matches_max) :
      rules_(rules),
      message_(message),
      memory_(memory),
      may_use_(may_use),
      matches_max_(matches_max),
      limit_(static_cast<rule_rank>(rules.rules_.size())) {}

  void run() {
    if (message_.text.size() > rules_.options_.text_bytes_max) {
      incomplete_ = true;
      return;
    }
    prepare();
    if (points_.empty())
      return;
    look_for_whole_text();
    look_at_start();
    look_anywhere();
    for (const auto& p : rules_.open_patterns_)
      wait(p);
    try_waiting();
  }

  std::vector<rule_match> take_found() {
    std::sort(found_.begin(), found_.end(),
              [](const finding& a, const finding& b) { return a.rank < b.rank; });
    std::vector<rule_match> result;
    for (auto& f : found_)
      result.push_back(described(f));
    return result;
  }

  bool incomplete() const { return incomplete_; }

private:
  struct finding {
    rule_rank rank = 0;
    std::uint32_t begin = 0; // points
    std::uint32_t end = 0;
    std::vector<pattern::span> captures;
    const pattern* by = nullptr;
  };

  void prepare() {
    fold_text(message_.text, rules_.fold_, memory_.text_);
    points_ = memory_.text_.points;
    if (++memory_.message_
        == 0) { // what was seen by message 0 four billions ago is not of this one
      memory_.seen_.clear();
      memory_.message_ = 1;
    }
    if (memory_.seen_.size() < rules_.anywhere_.trie().literals())
      memory_.seen_.resize(rules_.anywhere_.trie().literals());
    memory_.waiting_.clear();
    memory_.minute_.assign(rules_.zones_.size(), -1);
  }

  bool only_best() const { return matches_max_ == 0; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(points_.size()); }

  // --- the passes ---

  void look_for_whole_text() {
    if (rules_.exact_.least_of_all() >= limit_)
      return;
    for (auto rank : rules_.exact_.find(points_)) {
      if (rank >= limit_)
        break;
      if (applies(rank))
        take(rank, 0, size());
    }
  }

  void look_at_start() {
    if (rules_.starts_.least_of_all() >= limit_)
      return;
    const auto& trie = rules_.starts_.trie();
    trie.for_each_prefix(points_, [&](std::uint32_t literal) {
      auto end = static_cast<std::uint32_t>(trie.length(literal));
      for (const auto& p : rules_.starts_.postings(literal)) {
        if (p.rank >= limit_)
          break;
        if (!p.whole_word || !within_word(end))
          reached(p, 0, end);
      }
    });
  }

  void look_anywhere() {
    const auto& index = rules_.anywhere_;
    if (index.least_of_all() >= limit_)
      return;
    index.trie().for_each_hit(points_, [&](std::uint32_t literal, std::size_t end) {
      // Of what was seen before, the shorter ones were seen as well.
      return index.least_ending(literal) < limit_
             && (see(literal, static_cast<std::uint32_t>(end))
                 || index.needs_borders_ending(literal));
    });
  }

  // A literal counts once a text, and once more when it is first seen as a whole word, if that
  // matters: so many occurrences of it cost no more than one. Tells whether it was the first.
  bool see(std::uint32_t literal, std::uint32_t end) {
    const auto& index = rules_.anywhere_;
    auto& seen = memory_.seen_[literal];
    if (seen.message != memory_.message_)
      seen = {memory_.message_, 0, 0};
    auto begin = end - static_cast<std::uint32_t>(index.trie().length(literal));
    auto first = seen.end == 0;
    auto first_word = seen.word_end == 0 && index.needs_borders(literal) && !within_word(begin)
                      && !within_word(end);
    if (first)
      seen.end = end;
    if (first_word)
      seen.word_end = end;
    if (!first && !first_word)
      return false;
    for (const auto& p : index.postings(literal)) {
      if (p.rank >= limit_)
        break;
      if (p.whole_word ? first_word : first)
        reached(p, begin, end);
    }
    return first;
  }

  void reached(const posting& p, std::uint32_t begin, std::uint32_t end) {
    if (p.what != posting::kind::hit)
      wait(p);
    else if (applies(p.rank))
      take(p.rank, begin, end);
  }

  void wait(const posting& p) {
    if (p.rank < limit_)
      memory_.waiting_.push_back(p);
  }

  // What needs more than one literal, the best rank first: with the best found, the rest is moot.
  void try_waiting() {
    auto& waiting = memory_.waiting_;
    auto later = [](const posting& a, const posting& b) { return a.rank > b.rank; };
    std::make_heap(waiting.begin(), waiting.end(), later);
    while (!waiting.empty() && waiting.front().rank < limit_) {
      auto p = waiting.front();
      std::pop_heap(waiting.begin(), waiting.end(), later);
      waiting.pop_back();
      if (p.what == posting::kind::words)
        try_words(p);
      else
        try_pattern(p);
    }
  }

  void try_words(const posting& p) {
    auto list = rules_.word_lists_[p.detail];
    auto begin = size();
    std::uint32_t end = 0;
    for (std::uint32_t i = 0; i < list.count; ++i) {
      auto literal = rules_.words_[list.first + i];
      const auto& seen = memory_.seen_[literal];
      auto seen_end = p.whole_word ? seen.word_end : seen.end;
      if (seen.message != memory_.message_ || seen_end == 0)
        return;
      auto length = static_cast<std::uint32_t>(rules_.anywhere_.trie().length(literal));
      begin = std::min(begin, seen_end - length);
      end = std::max(end, seen_end);
    }
    if (applies(p.rank))
      take(p.rank, begin, end);
  }

  void try_pattern(const posting& p) {
    const auto& tried = rules_.patterns_[p.detail];
    auto cost = tried.steps(points_.size());
    if (steps_ + cost > rules_.options_.pattern_steps_max) {
      incomplete_ = true;
      return;
    }
    steps_ += cost;
    if (tried.match(points_, memory_.pattern_, memory_.captures_) && applies(p.rank))
      take(p.rank, 0, size(), memory_.captures_, &tried);
  }

  void take(rule_rank rank, std::uint32_t begin, std::uint32_t end,
            const std::vector<pattern::span>& captures = {}, const pattern* by = nullptr) {
    if (only_best()) {
      limit_ = rank;
      found_.clear();
    }
    found_.push_back({rank, begin, end, captures, by});
    if (only_best() || found_.size() <= matches_max_)
      return;
    auto worse = [](const finding& a, const finding& b) { return a.rank < b.rank; };
    found_.erase(std::max_element(found_.begin(), found_.end(), worse));
    limit_ = std::max_element(found_.begin(), found_.end(), worse)->rank;
    incomplete_ = true;
  }

  // --- what holds of a rule ---

  /// Whether a word of an alphabet goes on across the place before the point `at`.
  bool within_word(std::uint32_t at) const {
    return at > 0 && at < size() && is_word_character(points_[at - 1])
           && is_word_character(points_[at]);
  }

  bool applies(rule_rank rank) {
    if (rules_.zone_of_[rank] != 0 && !in_scope(rank))
      return false;
    return !may_use_ || may_use_(rules_.rules_[rank]);
  }

  static bool lists(const std::vector<std::string>& ids, std::string_view id) {
    return ids.empty() || std::binary_search(ids.begin(), ids.end(), id);
  }

  bool in_scope(rule_rank rank) {
    const auto& scope = rules_.rules_[rank].scope;
    if (scope.chats != chat_kind::any && (scope.chats == chat_kind::group) != message_.group)
      return false;
    if (!scope.groups.empty() && (!message_.group || !lists(scope.groups, message_.chat_id)))
      return false;
    if (!lists(scope.channels, message_.channel) || !lists(scope.accounts, message_.account)
        || !lists(scope.users, message_.user_id))
      return false;
    if (scope.hours.empty())
      return true;
    auto minute = minute_in(rules_.zone_of_[rank] - 1u);
    return std::any_of(scope.hours.begin(), scope.hours.end(),
                       [minute](const day_hours& h) { return h.contains(minute); });
  }

  int minute_in(std::size_t zone) {
    auto& minute = memory_.minute_[zone];
    if (minute < 0)
      minute = rules_.zones_[zone]->minute_of_day(message_.now_us);
    return minute;
  }

  // --- in bytes ---

  text_span bytes(std::uint32_t begin, std::uint32_t end) const {
    const auto& offsets = memory_.text_.offsets;
    return {offsets[begin], offsets[end]};
  }

  rule_match described(const finding& f) const {
    rule_match match{&rules_.rules_[f.rank], bytes(f.begin, f.end), {}, {}};
    if (f.by != nullptr)
      match.capture_names = f.by->capture_names();
    for (auto [begin, end] : f.captures)
      match.captures.push_back(bytes(begin, end));
    if (match.what->kind == rule_kind::prefix) {
      auto rest = f.end;
      while (rest < size() && is_white_space(points_[rest]))
        ++rest;
      match.captures.push_back(bytes(rest, size()));
    }
    return match;
  }

  const matcher& rules_;
  const message_facts& message_;
  scratch& memory_;
  const usable& may_use_;
  std::size_t matches_max_;
  rule_rank limit_; // ranks from it on are of no interest any more
  std::u32string_view points_;
  std::vector<finding> found_;
  std::size_t steps_ = 0;
  bool incomplete_ = false;
};

matcher::best_match matcher::best(const message_facts& message, scratch& memory,
                                  const usable& may_use) const {
  search searched{*this, message, memory, may_use, 0};
  searched.run();
  best_match result;
  result.incomplete = searched.incomplete();
  if (auto found = searched.take_found(); !found.empty())
    result.found = std::move(found.front());
  return result;
}

matcher::all_matches matcher::all(const message_facts& message, scratch& memory,
                                  std::size_t matches_max) const {
  static const usable any;
  search searched{*this, message, memory, any, std::max<std::size_t>(matches_max, 1)};
  searched.run();
  return {searched.take_found(), searched.incomplete()};
}

std::size_t matcher::index_bytes() const noexcept {
  auto patterns = (patterns_.capacity() - patterns_.size()) * sizeof(pattern);
  for (const auto& p : patterns_)
    patterns += p.bytes();
  return exact_.bytes() + starts_.bytes() + anywhere_.bytes() + patterns
         + word_lists_.capacity() * sizeof(word_list) + words_.capacity() * sizeof(std::uint32_t)
         + open_patterns_.capacity() * sizeof(posting) + zone_of_.capacity();
}

} // namespace troupe::keywords
