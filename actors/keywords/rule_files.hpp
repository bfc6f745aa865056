// Rules in files: JSON, which has all of them, and CSV for spreadsheets. UTF-8. No CAF.
#pragma once

#include "actors/keywords/rule.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

struct import_options {
  folding fold;
  rule_limits limits;
  std::size_t file_bytes_max = 64 * 1024 * 1024;
  std::size_t rules_max = 200'000;
  std::size_t problems_max = 100; // so many are told
  bool keep_good = false;         // with problems, the rules that have none are there all the same
};

struct import_problem {
  std::size_t line = 0; // from 1; 0: of the file as a whole
  std::string id;       // of the rule, if it is known
  std::string what;
};

/// All rules, checked and with different ids, if there are no problems (or `keep_good` asks for
/// those that have none).
struct imported_rules {
  std::vector<rule> rules;
  std::vector<import_problem> problems; // the first of them
  std::size_t problems_total = 0;
  bool broken = false; // the file's form is wrong: what is behind that place was not read
};

/// `{"rules": [{"id": ..., "kind": ..., ...}]}`, the fields named as those of `rule`, `rule_scope`
/// and `rule_answer`; hours as `"09:00-18:30"`, an answer that is only a text as a string. What is
/// left out has its default; what is unknown, or there twice, is a problem.
imported_rules import_json(std::string_view text, const import_options& options = {});
std::string export_json(std::span<const rule> rules);
/// One rule as it stands there: an object without line breaks. Equal rules have equal texts.
std::string export_json(const rule& one);

/// A header line with names of columns in any order, then a line a rule. The columns: id, kind,
/// text, priority, enabled, whole_words, channels, accounts, groups, users, chats, hours, zone,
/// cooldown_ms, cooldown_per, answer, images, prompt, weight. Lists (and the words of all_words, in
/// text) are divided by `|`. A line with the id of the line before is one more answer of that rule:
/// only its last four columns are filled.
imported_rules import_csv(std::string_view text, const import_options& options = {});

/// Nothing is lost, with one exception that CSV has no way to write: `problem` names a rule with a
/// `|` within a list, and the result is empty.
std::string export_csv(std::span<const rule> rules, std::string& problem);

} // namespace troupe::keywords
