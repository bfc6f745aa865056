// What operators say about keywords: when a rule applies, and what is answered then. No CAF.
#pragma once

#include "actors/keywords/fold.hpp"
#include "actors/keywords/hours.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

enum class rule_kind : std::uint8_t {
  exact,     // the message is `text`
  prefix,    // it begins with `text`; capture 1 is the rest
  contains,  // `text` is somewhere in it
  pattern,   // it matches `text` as a pattern (actors/keywords/pattern.hpp)
  all_words, // all of `words` are somewhere in it, in any order
};
inline constexpr std::size_t rule_kinds = 5;

enum class chat_kind : std::uint8_t { any, private_chat, group };

/// Where and when a rule applies. An empty list is no restriction. Ids are the platform's.
struct rule_scope {
  std::vector<std::string> channels; // onebot, wecom...
  std::vector<std::string> accounts; // bot accounts
  std::vector<std::string> groups;   // of group chats; a private chat is in none
  std::vector<std::string> users;
  chat_kind chats = chat_kind::any;
  std::vector<day_hours> hours; // of the day, by the clock of `zone`
  std::string zone = "UTC";     // as `time_zone::find` knows them

  bool operator==(const rule_scope&) const = default;
};

/// One of the things a rule may say.
struct rule_answer {
  std::string text;                // a template (actors/keywords/template.hpp)
  std::vector<std::string> images; // https URLs, or media:NAME for what Troupe stores
  bool prompt = false;             // `text` goes to the model as the message, and the model answers
  std::uint32_t weight = 1;        // of being chosen among the answers; 0: never

  bool operator==(const rule_answer&) const = default;
};

/// Who shares a cool-down.
enum class cooldown_per : std::uint8_t { rule, chat, user };

struct rule {
  std::string id; // letters, digits and ._-:
  rule_kind kind = rule_kind::contains;
  std::string text;               // UTF-8; not of `all_words`
  std::vector<std::string> words; // of `all_words`
  std::int32_t priority = 0;      // the highest of the rules that match is used
  bool enabled = true;
  bool whole_words = false; // prefix, contains, all_words: not within a longer word of an alphabet
  rule_scope scope;
  std::vector<rule_answer> answers;
  std::int64_t cooldown_ms = 0; // after it was used it rests so long
  cooldown_per cooldown = cooldown_per::chat;

  bool operator==(const rule&) const = default;
};

/// Bounds of one rule.
struct rule_limits {
  std::size_t id_bytes_max = 64;
  std::size_t text_points_max = 256; // also of each word
  std::size_t words_max = 8;
  std::size_t scope_ids_max = 1'000; // of each list
  std::size_t hours_max = 8;
  std::size_t answers_max = 32;
  std::size_t answer_bytes_max = 8'192;
  std::size_t images_max = 9;          // of an answer
  std::size_t image_bytes_max = 2'048; // of its reference
  std::int64_t cooldown_ms_max = 30LL * 86'400'000;
  std::int32_t priority_max = 1'000'000; // and the least is its opposite
};

/// Checks rules, one after another. For one thread.
class rule_checker {
public:
  explicit rule_checker(rule_limits limits = {}, folding how = {}) : limits_(limits), fold_(how) {}

  /// What is wrong with a rule, with the field's name; empty if nothing. A rule that passes can be
  /// compiled, and its answers rendered.
  std::string check(const rule& given);

  /// The time zone of this name, kept for the next rule; no zone if there is none.
  std::shared_ptr<const time_zone> zone(const std::string& name);

private:
  static constexpr std::size_t zones_max = 1'024; // more than there are

  rule_limits limits_;
  folder fold_;
  std::map<std::string, std::shared_ptr<const time_zone>> zones_;
};

/// One of the answers by their weights; `random` is any number, evenly drawn. An answer without a
/// competitor is taken whatever its weight. The rule has answers.
const rule_answer& choose_answer(const rule& given, std::uint64_t random) noexcept;

// Names in files and interfaces: `exact`, `all_words`; `any`, `private`, `group`; `rule`, `chat`.
std::string_view to_string(rule_kind kind) noexcept;
std::string_view to_string(chat_kind kind) noexcept;
std::string_view to_string(cooldown_per per) noexcept;
bool from_string(std::string_view name, rule_kind& out) noexcept;
bool from_string(std::string_view name, chat_kind& out) noexcept;
bool from_string(std::string_view name, cooldown_per& out) noexcept;

} // namespace troupe::keywords
