#include "actors/keywords/rule_linter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

namespace troupe::keywords {

namespace {

constexpr std::array<std::string_view, 8> lint_names{"unusable",      "never_wins",  "too_short",
                                                     "answers_all",   "everyday",    "never_said",
                                                     "long_cooldown", "says_nothing"};

constexpr std::size_t rivals_max = 64; // rules above one that are looked at
constexpr std::size_t letters_min = 4; // of a word of an alphabet that stands within no others

/// Every channel, chat and person that `inner` lets in, `outer` lets in as well.
bool covers(const rule_scope& outer, const rule_scope& inner) {
  auto all_of = [](const std::vector<std::string>& more, const std::vector<std::string>& less) {
    if (more.empty() || less.empty())
      return more.empty();
    return std::all_of(less.begin(), less.end(), [&](const std::string& one) {
      return std::find(more.begin(), more.end(), one) != more.end();
    });
  };
  auto inner_chats = inner.groups.empty() ? inner.chats : chat_kind::group;
  return all_of(outer.channels, inner.channels) && all_of(outer.accounts, inner.accounts)
         && all_of(outer.groups, inner.groups) && all_of(outer.users, inner.users)
         && (outer.chats == chat_kind::any || outer.chats == inner_chats)
         && (outer.hours.empty() || (outer.hours == inner.hours && outer.zone == inner.zone));
}

/// `rival` matched the text of `r` as a message: does it match every message that `r` matches?
bool matches_wherever(const rule& rival, const rule& r) {
  if (r.kind == rule_kind::exact)
    return true;
  if (rival.whole_words && !(rival.kind == r.kind && r.whole_words && rival.text == r.text))
    return false;
  if (rival.kind == rule_kind::prefix)
    return r.kind == rule_kind::prefix;
  return rival.kind == rule_kind::contains || rival.kind == rule_kind::all_words;
}

bool has_own_text(const rule& r) {
  return r.kind == rule_kind::exact || r.kind == rule_kind::prefix || r.kind == rule_kind::contains;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

class linter {
public:
  explicit linter(std::span<const rule> rules) : rules_(rules) {}

  std::vector<lint> run(std::string_view ordinary) {
    for (const auto& r : rules_)
      places_.emplace(r.id, places_.size());
    for (const auto& r : rules_)
      look_at(r);
    compile();
    if (made_ != nullptr) {
      for (rule_rank rank = 0; rank < made_->size(); ++rank)
        look_for_rivals(made_->at(rank));
      look_for_any();
      look_in(ordinary.substr(0, ordinary_bytes_max));
    }
    std::stable_sort(found_.begin(), found_.end(), [this](const lint& a, const lint& b) {
      return std::pair{place(a), a.kind} < std::pair{place(b), b.kind};
    });
    if (found_.size() > lints_max)
      found_.resize(lints_max);
    return std::move(found_);
  }

private:
  std::size_t place(const lint& one) const {
    auto known = places_.find(one.id);
    return known == places_.end() ? places_.size() : known->second;
  }

  void add(lint_kind kind, std::string id, std::string text) {
    found_.push_back({kind, std::move(id), std::move(text)});
  }

  void look_at(const rule& r) {
    auto is_short = [&](const std::string& text) {
      folded_text folded;
      fold_text(text, fold_, folded);
      const auto& points = folded.points;
      if (points.size() == 1)
        return true;
      return !r.whole_words && points.size() < letters_min
             && std::all_of(points.begin(), points.end(), is_word_character);
    };
    if (r.kind == rule_kind::contains && is_short(r.text))
      add(lint_kind::too_short, r.id,
          fmt::format("\"{}\" is found within many other words: make it exact, longer, or of "
                      "whole words",
                      r.text));
    std::uint64_t weights = 0;
    for (const auto& answer : r.answers)
      weights += answer.weight;
    for (std::size_t i = 0; i < r.answers.size(); ++i) {
      const auto& answer = r.answers[i];
      if (r.answers.size() > 1 && answer.weight == 0 && (weights > 0 || i > 0))
        add(lint_kind::never_said, r.id,
            fmt::format("answers[{}] has the weight 0: it is never chosen", i));
      if (answer.images.empty() && is_blank(answer.text))
        add(lint_kind::says_nothing, r.id,
            fmt::format("answers[{}] is only white space: nobody will see it", i));
    }
    if (r.cooldown_ms >= long_cooldown_ms)
      add(lint_kind::long_cooldown, r.id,
          fmt::format("it rests for {} days after it was used; a node that is started anew "
                      "forgets it sooner",
                      r.cooldown_ms / 86'400'000));
  }

  /// Without scopes, which the texts of the rules would not be in.
  void compile() {
    std::vector<rule> rules{rules_.begin(), rules_.end()};
    for (auto& r : rules) {
      scopes_.emplace(r.id, std::move(r.scope));
      r.scope = {};
    }
    auto made = matcher::compile(std::move(rules));
    made_ = made.rules;
    for (auto& wrong : made.problems)
      add(lint_kind::unusable, std::move(wrong.id), std::move(wrong.what));
  }

  void look_for_rivals(const rule& r) {
    if (!has_own_text(r))
      return;
    message_facts message;
    message.text = r.text;
    for (const auto& match : made_->all(message, memory_, rivals_max).found) {
      const auto& rival = *match.what;
      if (&rival == &r)
        return;
      if (rival.cooldown_ms > 0 || !matches_wherever(rival, r)
          || !covers(scopes_[rival.id], scopes_[r.id]))
        continue;
      return add(lint_kind::never_wins, r.id,
                 fmt::format("{} matches wherever it does, and comes first: give it a higher "
                             "priority, or remove it",
                             rival.id));
    }
  }

  /// What matches two texts that have nothing in common matches everything.
  void look_for_any() {
    std::map<std::string, int> matched;
    for (std::string_view text : {"qzx 7", "龘"}) {
      message_facts message;
      message.text = text;
      for (const auto& match : made_->all(message, memory_, made_->size()).found)
        ++matched[match.what->id];
    }
    for (const auto& [id, times] : matched)
      if (times == 2 && covers(scopes_[id], {}))
        add(lint_kind::answers_all, id,
            "it matches whatever is written: no model is asked any more; give it a text or a "
            "scope");
  }

  void look_in(std::string_view ordinary) {
    std::size_t lines = 0;
    std::unordered_map<const rule*, std::size_t> matched;
    while (!ordinary.empty()) {
      auto end = std::min(ordinary.find('\n'), ordinary.size());
      message_facts message;
      message.text = ordinary.substr(0, end);
      ordinary.remove_prefix(std::min(end + 1, ordinary.size()));
      if (is_blank(message.text))
        continue;
      ++lines;
      for (const auto& match : made_->all(message, memory_, rivals_max).found)
        ++matched[match.what];
    }
    for (const auto& [r, times] : matched)
      if (times > 1 && times * everyday_lines > lines)
        add(lint_kind::everyday, r->id,
            fmt::format("it matches {} of {} lines of the ordinary text", times, lines));
  }

  std::span<const rule> rules_;
  folder fold_{folding{}};
  std::unordered_map<std::string_view, std::size_t> places_;
  std::unordered_map<std::string, rule_scope> scopes_;
  std::shared_ptr<const matcher> made_;
  matcher::scratch memory_;
  std::vector<lint> found_;
};

} // namespace

std::string_view name_of(lint_kind kind) noexcept {
  return lint_names[static_cast<std::size_t>(kind)];
}

std::vector<lint> linted(std::span<const rule> rules, std::string_view ordinary) {
  return linter{rules}.run(ordinary);
}

} // namespace troupe::keywords
