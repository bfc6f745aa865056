#include "tests/support/moderation_oracle.hpp"

#include "actors/moderation/pattern.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

namespace troupe::test {

using namespace moderation;

namespace {

bool is_latin(char32_t c) {
  return (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}
bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

constexpr char32_t gap_mark = 0xffff'fff0, space_mark = U' ';

struct letter {
  char32_t seen; // folded; or one of the marks
  std::size_t begin, end;
  bool dropped = false; // a repeat
};

std::u32string decoded(std::string_view text) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size();) {
    auto c = character_at(text, at);
    result += c.code_point;
    at += c.bytes;
  }
  return result;
}

class oracle {
public:
  oracle(fold_set folds, bool borders) : folds_(folds), borders_(borders) {}

  bool counts(char32_t seen) const {
    return !folds_.has(fold::symbols) || seen == no_character
           || kind_of(seen) == character_kind::other;
  }
  char32_t see(char32_t c) const { return c == no_character ? c : folded(c, folds_); }

  // The letters that count, with marks where a gap or a space counts between two.
  std::vector<letter> read(std::string_view text, std::size_t gap_max) const {
    std::vector<letter> result;
    std::size_t gap = 0;
    bool space = false;
    for (std::size_t at = 0; at < text.size();) {
      auto c = character_at(text, at);
      auto seen = see(c.code_point);
      if (!counts(seen)) {
        ++gap;
        space |= kind_of(seen) == character_kind::space;
      } else {
        if (!result.empty() && gap > gap_max)
          result.push_back({gap_mark, at, at});
        else if (!result.empty() && space && is_latin(result.back().seen) && is_latin(seen))
          result.push_back({space_mark, at, at});
        result.push_back({seen, at, at + c.bytes});
        gap = 0;
        space = false;
      }
      at += c.bytes;
    }
    return result;
  }

  // Repeats of a letter that some word has, but for digits, up to sixteen.
  void drop_repeats(std::vector<letter>& letters, const std::set<char32_t>& known) const {
    if (!folds_.has(fold::repeats))
      return;
    std::size_t dropped = 0;
    for (std::size_t i = 1; i < letters.size(); ++i) {
      auto c = letters[i].seen;
      auto same = c == letters[i - 1].seen && repeats(c, known);
      letters[i].dropped = same && dropped < repeats_max;
      dropped = letters[i].dropped ? dropped + 1 : 0;
    }
  }

  bool is_letter(char32_t c) const {
    return c != gap_mark && c != no_character && !(folds_.has(fold::symbols) && c == space_mark);
  }

  // The word from letter i on: each run of it within a run of the text.
  std::size_t word_end(const std::vector<letter>& letters, std::size_t i,
                       const std::u32string& word) const {
    for (std::size_t w = 0; w < word.size();) {
      std::size_t run = 1;
      auto repeats = folds_.has(fold::repeats) && !is_digit(word[w]) && is_letter(word[w]);
      while (repeats && w + run < word.size() && word[w + run] == word[w])
        ++run;
      auto most = repeats ? repeats_max + 1 : 1;
      std::size_t here = 0;
      for (; i < letters.size() && letters[i].seen == word[w] && here < most; ++i)
        if (++here == run && w + run == word.size())
          return letters[i].end;
      if (here < run)
        return 0;
      w += run;
    }
    return 0;
  }

  bool joins(char32_t c, bool digits) const { return digits ? is_digit(c) : is_latin(c); }

  bool stands(std::string_view text, std::size_t begin, std::size_t end,
              const std::u32string& word) const {
    auto latin = std::all_of(word.begin(), word.end(), is_latin);
    auto digits = std::all_of(word.begin(), word.end(), is_digit);
    if (!borders_ || !latin || (!digits && word.size() > border_characters_max))
      return true;
    auto only_digits = word.size() > border_characters_max;
    char32_t before = 0;
    for (std::size_t at = 0; at < begin; at += character_at(text, at).bytes)
      before = character_at(text, at).code_point;
    auto after = end < text.size() ? character_at(text, end).code_point : 0;
    return !joins(see(before), only_digits) && !joins(see(after), only_digits);
  }

  // The least end of the pattern's places from letter i on; 0 if there is none. A letter that
  // repeats the one before may be passed by.
  std::size_t pattern_end(const std::vector<letter>& letters, std::size_t i,
                          const std::vector<place>& places, const std::set<char32_t>& known) const {
    std::size_t best = 0;
    std::set<std::tuple<std::size_t, std::size_t, std::size_t>> tried;
    auto go = [&](auto& self, std::size_t at, std::size_t p, std::size_t end) -> void {
      if (!tried.emplace(at, p, end).second)
        return;
      if (p == places.size()) {
        best = best == 0 ? end : std::min(best, end);
        return;
      }
      if (places[p].optional)
        self(self, at, p + 1, end);
      if (at == letters.size() || letters[at].seen == gap_mark)
        return;
      auto c = letters[at].seen;
      std::size_t before = 0;
      while (at - before > i && letters[at - before - 1].seen == c)
        ++before;
      if (before > 0 && before <= repeats_max && repeats(c, known))
        self(self, at + 1, p, end);
      if (places[p].any || (is_letter(c) && holds(places[p], c)))
        self(self, at + 1, p + 1, letters[at].end);
    };
    go(go, i, 0, 0);
    return best;
  }

  bool repeats(char32_t c, const std::set<char32_t>& known) const {
    return folds_.has(fold::repeats) && !is_digit(c) && is_letter(c)
           && (known.contains(c) || is_latin(c));
  }
  bool holds(const place& one, char32_t seen) const {
    return std::any_of(one.characters.begin(), one.characters.end(),
                       [&](char32_t c) { return see(c) == seen; });
  }

private:
  fold_set folds_;
  bool borders_;
};

bool has_little_left(const std::u32string& characters, bool is_pattern, fold_set folds) {
  std::size_t symbols = 0, latin = 0, others = 0;
  for (auto c : characters) {
    auto seen = folded(c, folds);
    auto kind = kind_of(seen);
    if (kind == character_kind::symbol)
      ++symbols;
    else if (kind == character_kind::other)
      ++(is_latin(seen) ? latin : others);
  }
  return folds.has(fold::symbols) && symbols > 0
         && (is_pattern || (others < 2 && latin + others < 4));
}

struct compiled {
  std::size_t index;
  bool for_others; // not looked for, but its characters are known
  std::u32string word;
  std::vector<place> places;
};

std::u32string word_of(const oracle& eye, const std::string& text) {
  std::u32string word;
  for (const auto& one : eye.read(text, text.size()))
    word += one.seen;
  return word;
}

void find_all(const oracle& eye, const std::vector<compiled>& words, std::string_view text,
              std::vector<plain_hit>& hits) {
  std::set<char32_t> known;
  for (const auto& one : words) {
    known.insert(one.word.begin(), one.word.end());
    for (const auto& place : one.places)
      for (auto c : place.characters)
        known.insert(eye.see(c));
  }
  auto letters = eye.read(text, symbols_max);
  eye.drop_repeats(letters, known);
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (letters[i].dropped || !eye.is_letter(letters[i].seen))
      continue;
    for (const auto& one : words) {
      if (one.for_others)
        continue;
      auto begin = letters[i].begin;
      auto end = one.places.empty() ? eye.word_end(letters, i, one.word)
                                    : eye.pattern_end(letters, i, one.places, known);
      if (end != 0 && (!one.places.empty() || eye.stands(text, begin, end, one.word)))
        hits.push_back({begin, end, one.index});
    }
  }
}

} // namespace

std::vector<plain_hit> oracle_hits(const lexicon& words, const matcher_options& options,
                                   std::string_view text, std::string_view tenant,
                                   std::string_view channel) {
  oracle all{options.folds, options.word_borders};
  oracle exact{options.folds.without({fold::symbols, fold::repeats}), options.word_borders};
  std::vector<compiled> seen_through, as_they_are;
  for (std::size_t i = 0; i < words.entries.size(); ++i) {
    const auto& one = words.entries[i];
    if (!fault_of(one).empty())
      continue;
    auto for_others = (!one.tenant.empty() && one.tenant != tenant)
                      || (!one.channel.empty() && one.channel != channel);
    compiled made{i, for_others, {}, {}};
    auto characters = decoded(one.text);
    if (one.kind == entry_kind::pattern) {
      made.places = parse_pattern(one.text).places;
      characters.clear();
      for (const auto& place : made.places)
        characters += place.characters;
    }
    auto little = has_little_left(characters, one.kind == entry_kind::pattern, options.folds);
    const auto& eye = little ? exact : all;
    if (made.places.empty() && (made.word = word_of(eye, one.text)).empty())
      continue;
    (little ? as_they_are : seen_through).push_back(std::move(made));
  }
  std::vector<plain_hit> hits;
  find_all(all, seen_through, text, hits);
  find_all(exact, as_they_are, text, hits);
  std::sort(hits.begin(), hits.end(), [](const plain_hit& a, const plain_hit& b) {
    return a.begin != b.begin ? a.begin < b.begin
           : a.end != b.end   ? a.end > b.end
                              : a.entry < b.entry;
  });
  auto allowed = hits;
  std::erase_if(allowed, [&](const plain_hit& one) {
    return words.entries[one.entry].kind != entry_kind::allowed;
  });
  std::erase_if(hits, [&](const plain_hit& one) {
    return std::any_of(allowed.begin(), allowed.end(), [&](const plain_hit& around) {
      return around.begin <= one.begin && one.end <= around.end;
    });
  });
  return hits;
}

} // namespace troupe::test
