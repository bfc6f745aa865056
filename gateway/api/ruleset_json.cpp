#include "gateway/api/ruleset_json.hpp"

#include "gateway/api/json_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>

namespace troupe::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t description_bytes_max = 2'000;
constexpr std::size_t comment_bytes_max = 500;
constexpr std::size_t ordinary_text_bytes_max = 1'048'576;
constexpr auto version_max = std::numeric_limits<std::int64_t>::max();

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json list_of(const google::protobuf::RepeatedPtrField<v1::RulesetProblem>& problems) {
  auto out = json::array();
  for (const auto& problem : problems)
    out.push_back(to_json(problem));
  return out;
}

json change_of(const v1::RulesetVersion& change) {
  return change.version() == 0 ? json(nullptr) : to_json(change);
}

void append_items(std::string& out,
                  const google::protobuf::RepeatedPtrField<v1::RulesetItem>& all) {
  bool first = true;
  for (const auto& item : all) {
    out += std::exchange(first, false) ? "" : ",";
    out +=
        fmt::format("{{\"key\":{},\"item\":{},\"added_version\":{},\"removed_version\":{}}}",
                    dump_json(item.key()), item.body(), item.added_version(),
                    item.removed_version() == 0 ? "null" : std::to_string(item.removed_version()));
  }
}

std::string next_of(const std::string& cursor) {
  return cursor.empty() ? "null" : dump_json(cursor);
}

/// A text of a query string.
caf::expected<std::string> read_query_text(const exchange& x, std::string_view name,
                                           std::size_t max) {
  auto text = x.query(name);
  if (text.size() > max || !is_plain_utf8(text))
    return make_error(ec::invalid_argument,
                      fmt::format("{} must be UTF-8 text of at most {} bytes", name, max));
  return std::string{text};
}

/// Reads several of a query string, the first fault of them ends it.
class query_reader {
public:
  explicit query_reader(const exchange& x) : x_(x) {}
  std::string text(std::string_view name, std::size_t max) {
    return take(read_query_text(x_, name, max), std::string{});
  }
  std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max,
                       std::int64_t fallback) {
    return take(read_query_integer(name, x_.query(name), min, max, fallback), fallback);
  }
  bool flag(std::string_view name) {
    return take(read_query_flag(name, x_.query(name), false), false);
  }
  std::string cursor() {
    auto text = x_.query("cursor");
    if (text.size() > 512 || !is_plain_utf8(text))
      fail(make_error(ec::invalid_argument, "cursor must be the next_cursor of the page before"));
    return std::string{text};
  }
  void fail(caf::error fault) {
    if (!error_)
      error_ = std::move(fault);
  }
  const caf::error& error() const { return error_; }

private:
  template <class T>
  T take(caf::expected<T> read, T otherwise) {
    if (read)
      return std::move(*read);
    fail(std::move(read.error()));
    return otherwise;
  }

  const exchange& x_;
  caf::error error_;
};

/// The fields of `out` by `fill(reader, out)`; the reader tells what is wrong.
template <class Command, class Function>
caf::expected<Command> read_body(std::string_view body, Function&& fill) {
  auto value = parse_json(body.empty() ? std::string_view{"{}"} : body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  Command out;
  fill(reader, out);
  if (auto err = reader.finish())
    return err;
  return out;
}

template <class Command>
void read_change(object_reader& reader, Command& out) {
  out.set_base_version(reader.integer("base_version", 0, version_max).value_or(0));
  out.set_comment(reader.text("comment", comment_bytes_max).value_or(""));
}

/// An array of objects, each as its text.
void read_objects(object_reader& reader, std::string_view name,
                  google::protobuf::RepeatedPtrField<std::string>& out) {
  const auto* list = reader.find(name);
  if (list == nullptr)
    return;
  bool good = list->is_array() && std::all_of(list->begin(), list->end(), [](const json& x) {
                return x.is_object();
              });
  if (!good) {
    reader.must_be(name, "an array of objects");
    return;
  }
  for (const auto& item : *list)
    out.Add(dump_json(item));
}

/// Browsers send forms to other sites without asking.
bool is_form(std::string_view type) {
  std::string lower;
  for (unsigned char c : type.substr(0, type.find(';')))
    lower += static_cast<char>(std::tolower(c));
  while (lower.ends_with(' '))
    lower.pop_back();
  return lower == "application/x-www-form-urlencoded" || lower == "multipart/form-data";
}

} // namespace

json to_json(const v1::Ruleset& x) {
  return {{"id", x.id()},
          {"name", x.name()},
          {"description", x.description()},
          {"enabled", x.enabled()},
          {"version", x.version()},
          {"items", x.items()},
          {"created_us", x.created_us()},
          {"updated_us", x.updated_us()}};
}

json to_json(const v1::RulesetVersion& x) {
  return {{"version", x.version()},
          {"created_us", x.created_us()},
          {"principal_id", text_or_null(x.principal_id())},
          {"comment", x.comment()},
          {"added", x.added()},
          {"removed", x.removed()},
          {"changed", x.changed()},
          {"items", x.items()},
          {"restored_from", x.restored_from() == 0 ? json(nullptr) : json(x.restored_from())}};
}

json to_json(const v1::RulesetList& x) {
  auto list = json::array();
  for (const auto& set : x.rulesets())
    list.push_back(to_json(set));
  return {{"rulesets", std::move(list)}};
}

json to_json(const v1::RulesetVersionPage& x) {
  auto list = json::array();
  for (const auto& version : x.versions())
    list.push_back(to_json(version));
  return {{"versions", std::move(list)}, {"next_cursor", text_or_null(x.next_cursor())}};
}

json to_json(const v1::RulesetChanged& x) {
  return {{"ruleset", to_json(x.ruleset())},
          {"change", change_of(x.change())},
          {"unchanged", x.unchanged()}};
}

json to_json(const v1::RulesetEdited& x) {
  return {{"ruleset", to_json(x.ruleset())},      {"change", change_of(x.change())},
          {"unchanged", x.unchanged()},           {"problems", list_of(x.problems())},
          {"problems_total", x.problems_total()}, {"encoding", text_or_null(x.encoding())}};
}

json to_json(const v1::RulesetLint& x) {
  return {{"version", x.version()},
          {"problems", list_of(x.problems())},
          {"problems_total", x.problems_total()}};
}

json to_json(const v1::RulesetProblem& x) {
  return {{"line", x.line() == 0 ? json(nullptr) : json(x.line())},
          {"item", x.item()},
          {"kind", text_or_null(x.kind())},
          {"text", x.text()}};
}

std::string to_text(const v1::RulesetItemPage& page) {
  std::string out = "{\"items\":[";
  append_items(out, page.items());
  out += fmt::format("],\"version\":{},\"next_cursor\":{}}}", page.version(),
                     next_of(page.next_cursor()));
  return out;
}

std::string to_text(const v1::RulesetDiff& diff) {
  std::string out = "{\"removed\":[";
  append_items(out, diff.removed());
  out += "],\"added\":[";
  append_items(out, diff.added());
  out += fmt::format("],\"next_cursor\":{}}}", next_of(diff.next_cursor()));
  return out;
}

caf::expected<v1::CreateRuleset> read_create_ruleset(std::string_view body) {
  return read_body<v1::CreateRuleset>(body, [](object_reader& reader, v1::CreateRuleset& out) {
    reader.require("name", "a string of 1 to 64 letters, digits and ._-");
    out.set_name(reader.text("name", name_bytes_max, 1).value_or(""));
    out.set_description(reader.text("description", description_bytes_max).value_or(""));
    out.set_enabled(reader.boolean("enabled").value_or(true));
  });
}

caf::expected<v1::UpdateRuleset> read_update_ruleset(std::string_view body) {
  return read_body<v1::UpdateRuleset>(body, [](object_reader& reader, v1::UpdateRuleset& out) {
    if (auto name = reader.text("name", name_bytes_max, 1))
      out.set_name(std::move(*name));
    if (auto description = reader.text("description", description_bytes_max))
      out.set_description(std::move(*description));
    if (auto enabled = reader.boolean("enabled"))
      out.set_enabled(*enabled);
  });
}

caf::expected<v1::EditRuleset> read_edit_ruleset(std::string_view body) {
  return read_body<v1::EditRuleset>(body, [](object_reader& reader, v1::EditRuleset& out) {
    read_objects(reader, "put", *out.mutable_put());
    read_objects(reader, "remove", *out.mutable_remove());
    read_change(reader, out);
    if (out.put().empty() && out.remove().empty())
      reader.fail(
          make_error(ec::invalid_argument, "the body must have put or remove: an array of items"));
  });
}

caf::expected<v1::RestoreRuleset> read_restore_ruleset(std::string_view body) {
  return read_body<v1::RestoreRuleset>(body, [](object_reader& reader, v1::RestoreRuleset& out) {
    reader.require("version", "the version to go back to");
    out.set_version(reader.integer("version", 1, version_max).value_or(0));
    read_change(reader, out);
  });
}

caf::expected<v1::LintRuleset> read_lint_ruleset(std::string_view body) {
  return read_body<v1::LintRuleset>(body, [](object_reader& reader, v1::LintRuleset& out) {
    out.set_ordinary_text(reader.text("ordinary_text", ordinary_text_bytes_max).value_or(""));
  });
}

caf::expected<v1::ListRulesetItems> read_item_query(const exchange& x) {
  query_reader reader{x};
  v1::ListRulesetItems out;
  out.set_limit(static_cast<std::int32_t>(reader.integer("limit", 1, 1'000, 100)));
  out.set_version(reader.integer("version", 1, version_max, 0));
  out.set_query(reader.text("q", 256));
  out.set_cursor(reader.cursor());
  if (reader.error())
    return reader.error();
  return out;
}

caf::expected<v1::ListRulesetVersions> read_version_query(const exchange& x) {
  query_reader reader{x};
  v1::ListRulesetVersions out;
  out.set_limit(static_cast<std::int32_t>(reader.integer("limit", 1, 200, 50)));
  out.set_cursor(reader.cursor());
  if (reader.error())
    return reader.error();
  return out;
}

caf::expected<v1::DiffRuleset> read_diff_query(const exchange& x) {
  query_reader reader{x};
  v1::DiffRuleset out;
  if (x.query("from").empty())
    reader.fail(make_error(ec::invalid_argument,
                           "from is missing: a version, or 0 for the empty one before the first"));
  out.set_from_version(reader.integer("from", 0, version_max, 0));
  out.set_to_version(reader.integer("to", 1, version_max, 0));
  out.set_limit(static_cast<std::int32_t>(reader.integer("limit", 1, 1'000, 100)));
  out.set_cursor(reader.cursor());
  if (reader.error())
    return reader.error();
  return out;
}

caf::expected<v1::ImportRuleset> read_import(const exchange& x) {
  if (is_form(x.header("content-type")))
    return make_error(ec::malformed_request, "the body must be the file itself, not a form: send "
                                             "it with the header Content-Type: text/plain");
  if (x.body().empty())
    return make_error(ec::invalid_argument, "the body is empty: it must be the file");
  query_reader reader{x};
  v1::ImportRuleset out;
  out.set_format(reader.text("format", 32));
  out.set_encoding(reader.text("encoding", 64));
  out.set_defaults_json(reader.text("defaults", 4'096));
  out.set_replace(reader.flag("replace"));
  out.set_skip_problems(reader.flag("skip_problems"));
  out.set_dry_run(reader.flag("dry_run"));
  out.set_base_version(reader.integer("base_version", 0, version_max, 0));
  out.set_comment(reader.text("comment", comment_bytes_max));
  if (reader.error())
    return reader.error();
  out.set_file(x.body());
  return out;
}

caf::expected<v1::ExportRuleset> read_export_query(const exchange& x) {
  query_reader reader{x};
  v1::ExportRuleset out;
  out.set_format(reader.text("format", 32));
  out.set_version(reader.integer("version", 1, version_max, 0));
  if (reader.error())
    return reader.error();
  return out;
}

} // namespace troupe::gateway
