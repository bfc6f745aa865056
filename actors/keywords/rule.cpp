#include "actors/keywords/rule.hpp"

#include "actors/keywords/pattern.hpp"
#include "actors/keywords/template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace troupe::keywords {

namespace {

constexpr std::array<std::string_view, rule_kinds> kind_names{"exact", "prefix", "contains",
                                                              "pattern", "all_words"};
constexpr std::array<std::string_view, 3> chat_names{"any", "private", "group"};
constexpr std::array<std::string_view, 3> cooldown_names{"rule", "chat", "user"};

template <class Names, class Enum>
bool find_name(const Names& names, std::string_view name, Enum& out) noexcept {
  auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    return false;
  out = static_cast<Enum>(found - names.begin());
  return true;
}

bool is_id(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.'
           || c == '_' || c == '-' || c == ':';
  });
}

/// Checks a rule field by field; the first problem is kept.
class checker {
public:
  checker(const rule& given, const rule_limits& limits, const folder& fold, rule_checker& zones) :
      given_(given), limits_(limits), fold_(fold), zones_(zones) {}

  std::string run() {
    if (given_.id.size() > limits_.id_bytes_max || !is_id(given_.id))
      fail("id", fmt::format("must be 1 to {} letters, digits and ._-:", limits_.id_bytes_max));
    if (given_.priority > limits_.priority_max || given_.priority < -limits_.priority_max)
      fail("priority", fmt::format("must be at most {} and at least -{}", limits_.priority_max,
                                   limits_.priority_max));
    if (given_.cooldown_ms < 0 || given_.cooldown_ms > limits_.cooldown_ms_max)
      fail("cooldown_ms", fmt::format("must be 0 to {}", limits_.cooldown_ms_max));
    check_match();
    check_scope();
    check_answers();
    return problem_;
  }

private:
  void fail(std::string_view field, std::string_view what) {
    if (problem_.empty())
      problem_ = fmt::format("{} {}", field, what);
  }

  bool check_literal(std::string_view field, std::string_view text) {
    folded_text folded;
    if (text.size() > limits_.text_points_max * 4 || !is_plain_text(text)) {
      fail(field, fmt::format("must be UTF-8 text of at most {} characters without U+0000",
                              limits_.text_points_max));
      return false;
    }
    fold_text(text, fold_, folded);
    if (!folded.points.empty() && folded.points.size() <= limits_.text_points_max)
      return true;
    fail(field, fmt::format("must be 1 to {} characters, not counting white space at its ends",
                            limits_.text_points_max));
    return false;
  }

  void check_match() {
    if (given_.kind == rule_kind::all_words) {
      if (!given_.text.empty())
        fail("text", "must be empty: a rule of all_words has words");
      return check_words();
    }
    if (!given_.words.empty())
      fail("words", "must be empty: only a rule of all_words has them");
    if (!check_literal("text", given_.text))
      return;
    if (given_.kind == rule_kind::prefix)
      captures_ = 1;
    if (given_.kind == rule_kind::pattern)
      check_pattern();
    if (given_.whole_words
        && (given_.kind == rule_kind::exact || given_.kind == rule_kind::pattern))
      fail("whole_words", "is only for prefix, contains and all_words");
  }

  void check_words() {
    if (given_.words.empty() || given_.words.size() > limits_.words_max)
      return fail("words", fmt::format("must be 1 to {} words", limits_.words_max));
    std::set<std::u32string> seen;
    for (std::size_t i = 0; i < given_.words.size(); ++i) {
      auto field = fmt::format("words[{}]", i);
      folded_text folded;
      if (!check_literal(field, given_.words[i]))
        return;
      fold_text(given_.words[i], fold_, folded);
      if (!seen.insert(folded.points).second)
        fail(field, "is there twice");
    }
  }

  void check_pattern() {
    std::string problem;
    auto parsed = pattern::parse(given_.text, fold_, problem);
    if (!problem.empty())
      return fail("text", "has " + problem);
    capture_names_ = parsed.capture_names();
    captures_ = capture_names_.size();
    for (const auto& name : capture_names_)
      if (is_template_variable(name))
        fail("text", fmt::format("has a capture named {}, which is a variable of templates", name));
  }

  void check_ids(std::string_view field, const std::vector<std::string>& ids) {
    if (ids.size() > limits_.scope_ids_max)
      fail(field, fmt::format("must have at most {} entries", limits_.scope_ids_max));
    for (const auto& id : ids)
      if (id.empty() || id.size() > limits_.id_bytes_max * 4 || !is_plain_text(id))
        fail(field, fmt::format("must have entries of 1 to {} bytes", limits_.id_bytes_max * 4));
  }

  void check_scope() {
    const auto& scope = given_.scope;
    check_ids("scope.channels", scope.channels);
    check_ids("scope.accounts", scope.accounts);
    check_ids("scope.groups", scope.groups);
    check_ids("scope.users", scope.users);
    if (!scope.groups.empty() && scope.chats == chat_kind::private_chat)
      fail("scope.groups", "must be empty when chats is private");
    if (scope.hours.size() > limits_.hours_max)
      fail("scope.hours", fmt::format("must have at most {} entries", limits_.hours_max));
    for (const auto& [from, to] : scope.hours)
      if (from < 0 || from >= minutes_a_day || to < 0 || to > minutes_a_day || from == to)
        fail("scope.hours", "must be like 09:00-18:30");
    if (zones_.zone(scope.zone) == nullptr)
      fail("scope.zone", "must be a time zone like Asia/Shanghai or an offset like +08:00");
  }

  void check_answers() {
    if (given_.answers.empty() || given_.answers.size() > limits_.answers_max)
      return fail("answers", fmt::format("must be 1 to {} answers", limits_.answers_max));
    for (std::size_t i = 0; i < given_.answers.size(); ++i)
      check_answer(fmt::format("answers[{}]", i), given_.answers[i]);
  }

  void check_answer(const std::string& where, const rule_answer& answer) {
    if (answer.text.size() > limits_.answer_bytes_max || !is_plain_text(answer.text))
      return fail(where + ".text",
                  fmt::format("must be UTF-8 text of at most {} bytes", limits_.answer_bytes_max));
    if (auto wrong = check_template(answer.text, captures_, capture_names_); !wrong.empty())
      fail(where + ".text", "has a mistake: " + wrong);
    if (answer.text.empty() && (answer.prompt || answer.images.empty()))
      fail(where, answer.prompt ? "needs a text: it is the prompt" : "needs a text or an image");
    if (answer.images.size() > limits_.images_max || (answer.prompt && !answer.images.empty()))
      fail(where + ".images",
           fmt::format("must be at most {}, and none beside a prompt", limits_.images_max));
    for (const auto& image : answer.images) {
      auto known = image.starts_with("https://") || image.starts_with("media:");
      if (!known || image.size() > limits_.image_bytes_max || !is_plain_text(image))
        fail(where + ".images", "must be https URLs or media:NAME");
    }
  }

  const rule& given_;
  const rule_limits& limits_;
  const folder& fold_;
  rule_checker& zones_;
  std::vector<std::string> capture_names_;
  std::size_t captures_ = 0;
  std::string problem_;
};

} // namespace

std::string rule_checker::check(const rule& given) {
  return checker{given, limits_, fold_, *this}.run();
}

std::shared_ptr<const time_zone> rule_checker::zone(const std::string& name) {
  if (auto known = zones_.find(name); known != zones_.end())
    return known->second;
  auto found = time_zone::find(name);
  if (found != nullptr && zones_.size() < zones_max)
    zones_.emplace(name, found);
  return found;
}

const rule_answer& choose_answer(const rule& given, std::uint64_t random) noexcept {
  std::uint64_t total = 0;
  for (const auto& a : given.answers)
    total += a.weight;
  auto left = total == 0 ? 0 : random % total;
  for (const auto& a : given.answers) {
    if (left < a.weight)
      return a;
    left -= a.weight;
  }
  return given.answers.front();
}

std::string_view to_string(rule_kind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(chat_kind kind) noexcept {
  return chat_names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(cooldown_per per) noexcept {
  return cooldown_names[static_cast<std::size_t>(per)];
}

bool from_string(std::string_view name, rule_kind& out) noexcept {
  return find_name(kind_names, name, out);
}

bool from_string(std::string_view name, chat_kind& out) noexcept {
  return find_name(chat_names, name, out);
}

bool from_string(std::string_view name, cooldown_per& out) noexcept {
  return find_name(cooldown_names, name, out);
}

} // namespace troupe::keywords
