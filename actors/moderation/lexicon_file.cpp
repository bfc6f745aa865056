#include "actors/moderation/lexicon_file.hpp"

#include "actors/charset/file_text.hpp"
#include "actors/csv/csv.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace troupe::moderation {

namespace {

using nlohmann::json;

constexpr std::size_t problems_max = 1'000;
constexpr int json_depth_max = 8;
constexpr std::array<std::string_view, 9> columns{
    "text", "kind", "category", "level", "action", "replacement", "tenant", "channel", "pinyin"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  auto begin = std::min(text.find_first_not_of(blank), text.size());
  auto end = text.find_last_not_of(blank);
  return text.substr(begin, end == text.npos ? 0 : end - begin + 1);
}

/// Sets a field from its text; a sentence if it cannot be.
std::string set_field(entry& one, std::string_view name, std::string_view value) {
  if (name == "text") {
    one.text = value;
  } else if (name == "kind") {
    auto kind = entry_kind_named(value);
    if (!kind)
      return "kind must be word, pattern or allowed";
    one.kind = *kind;
  } else if (name == "category") {
    one.category = value;
  } else if (name == "level") {
    int level = -1;
    auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), level);
    if (fault != std::errc{} || end != value.data() + value.size() || level < 0
        || level > level_max)
      return "level must be a number from 0 to 9";
    one.level = static_cast<std::uint8_t>(level);
  } else if (name == "action") {
    auto act = action_named(value);
    if (!act)
      return "action must be log, review, mask, replace or block";
    one.act = *act;
  } else if (name == "replacement") {
    one.replacement = value;
  } else if (name == "tenant") {
    one.tenant = value;
  } else if (name == "channel") {
    one.channel = value;
  } else if (name == "pinyin") {
    one.pinyin = value == "1" || value == "true" || value == "yes";
    if (!one.pinyin && value != "0" && value != "false" && value != "no")
      return "pinyin must be true or false";
  } else {
    return "there is no field named " + std::string{name.substr(0, 64)};
  }
  return {};
}

/// Sets the fields of an object, or the text if it is a string; a sentence if it cannot be.
std::string set_fields(entry& one, const json& item) {
  if (item.is_string()) {
    one.text = item.get<std::string>();
    return {};
  }
  if (!item.is_object())
    return "an entry must be an object or a string";
  for (const auto& [name, value] : item.items()) {
    if (name == "pinyin"  ? !value.is_boolean()
        : name == "level" ? !value.is_number_integer()
                          : !value.is_string())
      return name.substr(0, 64) + " is of a wrong type";
    auto fault = set_field(one, name, value.is_string() ? value.get<std::string>() : value.dump());
    if (!fault.empty())
      return fault;
  }
  return {};
}

/// Nothing if it is no JSON, or nested too deep.
std::optional<json> parsed(std::string_view content) {
  bool too_deep = false;
  auto value = json::parse(
      content.begin(), content.end(),
      [&](int depth, json::parse_event_t, json&) {
        too_deep |= depth > json_depth_max;
        return !too_deep;
      },
      false);
  if (value.is_discarded() || too_deep)
    return std::nullopt;
  return value;
}

constexpr std::string_view no_json = "it is not JSON, or nested more than 8 deep";

class importer {
public:
  importer(imported& made, const entry& defaults) : made_(made), defaults_(defaults) {}

  void text(std::string_view content) {
    std::size_t line = 0;
    for (std::size_t at = 0; at < content.size() && has_room();) {
      auto end = std::min(content.find('\n', at), content.size());
      ++line;
      if (auto word = trimmed(content.substr(at, end - at)); !word.empty()) {
        auto one = defaults_;
        one.text = word;
        take(std::move(one), line);
      }
      at = end + 1;
    }
  }

  void csv(std::string_view content) {
    csv_reader reader{content};
    std::vector<std::string> names, fields;
    reader.next(names);
    for (auto& name : names) {
      name = std::string{trimmed(name)};
      if (std::find(columns.begin(), columns.end(), name) == columns.end())
        made_.fault = "no column is named " + name.substr(0, 64)
                      + ": the first line must name the columns, as text,category,level";
    }
    if (made_.fault.empty() && std::find(names.begin(), names.end(), "text") == names.end())
      made_.fault =
          reader.fault().empty() ? "the first line must name a column text" : reader.fault();
    while (made_.fault.empty() && has_room() && reader.next(fields))
      record(names, fields, reader.line());
    if (made_.fault.empty() && !reader.fault().empty())
      made_.fault = "line " + std::to_string(reader.line()) + ": " + reader.fault();
  }

  void read_json(std::string_view content) {
    auto read = parsed(content);
    if (!read) {
      made_.fault = no_json;
      return;
    }
    const auto& value = *read;
    const auto* entries = &value;
    if (value.is_object()) {
      auto at = value.find("entries");
      entries = at == value.end() ? nullptr : &*at;
    }
    if (entries == nullptr || !entries->is_array()) {
      made_.fault = "there is no array of entries";
      return;
    }
    std::size_t number = 0;
    for (const auto& item : *entries) {
      if (!has_room())
        return;
      json_entry(item, ++number);
    }
  }

private:
  bool has_room() {
    if (made_.problems.size() >= problems_max)
      return false;
    if (made_.entries.size() < entries_max)
      return true;
    complain(0, "there are more than 200,000 entries: split the file");
    return false;
  }

  void complain(std::size_t where, std::string text) {
    made_.problems.push_back({where, std::move(text)});
  }

  void take(entry&& one, std::size_t where) {
    if (auto fault = fault_of(one); !fault.empty())
      complain(where, std::move(fault));
    else
      made_.entries.push_back(std::move(one));
  }

  void record(const std::vector<std::string>& names, const std::vector<std::string>& fields,
              std::size_t line) {
    if (fields.size() > names.size()) {
      complain(line, "the line has more fields than there are columns");
      return;
    }
    auto one = defaults_;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      auto free = names[i] == "text" || names[i] == "replacement";
      if (fields[i].empty() && names[i] != "text")
        continue;
      auto fault =
          set_field(one, names[i], free ? std::string_view{fields[i]} : trimmed(fields[i]));
      if (!fault.empty()) {
        complain(line, std::move(fault));
        return;
      }
    }
    take(std::move(one), line);
  }

  void json_entry(const json& item, std::size_t number) {
    auto one = defaults_;
    if (auto fault = set_fields(one, item); !fault.empty())
      complain(number, std::move(fault));
    else
      take(std::move(one), number);
  }

  imported& made_;
  const entry& defaults_;
};

file_format format_of(std::string_view content) {
  auto begin = trimmed(content.substr(0, 4'096));
  if (begin.starts_with('{') || begin.starts_with('['))
    return file_format::json;
  std::vector<std::string> names;
  csv_reader first{content};
  if (first.next(names))
    for (const auto& name : names)
      if (trimmed(name) == "text")
        return file_format::csv;
  return file_format::text;
}

json as_json(const entry& one, bool whole) {
  const entry by_default;
  json item{{"text", one.text}};
  if (whole || one.kind != by_default.kind)
    item["kind"] = name_of(one.kind);
  if (whole || one.category != by_default.category)
    item["category"] = one.category;
  if (whole || one.level != by_default.level)
    item["level"] = one.level;
  if (whole || one.act != by_default.act)
    item["action"] = name_of(one.act);
  for (auto [name, value] : {std::pair{"replacement", &one.replacement},
                             {"tenant", &one.tenant},
                             {"channel", &one.channel}})
    if (!value->empty())
      item[name] = *value;
  if (one.pinyin)
    item["pinyin"] = true;
  return item;
}

} // namespace

std::optional<file_format> file_format_named(std::string_view name) noexcept {
  if (name == "text")
    return file_format::text;
  if (name == "csv")
    return file_format::csv;
  if (name == "json")
    return file_format::json;
  return std::nullopt;
}

imported import_lexicon(std::string_view bytes, std::optional<file_format> format,
                        std::string_view encoding, const entry& defaults) {
  imported made;
  if (bytes.size() > file_bytes_max) {
    made.fault = "the file is larger than 32 MiB: split it";
    return made;
  }
  auto decoded = charset::decode_file(bytes, encoding);
  made.encoding = std::move(decoded.encoding);
  made.fault = std::move(decoded.fault);
  if (!made.fault.empty())
    return made;
  const auto& content = decoded.text;
  importer reads{made, defaults};
  switch (format.value_or(format_of(content))) {
    case file_format::text:
      reads.text(content);
      break;
    case file_format::csv:
      reads.csv(content);
      break;
    case file_format::json:
      reads.read_json(content);
      break;
  }
  return made;
}

std::string read_entry(std::string_view json, entry& one) {
  auto value = parsed(json);
  return value ? set_fields(one, *value) : std::string{no_json};
}

std::string entry_json(const entry& one) {
  return as_json(one, false).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string export_lexicon(const lexicon& words, file_format format) {
  std::string out;
  switch (format) {
    case file_format::text:
      for (const auto& one : words.entries)
        if (one.kind == entry_kind::word)
          out += one.text + "\n";
      break;
    case file_format::csv:
      out = csv_record({columns.begin(), columns.end()});
      for (const auto& one : words.entries)
        out +=
            csv_record({one.text, std::string{name_of(one.kind)}, one.category,
                        std::to_string(one.level), std::string{name_of(one.act)}, one.replacement,
                        one.tenant, one.channel, one.pinyin ? "true" : "false"});
      break;
    case file_format::json: {
      json entries = json::array();
      for (const auto& one : words.entries)
        entries.push_back(as_json(one, true));
      out = json{{"name", words.name}, {"version", words.version}, {"entries", std::move(entries)}}
                .dump(1, ' ', false, json::error_handler_t::replace)
            + "\n";
      break;
    }
  }
  return out;
}

} // namespace troupe::moderation
