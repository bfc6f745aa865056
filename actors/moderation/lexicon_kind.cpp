#include "actors/moderation/lexicon_kind.hpp"

#include "actors/moderation/folding.hpp"
#include "actors/moderation/lexicon_file.hpp"
#include "actors/moderation/linter.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace troupe::moderation {

namespace {

constexpr std::size_t key_bytes_max = 128;
constexpr std::size_t hash_bytes = 8;
// Sorts before whatever a text may hold, so that a text comes before those it begins.
constexpr char separator = '\t';

rulesets::checked_item item_of(const entry& one) { return {item_key(one), entry_json(one), {}}; }

rulesets::checked_item unusable(std::string fault) { return {{}, {}, std::move(fault)}; }

std::string unknown_format(std::string_view format) {
  return fmt::format("there is no format {}: name text, csv or json", format.substr(0, 32));
}

std::string_view media_type_of(file_format format) {
  return format == file_format::text  ? "text/plain; charset=utf-8"
         : format == file_format::csv ? "text/csv; charset=utf-8"
                                      : "application/json";
}

} // namespace

std::string item_key(const entry& one) {
  auto identity = one.text;
  for (auto part : {name_of(one.kind), std::string_view{one.tenant}, std::string_view{one.channel}})
    (identity += '\0') += part;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(identity.data()), identity.size(), digest.data());
  auto room = key_bytes_max - 1 - 2 * hash_bytes;
  auto begin = std::string_view{one.text}.substr(0, room);
  if (begin.size() < one.text.size())
    begin.remove_suffix(unfinished_bytes(begin));
  std::string key{begin};
  key += separator;
  for (std::size_t i = 0; i < hash_bytes; ++i)
    key += fmt::format("{:02x}", digest[i]);
  return key;
}

lexicon lexicon_of(const rulesets::loaded_ruleset& set, std::vector<v1::RulesetProblem>& problems) {
  lexicon words{set.ruleset.name(), static_cast<std::uint64_t>(set.ruleset.version()), {}};
  words.entries.reserve(set.bodies.size());
  for (const auto& body : set.bodies) {
    entry one;
    auto fault = read_entry(body, one);
    if (fault.empty())
      fault = fault_of(one);
    if (fault.empty())
      words.entries.push_back(std::move(one));
    else if (problems.size() < rulesets::problems_max)
      problems.push_back(rulesets::problem_of(
          body.substr(0, 128), set.ruleset.name() + ": " + fault, name_of(lint_kind::unusable)));
  }
  return words;
}

rulesets::checked_item lexicon_kind::check(std::string_view json) const {
  entry one;
  if (auto fault = read_entry(json, one); !fault.empty())
    return unusable(std::move(fault));
  if (auto fault = fault_of(one); !fault.empty())
    return unusable(std::move(fault));
  return item_of(one);
}

rulesets::checked_item lexicon_kind::identify(std::string_view json) const {
  entry one;
  if (auto fault = read_entry(json, one); !fault.empty())
    return unusable(std::move(fault));
  if (one.text.empty() || one.text.size() > text_bytes_max)
    return unusable("name the text of an entry, 1 to 512 bytes");
  return {item_key(one), {}, {}};
}

rulesets::imported_items lexicon_kind::import_file(std::string_view file, std::string_view format,
                                                   std::string_view encoding,
                                                   std::string_view defaults_json) const {
  rulesets::imported_items out;
  entry defaults;
  auto known = file_format_named(format);
  if (!known && !format.empty())
    out.fault = unknown_format(format);
  else if (!defaults_json.empty())
    out.fault = read_entry(defaults_json, defaults);
  if (!out.fault.empty())
    return out;
  auto made = import_lexicon(file, known, encoding, defaults);
  out.fault = std::move(made.fault);
  out.encoding = std::move(made.encoding);
  out.problems_total = made.problems.size();
  for (auto& one : made.problems) {
    if (out.problems.size() == rulesets::problems_max)
      break;
    out.problems.push_back(rulesets::problem_of({}, std::move(one.text), {}, one.entry));
  }
  out.items.reserve(made.entries.size());
  for (const auto& one : made.entries)
    out.items.push_back(item_of(one));
  return out;
}

rulesets::exported_items lexicon_kind::export_items(const rulesets::loaded_ruleset& set,
                                                    std::string_view format) const {
  auto known = file_format_named(format.empty() ? "csv" : format);
  if (!known)
    return {{}, {}, {}, unknown_format(format)};
  std::vector<v1::RulesetProblem> none;
  auto content = export_lexicon(lexicon_of(set, none), *known);
  std::string extension{*known == file_format::text ? "txt" : format.empty() ? "csv" : format};
  return {std::move(content), std::string{media_type_of(*known)}, std::move(extension), {}};
}

std::vector<v1::RulesetProblem> lexicon_kind::lint(const rulesets::loaded_ruleset& set,
                                                   std::string_view ordinary_text) const {
  std::vector<v1::RulesetProblem> out;
  auto words = lexicon_of(set, out);
  for (auto& one : linted(words, watch_->options(), ordinary_text)) {
    auto text = one.entry < words.entries.size() ? words.entries[one.entry].text : std::string{};
    out.push_back(rulesets::problem_of(std::move(text), std::move(one.text), name_of(one.kind)));
  }
  return out;
}

rulesets::made_summary lexicon_kind::put_to_work(std::vector<rulesets::loaded_ruleset> sets) {
  rulesets::made_summary out;
  lexicon all;
  for (auto& set : sets) {
    auto words = lexicon_of(set, out.problems);
    set.bodies = {};
    all.parts.push_back({words.name, words.version, all.entries.size()});
    std::move(words.entries.begin(), words.entries.end(), std::back_inserter(all.entries));
  }
  std::vector<problem> problems;
  auto made = matcher::make(all, watch_->options(), problems);
  for (auto& one : problems) {
    if (out.problems.size() >= rulesets::problems_max)
      break;
    auto index = static_cast<std::uint32_t>(one.entry);
    const auto* part = made->part_of(index);
    out.problems.push_back(rulesets::problem_of(
        std::string{made->text(index)}, (part == nullptr ? "" : part->name + ": ") + one.text,
        name_of(lint_kind::unusable)));
  }
  out.items = static_cast<std::int64_t>(std::min(all.entries.size(), entries_max));
  out.memory_bytes = static_cast<std::int64_t>(made->memory_bytes());
  watch_->replace(std::move(made));
  return out;
}

} // namespace troupe::moderation
