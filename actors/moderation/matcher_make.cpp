#include "actors/moderation/matcher.hpp"

#include <algorithm>
#include <unordered_map>

namespace troupe::moderation {

namespace {

// Shorter ones would be found everywhere if their symbols were seen through.
constexpr std::size_t latin_left_min = 4, others_left_min = 2;

std::u32string decoded(std::string_view text) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size();) {
    auto [code_point, bytes] = character_at(text, at);
    result += code_point;
    at += bytes;
  }
  return result;
}

bool is_ascii_word_char(char32_t c) { return codes::of_ascii(c) != codes::other; }

std::vector<std::string> sorted_names(const std::vector<entry>& entries, std::string entry::*name) {
  std::vector<std::string> names;
  for (const auto& one : entries)
    if (const auto& text = one.*name; !text.empty() && (names.empty() || names.back() != text))
      names.push_back(text);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > scopes_max)
    names.resize(scopes_max);
  return names;
}

} // namespace

class matcher::maker {
public:
  maker(const lexicon& words, const matcher_options& options, std::vector<problem>& problems) :
      words_(words), problems_(problems), made_(std::make_shared<matcher>()) {
    made_->name_ = words.name;
    made_->version_ = words.version;
    made_->parts_ = words.parts;
    made_->options_ = options;
  }

  std::shared_ptr<const matcher> make() {
    made_->categories_ = {""};
    made_->tenants_ = sorted_names(words_.entries, &entry::tenant);
    made_->channels_ = sorted_names(words_.entries, &entry::channel);
    auto count = std::min(words_.entries.size(), entries_max);
    if (count < words_.entries.size())
      problems_.push_back({entries_max, "a lexicon has at most 200,000 entries: split it"});
    made_->records_.resize(count);
    for (std::size_t i = 0; i < count; ++i)
      add(static_cast<std::uint32_t>(i), words_.entries[i]);
    auto folds = made_->options_.folds;
    auto borders = made_->options_.word_borders;
    made_->words_ = automaton{words_items_, folds, borders, problems_};
    if (!exact_items_.empty())
      made_->exact_ = automaton{exact_items_, folds.without(through), borders, problems_};
    if (!sound_items_.empty())
      made_->sound_ = pinyin_index{sound_items_, folds, problems_};
    for (std::size_t i = 0; i < detectors_count; ++i)
      if (made_->options_.detectors[i].on)
        made_->detectors_.add(static_cast<detector>(i));
    made_->has_words_only_ =
        made_->exact_.empty() && made_->sound_.empty() && made_->detectors_.empty();
    made_->texts_.shrink_to_fit();
    return std::move(made_);
  }

private:
  static constexpr fold_set through{fold::symbols, fold::repeats};

  void add(std::uint32_t index, const entry& one) {
    if (auto fault = fault_of(one); !fault.empty()) {
      problems_.push_back({index, std::move(fault)});
      return;
    }
    auto to = made_->audience_of(one.tenant, one.channel);
    if ((to.tenant == 0 && !one.tenant.empty()) || (to.channel == 0 && !one.channel.empty())) {
      problems_.push_back({index, "the lexicon has more than 65,000 tenants or channels"});
      return;
    }
    record(index, one);
    automaton_item item{index, one.kind, to, {}, {}};
    if (one.kind == entry_kind::pattern)
      item.places = parse_pattern(one.text);
    else
      item.characters = decoded(one.text);
    if (one.pinyin && one.kind == entry_kind::word && made_->options_.folds.has(fold::pinyin))
      sound_items_.push_back(item);
    (is_of_symbols(item) ? exact_items_ : words_items_).push_back(std::move(item));
  }

  void record(std::uint32_t index, const entry& one) {
    auto& made = made_->records_[index];
    made.text_at = keep(one.text);
    made.text_bytes = static_cast<std::uint16_t>(one.text.size());
    made.replacement_at = keep(one.replacement);
    made.replacement_bytes = static_cast<std::uint16_t>(one.replacement.size());
    made.level = one.level;
    made.act = one.act;
    made.kind = one.kind;
    if (auto at = category_numbers_.find(one.category); at != category_numbers_.end())
      made.category = at->second;
    else if (one.category.empty())
      made.category = 0;
    else if (made_->categories_.size() > categories_max)
      problems_.push_back({index, "the lexicon has more than 1,000 categories: this one is empty"});
    else {
      made.category = static_cast<std::uint16_t>(made_->categories_.size());
      category_numbers_.emplace(one.category, made.category);
      made_->categories_.push_back(one.category);
    }
  }

  std::uint32_t keep(const std::string& text) {
    auto at = static_cast<std::uint32_t>(made_->texts_.size());
    made_->texts_ += text;
    return at;
  }

  /// Whether little would be left of a word, or of what a pattern begins with, without its symbols.
  bool is_of_symbols(const automaton_item& item) const {
    auto folds = made_->options_.folds;
    if (!folds.has(fold::symbols))
      return false;
    std::u32string all = item.characters;
    for (const auto& place : item.places.places)
      all += place.characters;
    std::size_t symbols = 0, latin = 0, others = 0;
    for (auto c : all) {
      auto seen = folded(c, folds);
      if (auto kind = kind_of(seen); kind == character_kind::space)
        continue;
      else if (kind == character_kind::symbol)
        ++symbols;
      else if (is_ascii_word_char(seen))
        ++latin;
      else
        ++others;
    }
    return symbols > 0
           && (item.kind == entry_kind::pattern
               || (others < others_left_min && latin + others < latin_left_min));
  }

  const lexicon& words_;
  std::vector<problem>& problems_;
  std::shared_ptr<matcher> made_;
  std::vector<automaton_item> words_items_, exact_items_, sound_items_;
  std::unordered_map<std::string, std::uint16_t> category_numbers_;
};

std::shared_ptr<const matcher> matcher::make(const lexicon& words, const matcher_options& options,
                                             std::vector<problem>& problems) {
  return maker{words, options, problems}.make();
}

} // namespace troupe::moderation
