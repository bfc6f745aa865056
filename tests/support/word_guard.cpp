#include "tests/support/word_guard.hpp"

namespace troupe::test {

using namespace moderation;

word_guard::word_guard(std::vector<entry> words, const config::moderation_section& section) :
    watch(std::make_shared<word_watch>(*options_of(section))) {
  replace(std::move(words));
  guard_options options;
  options.watch = watch;
  options.config = section;
  options.probe = probe;
  options.audit = [lock = mutex, to = audit](RecordModerationHits more) {
    std::lock_guard held{*lock};
    to->MergeFrom(*more);
  };
  guard = make_text_guard(std::move(options));
}

void word_guard::replace(std::vector<entry> words) const {
  std::vector<problem> problems;
  lexicon all{"words", 3, std::move(words), {{"words", 3, 0}}};
  watch->replace(matcher::make(all, watch->options(), problems));
}

std::vector<v1::ModerationHit> word_guard::hits() const {
  std::lock_guard held{*mutex};
  return {audit->hits().begin(), audit->hits().end()};
}

std::string word_guard::told() const {
  std::string out;
  for (const auto& hit : hits())
    out += (out.empty() ? "" : " ") + hit.action() + ":" + hit.category() + ":" + hit.text();
  return out;
}

entry word(const std::string& text, action act, const std::string& category, int level) {
  return {.text = text,
          .category = category,
          .level = static_cast<std::uint8_t>(level),
          .act = act,
          .replacement = act == action::replace ? "[gone]" : ""};
}

} // namespace troupe::test
