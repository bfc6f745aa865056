#include "actors/moderation/pinyin.hpp"

#include <algorithm>

namespace troupe::moderation {

namespace {

constexpr std::uint32_t none = 0xffff'ffff;

bool is_latin(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'); }

bool is_latin_at(std::string_view text, std::size_t at) {
  return is_latin(static_cast<unsigned char>(text[at]));
}

/// What the letters read so far came from: a Han character spans exactly one syllable.
struct spans {
  std::string han; // for each Han character: letters before it, letters of it
};

bool fits(const std::string& lengths, const spans& read) {
  for (std::size_t i = 0; i + 1 < read.han.size(); i += 2) {
    auto begin = static_cast<unsigned char>(read.han[i]);
    unsigned at = 0;
    auto same = std::any_of(lengths.begin(), lengths.end(), [&](char length) {
      auto here = at;
      at += static_cast<unsigned char>(length);
      return here == begin && length == read.han[i + 1];
    });
    if (!same)
      return false;
  }
  return true;
}

constexpr std::size_t letters_max = 250; // of one word's reading

} // namespace

std::string_view pinyin_index::letters_of(char32_t code_point, char& buffer) const {
  code_point = folded(code_point, folds_ | fold_set{fold::letter_case});
  if (is_latin(code_point)) {
    buffer = static_cast<char>(code_point);
    return {&buffer, 1};
  }
  return pinyin_of(code_point);
}

bool pinyin_index::skips(char32_t code_point) const {
  return folds_.has(fold::symbols) && code_point != no_character
         && kind_of(folded(code_point, folds_)) != character_kind::other;
}

pinyin_index::pinyin_index(const std::vector<automaton_item>& items, fold_set folds,
                           std::vector<problem>& problems) :
    folds_(folds) {
  std::vector<code_trie::item> readings;
  for (const auto& item : items) {
    std::u16string letters;
    std::string lengths;
    bool readable = true;
    for (auto c : item.characters) {
      char buffer = 0;
      if (skips(c))
        continue;
      auto syllable = letters_of(c, buffer);
      readable = readable && !syllable.empty() && !is_latin(c);
      letters.append(syllable.begin(), syllable.end());
      lengths += static_cast<char>(syllable.size());
    }
    if (!readable || lengths.size() < 2 || letters.size() > letters_max) {
      problems.push_back({item.entry, "only words of two and more Han characters, and nothing "
                                      "else, are found by their sound"});
      continue;
    }
    readings.push_back({std::move(letters), static_cast<std::uint32_t>(words_.size())});
    words_.push_back({none, item.entry, item.to, std::move(lengths)});
  }
  std::stable_sort(readings.begin(), readings.end(),
                   [](const auto& a, const auto& b) { return a.codes < b.codes; });
  std::size_t same = 0;
  for (std::size_t i = 1; i < readings.size(); ++i) {
    same = readings[i - 1].codes == readings[i].codes ? same + 1 : 0;
    if (same >= same_words_max)
      problems.push_back({words_[readings[i].value].entry, "64 entries sound the same already"});
    else if (same > 0)
      words_[readings[i - 1].value].next = readings[i].value;
  }
  trie_ = code_trie{readings, 128};
}

std::size_t pinyin_index::memory_bytes() const noexcept {
  return sizeof *this + trie_.memory_bytes() + words_.capacity() * sizeof(word);
}

pinyin_index::outcome pinyin_index::walk(std::string_view text, std::size_t begin, bool final,
                                         audience to, std::vector<found>& hits) const {
  auto more = [&](std::size_t at) { return at == text.size() && !final; };
  const auto first_hit = hits.size();
  code_trie::cursor place;
  bool started = false;
  spans read;
  std::size_t letters = 0, gap = 0;
  for (auto at = begin;;) {
    if (at == text.size()) {
      if (final || (started && !(place.flags & code_trie::has_more)))
        break;
      hits.resize(first_hit);
      return outcome::needs_more;
    }
    auto [code_point, bytes] = character_at(text, at);
    char buffer = 0;
    auto syllable =
        code_point == no_character ? std::string_view{} : letters_of(code_point, buffer);
    if (syllable.empty() && skips(code_point) && at > begin && ++gap <= symbols_max) {
      at += bytes;
      continue;
    }
    if (syllable.empty())
      break;
    gap = 0;
    at += bytes;
    if (syllable.data() != &buffer)
      read.han += {static_cast<char>(letters), static_cast<char>(syllable.size())};
    for (auto c : syllable) {
      auto code = static_cast<unsigned char>(c);
      auto goes = !started ? trie_.start(place, code)
                           : (place.flags & code_trie::has_more) != 0 && trie_.step(place, code);
      if (!goes)
        return outcome::done;
      started = true;
      ++letters;
    }
    if (!(place.flags & code_trie::ends))
      continue;
    auto latin_end = syllable.data() == &buffer;
    if (latin_end && more(at)) {
      hits.resize(first_hit);
      return outcome::needs_more;
    }
    if (latin_end && at < text.size() && is_latin_at(text, at))
      continue;
    for (auto w = place.value; w != none; w = words_[w].next)
      if (const auto& word = words_[w]; (word.to.tenant == 0 || word.to.tenant == to.tenant)
                                        && (word.to.channel == 0 || word.to.channel == to.channel)
                                        && fits(word.lengths, read))
        hits.push_back({begin, at, word.entry});
  }
  return outcome::done;
}

std::size_t pinyin_index::scan(std::string_view text, bool& before, bool final, audience to,
                               std::size_t hits_max, std::vector<found>& hits) const {
  const auto enough = hits.size() + hits_max;
  for (std::size_t at = 0; at < text.size();) {
    auto [code_point, bytes] = character_at(text, at);
    char buffer = 0;
    auto syllable =
        code_point == no_character ? std::string_view{} : letters_of(code_point, buffer);
    auto latin = syllable.data() == &buffer && !syllable.empty();
    if (!syllable.empty() && !(latin && before)) {
      auto first = hits.size();
      if (hits.size() >= enough || walk(text, at, final, to, hits) == outcome::needs_more)
        return at;
      std::reverse(hits.begin() + static_cast<std::ptrdiff_t>(first), hits.end());
    }
    before = bytes == 1 && is_latin_at(text, at);
    at += bytes;
  }
  return text.size();
}

} // namespace troupe::moderation
