// A guard over a few words, for tests of those whose texts it looks at.
#pragma once

#include "actors/moderation/guard.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

/// Whatever `words` says; told hits are in `hits`.
struct word_guard {
  explicit word_guard(std::vector<moderation::entry> words,
                      const config::moderation_section& section = {});

  /// Puts other words to work.
  void replace(std::vector<moderation::entry> words) const;
  std::vector<v1::ModerationHit> hits() const;
  /// "action:category:text" of each, with a space between.
  std::string told() const;

  std::shared_ptr<moderation::word_watch> watch;
  std::shared_ptr<moderation_probe> probe = std::make_shared<moderation_probe>();
  std::shared_ptr<std::mutex> mutex = std::make_shared<std::mutex>();
  std::shared_ptr<v1::RecordModerationHits> audit = std::make_shared<v1::RecordModerationHits>();
  text_guard_ptr guard;
};

/// "block forbidden" and the like: entries of one action with a category.
moderation::entry word(const std::string& text, moderation::action act,
                       const std::string& category = "test", int level = 1);

} // namespace troupe::test
