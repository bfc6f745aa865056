// What a service knows of its kind of rulesets (lexicons; keyword rules), for ruleset_service.hpp,
// which does what both have in common. No CAF.
#pragma once

#include "troupe/v1/text.pb.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::rulesets {

/// So many problems of one request are told.
inline constexpr std::size_t problems_max = 100;

/// `line`: of a file, from 1; 0: none.
inline v1::RulesetProblem problem_of(std::string item, std::string text, std::string_view kind,
                                     std::size_t line = 0) {
  v1::RulesetProblem out;
  out.set_line(static_cast<std::int64_t>(line));
  out.set_item(std::move(item));
  out.set_text(std::move(text));
  out.set_kind(std::string{kind});
  return out;
}

/// An item as it is stored, or why it cannot be.
struct checked_item {
  std::string key;   // 1 to 128 bytes; equal for items that replace each other
  std::string body;  // canonical JSON: equal items have equal bodies
  std::string fault; // a sentence that says what to do; then there is neither
};

/// A file that was read.
struct imported_items {
  std::vector<checked_item> items;          // the good ones
  std::vector<v1::RulesetProblem> problems; // the first `problems_max`
  std::size_t problems_total = 0;
  std::string encoding;
  std::string fault; // a sentence, if it cannot be read at all
};

struct exported_items {
  std::string content;
  std::string media_type;
  std::string extension; // csv
  std::string fault;     // a sentence, if this format cannot hold them
};

/// A ruleset with the items of its newest version, in order of their keys.
struct loaded_ruleset {
  v1::Ruleset ruleset;
  std::vector<std::string> bodies;
};

/// What was made of rulesets, as an operator sees it.
struct made_summary {
  std::int64_t items = 0;
  std::int64_t memory_bytes = 0;
  std::vector<v1::RulesetProblem> problems;
};

/// Thread-safe; its functions take milliseconds to a second and are called on a worker's thread.
class ruleset_kind {
public:
  virtual ~ruleset_kind() = default;
  virtual v1::RulesetKind kind() const = 0;
  /// `lexicon`, `keyword set`: for messages.
  virtual std::string_view noun() const = 0;

  virtual checked_item check(std::string_view json) const = 0;
  /// The key alone, of a JSON object that has what identifies an item.
  virtual checked_item identify(std::string_view json) const = 0;
  virtual imported_items import_file(std::string_view file, std::string_view format,
                                     std::string_view encoding,
                                     std::string_view defaults_json) const = 0;
  virtual exported_items export_items(const loaded_ruleset& set, std::string_view format) const = 0;
  virtual std::vector<v1::RulesetProblem> lint(const loaded_ruleset& set,
                                               std::string_view ordinary_text) const = 0;

  /// Makes of all enabled rulesets what the node works by, and puts it in the place of what there
  /// was. What cannot be used is left out and told. Throws only what is a bug.
  virtual made_summary put_to_work(std::vector<loaded_ruleset> sets) = 0;
};

} // namespace troupe::rulesets
