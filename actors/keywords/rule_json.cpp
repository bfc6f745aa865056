#include "actors/keywords/import_checks.hpp"

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace troupe::keywords {

namespace {

using namespace simdjson;

constexpr std::size_t list_max = 10'000; // entries of any list; the checks say what is too many

/// Reads a file without ever holding it as a tree, so that lines are known.
class json_import {
public:
  json_import(std::string_view text, const import_options& options) :
      input_(text), checks_(options) {}

  imported_rules run() {
    if (!checks_.begin(input_))
      return checks_.take();
    ondemand::document document;
    ondemand::object top;
    if (parser_.iterate(input_).get(document) != SUCCESS
        || document.get_object().get(top) != SUCCESS)
      syntax_error();
    else if (const char* rest = nullptr; read_top(top) && (rest = rest_of(document)) != nullptr)
      checks_.fail_whole(line_at(rest), {}, "there is more after the object's end");
    return checks_.take();
  }

private:
  /// What stands after the object; null if nothing.
  static const char* rest_of(ondemand::document& document) {
    const char* at = nullptr;
    return document.current_location().get(at) == SUCCESS ? at : nullptr;
  }

  /// Places are asked for in their order: each line is counted once.
  std::size_t line_at(const char* place) {
    auto end = input_.data() + input_.size();
    if (place == nullptr || place > end)
      place = end;
    if (place < counted_to_)
      return 1
             + static_cast<std::size_t>(
                 std::count(static_cast<const char*>(input_.data()), place, '\n'));
    line_ += static_cast<std::size_t>(std::count(counted_to_, place, '\n'));
    counted_to_ = place;
    return line_;
  }

  void syntax_error() {
    if (broken_)
      return;
    broken_ = true;
    checks_.fail_whole(
        line_at(at_), id_,
        "the JSON is broken here or shortly after: check commas, quotes and brackets");
  }

  // --- one value; a wrong one is told, and the rest of its object still read ---

  void must_be(std::string_view field, std::string_view what) {
    if (!wrong_)
      checks_.fail(line_at(at_), id_, fmt::format("{} must be {}", field, what));
    wrong_ = true;
  }

  /// Calls `use(key, value)` for each member. False if the JSON is broken.
  template <class Use>
  bool each_member(ondemand::object& object, Use&& use) {
    std::vector<std::string> seen;
    for (auto field : object) {
      std::string_view key;
      ondemand::value value;
      if (field.unescaped_key().get(key) != SUCCESS || field.value().get(value) != SUCCESS) {
        syntax_error();
        return false;
      }
      place(value);
      std::string name{key.substr(0, 64)};
      if (std::find(seen.begin(), seen.end(), name) != seen.end())
        must_be(name, "there once only");
      else if (seen.size() < 32)
        seen.push_back(name);
      use(name, value);
      if (broken_)
        return false;
    }
    return true;
  }

  template <class Use>
  void each_element(std::string_view field, ondemand::value& value, Use&& use,
                    std::size_t most = list_max) {
    ondemand::array array;
    if (value.get_array().get(array) != SUCCESS)
      return must_be(field, "an array");
    std::size_t count = 0;
    for (auto element : array) {
      ondemand::value one;
      if (element.get(one) != SUCCESS)
        return syntax_error();
      if (++count > most)
        return must_be(field, fmt::format("at most {} entries", most));
      use(one);
      if (broken_)
        return;
    }
  }

  void place(ondemand::value& value) { at_ = value.raw_json_token().data(); }

  void read(std::string_view field, ondemand::value& value, std::string& out) {
    std::string_view text;
    if (value.get_string().get(text) != SUCCESS)
      return must_be(field, "a string");
    out = text;
  }

  void read(std::string_view field, ondemand::value& value, bool& out) {
    if (value.get_bool().get(out) != SUCCESS)
      must_be(field, "true or false");
  }

  template <class Integer>
  void read_integer(std::string_view field, ondemand::value& value, Integer& out) {
    std::int64_t number = 0;
    using range = std::numeric_limits<Integer>;
    if (value.get_int64().get(number) != SUCCESS || number < static_cast<std::int64_t>(range::min())
        || number > static_cast<std::int64_t>(range::max()))
      return must_be(field, "an integer within bounds");
    out = static_cast<Integer>(number);
  }

  template <class Enum>
  void read_name(std::string_view field, ondemand::value& value, Enum& out,
                 std::string_view names) {
    std::string_view name;
    if (value.get_string().get(name) != SUCCESS || !from_string(name, out))
      must_be(field, names);
  }

  void read(std::string_view field, ondemand::value& value, std::vector<std::string>& out) {
    each_element(field, value, [&](ondemand::value& one) {
      std::string text;
      read(fmt::format("each of {}", field), one, text);
      out.push_back(std::move(text));
    });
  }

  void unknown(std::string_view where, std::string_view key) {
    must_be(fmt::format("{}{}", where, key), "left out: there is no such field");
  }

  // --- the objects ---

  bool read_top(ondemand::object& top) {
    bool found = false;
    auto whole = each_member(top, [&](const std::string& key, ondemand::value& value) {
      if (key != "rules")
        return unknown({}, key);
      found = true;
      each_element(
          "rules", value, [&](ondemand::value& one) { read_rule(one); },
          static_cast<std::size_t>(-1)); // the checks have a bound of their own
    });
    if (whole && !found)
      checks_.fail_whole(0, {}, "the file must be an object with an array named rules");
    return whole;
  }

  void read_rule(ondemand::value& value) {
    rule made;
    id_.clear();
    wrong_ = false;
    place(value);
    auto line = line_at(at_);
    ondemand::object object;
    if (value.get_object().get(object) != SUCCESS)
      return must_be("each of rules", "an object");
    each_member(object, [&](const std::string& key, ondemand::value& member) {
      read_rule_member(made, key, member);
    });
    if (!wrong_ && !broken_ && !checks_.full())
      checks_.add(line, std::move(made));
  }

  void read_rule_member(rule& made, const std::string& key, ondemand::value& value) {
    if (key == "id") {
      read(key, value, made.id);
      id_ = made.id.substr(0, 64);
    } else if (key == "kind")
      read_name(key, value, made.kind, "exact, prefix, contains, pattern or all_words");
    else if (key == "text")
      read(key, value, made.text);
    else if (key == "words")
      read(key, value, made.words);
    else if (key == "priority")
      read_integer(key, value, made.priority);
    else if (key == "enabled")
      read(key, value, made.enabled);
    else if (key == "whole_words")
      read(key, value, made.whole_words);
    else if (key == "scope")
      read_scope(value, made.scope);
    else if (key == "answers")
      each_element(key, value, [&](ondemand::value& one) { read_answer(one, made); });
    else if (key == "cooldown_ms")
      read_integer(key, value, made.cooldown_ms);
    else if (key == "cooldown_per")
      read_name(key, value, made.cooldown, "rule, chat or user");
    else
      unknown({}, key);
  }

  void read_scope(ondemand::value& value, rule_scope& out) {
    ondemand::object object;
    if (value.get_object().get(object) != SUCCESS)
      return must_be("scope", "an object");
    each_member(object, [&](const std::string& key, ondemand::value& member) {
      if (key == "channels")
        read("scope.channels", member, out.channels);
      else if (key == "accounts")
        read("scope.accounts", member, out.accounts);
      else if (key == "groups")
        read("scope.groups", member, out.groups);
      else if (key == "users")
        read("scope.users", member, out.users);
      else if (key == "chats")
        read_name("scope.chats", member, out.chats, "any, private or group");
      else if (key == "zone")
        read("scope.zone", member, out.zone);
      else if (key == "hours")
        each_element("scope.hours", member, [&](ondemand::value& one) { read_hours_of(one, out); });
      else
        unknown("scope.", key);
    });
  }

  void read_hours_of(ondemand::value& value, rule_scope& out) {
    std::string_view text;
    day_hours hours;
    if (value.get_string().get(text) != SUCCESS || !read_hours(text, hours))
      return must_be("each of scope.hours", "like \"09:00-18:30\"");
    out.hours.push_back(hours);
  }

  void read_answer(ondemand::value& value, rule& made) {
    ondemand::json_type type;
    if (value.type().get(type) != SUCCESS)
      return syntax_error();
    rule_answer answer;
    if (type == ondemand::json_type::string)
      read("each of answers", value, answer.text);
    else if (ondemand::object object; value.get_object().get(object) != SUCCESS)
      must_be("each of answers", "a string or an object");
    else
      each_member(object, [&](const std::string& key, ondemand::value& member) {
        if (key == "text")
          read("answers.text", member, answer.text);
        else if (key == "images")
          read("answers.images", member, answer.images);
        else if (key == "prompt")
          read("answers.prompt", member, answer.prompt);
        else if (key == "weight")
          read_integer("answers.weight", member, answer.weight);
        else
          unknown("answers.", key);
      });
    made.answers.push_back(std::move(answer));
  }

  padded_string input_;
  import_checks checks_;
  ondemand::parser parser_;
  const char* counted_to_ = input_.data();
  std::size_t line_ = 1;
  const char* at_ = input_.data(); // the value that is read
  std::string id_;                 // of the rule that is read
  bool wrong_ = false;             // something of it was told already
  bool broken_ = false;
};

// --- writing ---

using nlohmann::ordered_json;

template <class T>
void put(ordered_json& object, const char* name, const T& value, const T& fallback) {
  if (value != fallback)
    object[name] = value;
}

ordered_json to_json(const rule_scope& scope) {
  static const rule_scope usual;
  auto object = ordered_json::object();
  put(object, "channels", scope.channels, usual.channels);
  put(object, "accounts", scope.accounts, usual.accounts);
  put(object, "groups", scope.groups, usual.groups);
  put(object, "users", scope.users, usual.users);
  if (scope.chats != usual.chats)
    object["chats"] = to_string(scope.chats);
  for (const auto& hours : scope.hours)
    object["hours"].push_back(to_string(hours));
  put(object, "zone", scope.zone, usual.zone);
  return object;
}

ordered_json to_json(const rule_answer& answer) {
  static const rule_answer usual;
  auto object = ordered_json::object();
  put(object, "text", answer.text, usual.text);
  put(object, "images", answer.images, usual.images);
  put(object, "prompt", answer.prompt, usual.prompt);
  put(object, "weight", answer.weight, usual.weight);
  if (object.size() == 1 && object.contains("text"))
    return object["text"];
  return object;
}

ordered_json to_json(const rule& r) {
  static const rule usual;
  ordered_json object{{"id", r.id}, {"kind", to_string(r.kind)}};
  put(object, "text", r.text, usual.text);
  put(object, "words", r.words, usual.words);
  put(object, "priority", r.priority, usual.priority);
  put(object, "enabled", r.enabled, usual.enabled);
  put(object, "whole_words", r.whole_words, usual.whole_words);
  if (r.scope != usual.scope)
    object["scope"] = to_json(r.scope);
  for (const auto& answer : r.answers)
    object["answers"].push_back(to_json(answer));
  put(object, "cooldown_ms", r.cooldown_ms, usual.cooldown_ms);
  if (r.cooldown != usual.cooldown)
    object["cooldown_per"] = to_string(r.cooldown);
  return object;
}

} // namespace

imported_rules import_json(std::string_view text, const import_options& options) {
  if (text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  return json_import{text, options}.run();
}

std::string export_json(const rule& one) {
  return to_json(one).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string export_json(std::span<const rule> rules) {
  std::string text = "{\"rules\": [";
  for (std::size_t i = 0; i < rules.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    text += export_json(rules[i]);
  }
  return text + "\n]}\n";
}

} // namespace troupe::keywords
