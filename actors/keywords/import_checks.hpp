// What both importers keep of their way through a file. No CAF.
#pragma once

#include "actors/keywords/rule_files.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace troupe::keywords {

inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Takes rules as they are read, with their lines, and checks them.
class import_checks {
public:
  explicit import_checks(const import_options& options) :
      options_(options), checker_(options.limits, options.fold) {}

  /// True if the file may be read at all.
  bool begin(std::string_view text) {
    if (text.size() > options_.file_bytes_max)
      fail_whole(0, {}, fmt::format("the file is longer than {} bytes", options_.file_bytes_max));
    else if (!is_plain_text(text))
      fail_whole(0, {}, "the file is not UTF-8 text: convert it first");
    return result_.problems.empty();
  }

  void add(std::size_t line, rule read) {
    if (result_.rules.size() == options_.rules_max) {
      if (!full_)
        fail_whole(line, {}, fmt::format("there are more than {} rules", options_.rules_max));
      full_ = true;
      return;
    }
    auto [first, is_first] = lines_.emplace(read.id, line);
    if (auto wrong = checker_.check(read); !wrong.empty())
      fail(line, read.id, std::move(wrong));
    else if (!is_first)
      fail(line, read.id, fmt::format("id is that of the rule in line {}", first->second));
    else
      result_.rules.push_back(std::move(read));
  }

  void fail(std::size_t line, std::string id, std::string what) {
    ++result_.problems_total;
    if (result_.problems.size() < options_.problems_max)
      result_.problems.push_back({line, std::move(id), std::move(what)});
  }

  /// The same, of the file's form: nothing behind it can be read.
  void fail_whole(std::size_t line, std::string id, std::string what) {
    result_.broken = true;
    fail(line, std::move(id), std::move(what));
  }

  bool full() const noexcept { return full_; }

  imported_rules take() {
    if (result_.problems_total > 0 && (result_.broken || !options_.keep_good))
      result_.rules.clear();
    return std::move(result_);
  }

private:
  const import_options& options_;
  rule_checker checker_;
  std::unordered_map<std::string, std::size_t> lines_; // of each id
  imported_rules result_;
  bool full_ = false;
};

} // namespace troupe::keywords
