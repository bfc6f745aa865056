#include "actors/moderation/automaton.hpp"
#include "actors/moderation/code_groups.hpp"

#include <algorithm>
#include <bit>

namespace troupe::moderation {

void automaton::gate::size_for(std::size_t groups) {
  // Sixteen bits a group: one in sixteen other groups passes.
  auto log2 = std::clamp<unsigned>(static_cast<unsigned>(std::bit_width(groups * 12)), 6, 22);
  bits.assign(std::size_t{1} << (log2 - 5), 0);
  shift = 32 - log2;
}

void automaton::way_table::size_for(std::size_t groups) {
  auto log2 = std::clamp<unsigned>(static_cast<unsigned>(std::bit_width(groups / 2)), 1, 17);
  closed.assign(std::size_t{1} << log2, ~std::uint64_t{0});
  mask = closed.size() - 1;
}

namespace {

constexpr std::size_t prefixes_max = 64; // that the brackets at a pattern's beginning make

std::uint64_t group_of(const std::u16string& codes, std::size_t from, std::size_t count) {
  std::uint64_t group = 0;
  for (std::size_t i = 0; i < count; ++i)
    group |= static_cast<std::uint64_t>(codes[from + i]) << (16 * i);
  return group;
}

} // namespace

/// Gives codes to characters, then turns words into codes, and these into the trie.
class automaton_builder {
public:
  automaton_builder(automaton& made, bool word_borders, std::vector<problem>& problems) :
      made_(made), word_borders_(word_borders), problems_(problems) {}

  void build(const std::vector<automaton_item>& items) {
    number_characters(items);
    fill_table();
    for (const auto& item : items)
      if (item.kind == entry_kind::pattern)
        add_pattern(item);
      else
        add_word(item);
    chain_equals();
    made_.trie_ = code_trie{trie_items_, next_code_};
    fill_gates();
    fill_goes_on();
    made_.pair_beginnings_.fill(trie_items_);
    made_.three_beginnings_.fill(trie_items_);
  }

private:
  bool sees_through(fold one) const { return made_.folds_.has(one); }

  bool counts(char32_t c) const {
    return !sees_through(fold::symbols) || kind_of(c) == character_kind::other;
  }

  char32_t fold_of(char32_t c) const { return folded(c, made_.folds_); }

  // Those that are words by themselves come first, so that one comparison tells them.
  void number_characters(const std::vector<automaton_item>& items) {
    std::u32string all, singles;
    for (const auto& item : items) {
      for (auto c : item.characters)
        all += fold_of(c);
      for (const auto& place : item.places.places)
        for (auto c : place.characters)
          all += fold_of(c);
      auto word = counted(item.characters);
      if (item.kind != entry_kind::pattern && collapsed(word).size() == 1)
        singles += word[0];
      else if (item.kind == entry_kind::pattern && !item.places.places.empty())
        for (auto c : item.places.places[0].characters)
          singles += fold_of(c);
    }
    for (auto* some : {&all, &singles}) {
      std::sort(some->begin(), some->end());
      some->erase(std::unique(some->begin(), some->end()), some->end());
    }
    for (int round = 0; round < 2; ++round) {
      for (auto c : all)
        if (counts(c) && codes::of_ascii(c) == codes::other
            && std::binary_search(singles.begin(), singles.end(), c) == (round == 0)
            && next_code_ < codes::skipped_space)
          code_of_[c] = next_code_++;
      if (round == 0)
        made_.singles_ = next_code_ - codes::first_rare;
    }
    for (auto c : singles)
      if (auto code = codes::of_ascii(c); code != codes::other)
        made_.latin_singles_ |= std::uint64_t{1} << (code - codes::first_digit);
  }

  codes::code code_of_folded(char32_t c) const {
    if (!counts(c))
      return kind_of(c) == character_kind::space ? codes::skipped_space : codes::skipped;
    if (auto ascii = codes::of_ascii(c); ascii != codes::other)
      return ascii;
    auto at = code_of_.find(c);
    return at == code_of_.end() ? codes::other : at->second;
  }

  void fill_table() {
    made_.code_of_.resize(0x10000);
    std::vector<codes::code> known(0x10000, codes::other);
    for (const auto& [c, code] : code_of_)
      if (c < 0x10000)
        known[c] = code;
    const auto& seen_as = folded_basic_plane(made_.folds_);
    for (char32_t c = 0; c < 0x10000; ++c) {
      auto seen = seen_as[c];
      made_.code_of_[c] = c - 0xd800 < 0x800                              ? codes::other
                          : seen < 0x10000 && known[seen] != codes::other ? known[seen]
                                                                          : code_of_folded(seen);
    }
    auto add_far = [&](char32_t c) {
      if (c < 0x10000)
        return;
      if (auto code = code_of_folded(fold_of(c)); code != codes::other)
        made_.far_[c] = code;
    };
    for (const auto& [c, code] : code_of_)
      add_far(c);
    for (const auto* pairs :
         {&tables::width, &tables::look_alikes, &tables::letter_case, &tables::script})
      for (const auto& pair : *pairs)
        add_far(pair.from);
  }

  /// The characters that count, folded, with a space where one between Latin words counts.
  std::u32string counted(const std::u32string& characters) const {
    std::u32string result;
    bool space = false;
    for (auto c : characters) {
      c = fold_of(c);
      if (!counts(c)) {
        space |= kind_of(c) == character_kind::space;
        continue;
      }
      if (space && !result.empty() && codes::of_ascii(result.back()) != codes::other
          && codes::of_ascii(c) != codes::other)
        result += U' ';
      space = false;
      result += c;
    }
    return result;
  }

  std::u32string collapsed(const std::u32string& counted) const {
    std::u32string result;
    for (auto c : counted)
      if (result.empty() || result.back() != c || !repeats(c))
        result += c;
    return result;
  }

  bool repeats(char32_t c) const {
    return sees_through(fold::repeats) && !(c >= U'0' && c <= U'9');
  }

  std::u16string codes_of(const std::u32string& counted) const {
    std::u16string result;
    for (auto c : counted)
      result += static_cast<char16_t>(sees_through(fold::symbols) && c == U' ' ? codes::space
                                                                               : code_of_folded(c));
    return result;
  }

  void refuse(const automaton_item& item, const char* what) {
    problems_.push_back({item.entry, what});
  }

  void add_word(const automaton_item& item) {
    auto counting = counted(item.characters);
    auto whole = codes_of(counting);
    auto codes = codes_of(collapsed(counting));
    if (whole.empty() || whole.find(char16_t{codes::other}) != whole.npos) {
      refuse(item, whole.empty() ? "the word has only characters that are seen through"
                                 : "the lexicon has too many different characters");
      return;
    }
    std::uint8_t flags = 0;
    auto digits = std::all_of(whole.begin(), whole.end(), codes::is_digit);
    auto latin = std::all_of(whole.begin(), whole.end(), codes::is_latin);
    if (word_borders_ && latin && whole.size() <= border_characters_max)
      flags |= automaton::stands_alone;
    if (word_borders_ && digits)
      flags |= automaton::is_number;
    auto extra = automaton::none;
    if (codes != whole) {
      flags |= automaton::has_runs;
      extra = static_cast<std::uint32_t>(made_.runs_.size());
      made_.runs_.push_back(whole);
    }
    add(item, std::move(codes), extra, flags);
  }

  void add(const automaton_item& item, std::u16string codes, std::uint32_t extra,
           std::uint8_t flags) {
    made_.has_borders_ |= (flags & (automaton::stands_alone | automaton::is_number)) != 0;
    trie_items_.push_back({std::move(codes), static_cast<std::uint32_t>(made_.words_.size())});
    made_.words_.push_back({automaton::none, item.entry, extra, item.to, flags});
  }

  // What stands firm at a pattern's beginning goes into the trie, in all its forms.
  void add_pattern(const automaton_item& item) {
    const auto& places = item.places.places;
    std::vector<std::u16string> prefixes(1);
    std::size_t firm = 0;
    for (; firm < places.size() && !places[firm].any && !places[firm].optional; ++firm) {
      auto choices = place_codes(places[firm]);
      if (choices.empty()) {
        refuse(item, "the pattern has a place of characters that are seen through");
        return;
      }
      // One that repeats the character before is left to the places: the trie knows no repeats.
      auto repeats = std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) {
        return !prefix.empty() && choices.find(prefix.back()) != choices.npos;
      });
      if (prefixes.size() * choices.size() > prefixes_max || repeats)
        break;
      std::vector<std::u16string> longer;
      for (const auto& prefix : prefixes)
        for (auto choice : choices)
          longer.push_back(prefix + choice);
      prefixes = std::move(longer);
    }
    if (firm == 0) {
      refuse(item, "the pattern begins with more than 64 characters to choose from");
      return;
    }
    automaton::tail rest;
    for (auto i = firm; i < places.size(); ++i)
      rest.push_back({places[i].any, places[i].optional, place_codes(places[i])});
    auto extra = static_cast<std::uint32_t>(made_.tails_.size());
    made_.tails_.push_back(std::move(rest));
    for (auto& prefix : prefixes)
      add(item, std::move(prefix), extra, automaton::is_pattern);
  }

  std::u16string place_codes(const place& one) const {
    std::u16string result;
    for (auto c : one.characters)
      if (auto code = code_of_folded(fold_of(c));
          code != codes::other && code < codes::skipped_space)
        result += static_cast<char16_t>(code);
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
  }

  void chain_equals() {
    std::stable_sort(trie_items_.begin(), trie_items_.end(),
                     [](const auto& a, const auto& b) { return a.codes < b.codes; });
    std::size_t same = 0;
    for (std::size_t i = 1; i < trie_items_.size(); ++i) {
      auto &before = trie_items_[i - 1], &here = trie_items_[i];
      same = before.codes == here.codes ? same + 1 : 0;
      if (same == 0)
        continue;
      if (same >= same_words_max)
        problems_.push_back(
            {made_.words_[here.value].entry, "64 entries are the same word already"});
      else
        made_.words_[before.value].next = here.value;
    }
  }

  void fill_gates() {
    auto is_short = [](const std::u16string& codes) {
      return !codes::is_latin(codes[0]) || codes.size() < 4;
    };
    std::size_t shorts = 0;
    for (const auto& item : trie_items_)
      shorts += is_short(item.codes);
    made_.pairs_.size_for(shorts);
    // Four times as many bits: Latin words are few, and Latin text meets them everywhere.
    made_.fours_.size_for(4 * (trie_items_.size() - shorts));
    made_.has_fours_ = shorts < trie_items_.size();
    made_.after_pairs_.size_for(shorts);
    made_.after_fours_.size_for(trie_items_.size() - shorts);
    for (const auto& [codes, value] : trie_items_) {
      bool is_latin = !is_short(codes);
      auto first = is_latin ? std::size_t{4} : std::size_t{2}, after = first / 2;
      if (codes.size() < first)
        continue;
      auto begin = group_of(codes, 0, first);
      auto key = is_latin ? groups::low_bytes(begin) : static_cast<std::uint32_t>(begin);
      auto next = group_of(codes, first, std::min(codes.size() - first, after));
      if (is_latin)
        made_.fours_.add(key);
      else
        add_pair(key);
      (is_latin ? made_.after_fours_ : made_.after_pairs_)
          .add(groups::hashed_key(key), groups::way(static_cast<std::uint32_t>(next)));
    }
  }

  void add_pair(std::uint32_t pair) {
    made_.pairs_.add(pair);
    if (automaton::latin_gate::is_for(pair))
      made_.latin_pairs_.add(pair);
  }

  void fill_goes_on() {
    made_.goes_on_.assign(next_code_, 0);
    for (codes::code c = 0; c < next_code_; ++c)
      made_.goes_on_[c] = (made_.trie_.first_flags(c) & code_trie::has_more) != 0;
  }

  automaton& made_;
  bool word_borders_;
  std::vector<problem>& problems_;
  std::unordered_map<char32_t, codes::code> code_of_;
  codes::code next_code_ = codes::first_rare;
  std::vector<code_trie::item> trie_items_;
};

automaton::automaton(const std::vector<automaton_item>& items, fold_set folds, bool word_borders,
                     std::vector<problem>& problems) :
    folds_(folds) {
  automaton_builder{*this, word_borders, problems}.build(items);
}

std::size_t automaton::memory_bytes() const noexcept {
  auto bytes = sizeof *this + code_of_.capacity() * sizeof(codes::code) + trie_.memory_bytes()
               + words_.capacity() * sizeof(word) + far_.size() * 32 + goes_on_.capacity()
               + pair_beginnings_.memory_bytes() + three_beginnings_.memory_bytes()
               + (pairs_.bits.size() + fours_.bits.size()) * sizeof(std::uint32_t)
               + (after_pairs_.closed.size() + after_fours_.closed.size()) * sizeof(std::uint64_t);
  for (const auto& run : runs_)
    bytes += sizeof(std::u16string) + run.capacity() * 2;
  for (const auto& one : tails_) {
    bytes += sizeof(tail);
    for (const auto& place : one)
      bytes += sizeof(tail_place) + place.codes.capacity() * 2;
  }
  return bytes;
}

} // namespace troupe::moderation
