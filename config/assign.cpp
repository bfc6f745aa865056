#include "config/assign.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace troupe::config {

namespace {

constexpr std::size_t items_max = 10'000;
constexpr std::size_t problems_max = 200;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

/// The names that may stand below a prefix: "gateway", "channels"; below "channels": "onebot".
std::vector<std::string> child_names(std::string_view prefix) {
  std::vector<std::string> result;
  for (const auto& s : sections()) {
    auto path = s.path;
    if (!prefix.empty()) {
      if (!path.starts_with(prefix) || path.size() <= prefix.size() || path[prefix.size()] != '.')
        continue;
      path.remove_prefix(prefix.size() + 1);
    }
    std::string name{path.substr(0, path.find('.'))};
    if (std::find(result.begin(), result.end(), name) == result.end())
      result.push_back(std::move(name));
  }
  return result;
}

std::vector<std::string> key_names(const section_info& s) {
  std::vector<std::string> result;
  for (const auto& k : s.keys)
    result.emplace_back(k.name);
  return result;
}

std::string join(std::string_view prefix, std::string_view name) {
  return prefix.empty() ? std::string{name} : fmt::format("{}.{}", prefix, name);
}

std::string shortened(std::string_view text) {
  constexpr std::size_t shown_max = 60;
  return text.size() <= shown_max ? std::string{text}
                                  : fmt::format("{}...", text.substr(0, shown_max));
}

std::string unknown(std::string_view name, const std::vector<std::string>& known) {
  auto near = nearest(name, known);
  if (!near.empty())
    return fmt::format("no such key; did you mean `{}`?", near);
  for (const auto& s : sections())
    if (find_key(s, name) != nullptr)
      return fmt::format("no such key here; there is one in `{}:`", s.path);
  return "no such key; `troupe config keys` lists all";
}

bool to_number(std::string_view text, std::int64_t& number) {
  if (text.starts_with('+'))
    text.remove_prefix(1);
  auto end = text.data() + text.size();
  auto [stop, failed] = std::from_chars(text.data(), end, number);
  return failed == std::errc{} && stop == end;
}

/// Assigns one YAML value; empty if it fits, else what is wrong.
struct storer {
  const key_info& key;
  const yaml_node& node;

  std::string mismatch() const {
    // What stands in a secret's place may be a secret.
    if (key.secret != secrecy::open && node.type == yaml_node::kind::scalar)
      return fmt::format("expects {}", type_name(key));
    return fmt::format("expects {}, found {}", type_name(key), describe(node));
  }

  bool is_scalar() const { return node.type == yaml_node::kind::scalar; }

  std::string operator()(bool* to) const {
    if (!is_scalar() || node.quoted || (node.text != "true" && node.text != "false"))
      return mismatch();
    *to = node.text == "true";
    return {};
  }

  std::string operator()(std::int64_t* to) const {
    std::int64_t number = 0;
    if (!is_scalar() || node.quoted || !to_number(node.text, number))
      return mismatch();
    *to = number;
    return {};
  }

  std::string operator()(std::string* to) const {
    if (node.type == yaml_node::kind::null)
      return "has no value; write \"\" for an empty text, or leave the line out";
    if (!is_scalar())
      return mismatch();
    *to = node.text;
    return {};
  }

  std::string operator()(std::vector<std::string>* to) const {
    if (node.type != yaml_node::kind::sequence && node.type != yaml_node::kind::null)
      return mismatch() + "; write [a, b]";
    if (node.entries.size() > items_max)
      return fmt::format("more than {} items", items_max);
    std::vector<std::string> items;
    for (const auto& e : node.entries) {
      if (e.node->type != yaml_node::kind::scalar)
        return fmt::format("expects a list of texts, found {} in it", describe(*e.node));
      items.push_back(e.node->text);
    }
    *to = std::move(items);
    return {};
  }

  std::string operator()(std::map<std::string, std::string>* to) const {
    if (node.type != yaml_node::kind::map && node.type != yaml_node::kind::null)
      return mismatch() + "; write {ours: theirs}";
    if (node.entries.size() > items_max)
      return fmt::format("more than {} entries", items_max);
    std::map<std::string, std::string> items;
    for (const auto& e : node.entries) {
      if (e.key->type != yaml_node::kind::scalar || e.node->type != yaml_node::kind::scalar)
        return fmt::format("expects a map from text to text, found {} in it", describe(*e.node));
      if (!items.emplace(e.key->text, e.node->text).second)
        return fmt::format("`{}` is given twice", e.key->text);
    }
    *to = std::move(items);
    return {};
  }
};

} // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
  auto best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  std::string best;
  if (name.size() > 64)
    return best;
  for (const auto& k : known) {
    auto distance = edit_distance(name, k);
    if (distance < best_distance && distance < k.size()) {
      best_distance = distance;
      best = k;
    }
  }
  return best;
}

void assigner::complain(std::string where, std::string key, std::string text) {
  auto& all = into_.problems;
  if (all.size() < problems_max)
    all.push_back({std::move(where), std::move(key), std::move(text)});
  else if (all.size() == problems_max)
    all.push_back({"", "", "and more problems"});
}

std::string assigner::at(const yaml_node& node) const {
  return has_lines_ ? fmt::format("{}:{}:{}", source_, node.line, node.column) : source_;
}

void assigner::assign_tree(const yaml_node& root, std::string_view name) {
  source_ = name;
  has_lines_ = true;
  if (root.type == yaml_node::kind::map)
    children(root, "");
  else if (root.type != yaml_node::kind::null)
    complain(at(root), "", "expects sections such as `gateway:`, found " + describe(root));
}

bool assigner::is_unique_map(const yaml_node& node, std::string_view key) {
  std::map<std::string_view, const yaml_node*> seen;
  for (const auto& e : node.entries) {
    if (e.key->type != yaml_node::kind::scalar) {
      complain(at(*e.key), std::string{key}, "expects a name, found " + describe(*e.key));
      return false;
    }
    auto [i, fresh] = seen.emplace(e.key->text, e.key.get());
    if (!fresh) {
      complain(at(*e.key), join(key, shortened(e.key->text)),
               fmt::format("is given twice; first in line {}", i->second->line));
      return false;
    }
  }
  return true;
}

void assigner::children(const yaml_node& node, std::string_view prefix) {
  if (!is_unique_map(node, prefix))
    return;
  auto known = child_names(prefix);
  for (const auto& e : node.entries) {
    auto path = join(prefix, e.key->text);
    if (const auto* s = find_section(path))
      section(*s, *e.node);
    else if (std::find(known.begin(), known.end(), e.key->text) == known.end())
      complain(at(*e.key), join(prefix, shortened(e.key->text)), unknown(e.key->text, known));
    else if (e.node->type == yaml_node::kind::map)
      children(*e.node, path);
    else if (e.node->type != yaml_node::kind::null)
      complain(at(*e.node), path, "expects sections below it, found " + describe(*e.node));
  }
}

void assigner::section(const section_info& s, const yaml_node& node) {
  std::string path{s.path};
  if (node.type == yaml_node::kind::null)
    return; // all of it is commented out
  if (!s.list)
    return fields(s, 0, node);
  if (node.type != yaml_node::kind::sequence)
    return complain(at(node), path,
                    "expects a list, one `- name: ...` an item, found " + describe(node));
  if (node.entries.size() > items_max)
    return complain(at(node), path, fmt::format("more than {} items", items_max));
  // A list replaces that of the layer below as a whole.
  s.resize(into_.config, 0);
  forget(path + ".");
  s.resize(into_.config, node.entries.size());
  for (std::size_t i = 0; i < node.entries.size(); ++i)
    fields(s, i, *node.entries[i].node);
}

void assigner::fields(const section_info& s, std::size_t index, const yaml_node& node) {
  auto path = s.list ? fmt::format("{}.{}", s.path, index) : std::string{s.path};
  if (node.type != yaml_node::kind::map)
    return complain(at(node), path, "expects keys with values, found " + describe(node));
  if (!is_unique_map(node, path))
    return;
  for (const auto& e : node.entries) {
    if (const auto* key = find_key(s, e.key->text))
      store(s, index, *key, *e.node);
    else
      complain(at(*e.key), join(path, shortened(e.key->text)), unknown(e.key->text, key_names(s)));
  }
}

void assigner::store(const section_info& s, std::size_t index, const key_info& key,
                     const yaml_node& node) {
  auto path = key_path(s, index, key);
  auto wrong = std::visit(storer{key, node}, key.at(into_.config, index));
  if (!wrong.empty())
    return complain(at(node), path, wrong);
  forget(path + ".");
  into_.where[path] = at(node);
}

void assigner::forget(std::string_view prefix) {
  auto i = into_.where.lower_bound(std::string{prefix});
  while (i != into_.where.end() && i->first.starts_with(prefix))
    i = into_.where.erase(i);
}

yaml_ptr assigner::flow(const std::string& text, std::string_view key) {
  try {
    return parse_yaml(text);
  } catch (const yaml_error& e) {
    complain(source_, std::string{key}, fmt::format("is no YAML: {}", e.what()));
    return nullptr;
  }
}

void assigner::assign_path(std::string_view path, const std::string& text, std::string_view where) {
  source_ = where;
  has_lines_ = false;
  for (const auto& s : sections()) {
    if (path == s.path) {
      if (auto node = flow(text, path))
        section(s, *node);
      return;
    }
    if (path.starts_with(s.path) && path[s.path.size()] == '.')
      return in_section(s, path.substr(s.path.size() + 1), text, path);
  }
  auto dot = std::min(path.find('.'), path.size());
  std::string first{path.substr(0, dot)};
  auto known = child_names("");
  auto rest = path.substr(std::min(dot + 1, path.size()));
  if (!rest.empty() && std::find(known.begin(), known.end(), first) != known.end())
    complain(source_, shortened(path), unknown(rest.substr(0, rest.find('.')), child_names(first)));
  else
    complain(source_, shortened(path), unknown(first, known));
}

void assigner::in_section(const section_info& s, std::string_view rest, const std::string& text,
                          std::string_view path) {
  std::size_t index = 0;
  if (s.list) {
    auto dot = rest.find('.');
    std::int64_t number = -1;
    auto count = s.count(into_.config);
    if (dot == std::string_view::npos || !to_number(rest.substr(0, dot), number) || number < 0)
      return complain(source_, shortened(path),
                      fmt::format("expects an item's number, as in {}.0.name", s.path));
    index = static_cast<std::size_t>(number);
    if (index > count || index >= items_max)
      return complain(source_, shortened(path),
                      fmt::format("there are {} items; the next one has number {}", count, count));
    rest.remove_prefix(dot + 1);
  }
  auto dot = rest.find('.');
  const auto* key = find_key(s, rest.substr(0, dot));
  if (key == nullptr)
    return complain(source_, shortened(path), unknown(rest.substr(0, dot), key_names(s)));
  if (s.list && index == s.count(into_.config))
    s.resize(into_.config, index + 1);
  if (dot != std::string_view::npos)
    return element(s, index, *key, rest.substr(dot + 1), text);
  auto target = key->at(into_.config, index);
  auto is_one_value = target.index() < 3;
  yaml_ptr node;
  if (is_one_value) {
    auto scalar = std::make_shared<yaml_node>();
    scalar->type = yaml_node::kind::scalar;
    scalar->text = text;
    node = std::move(scalar);
  } else {
    node = flow(text, path);
  }
  if (node)
    store(s, index, *key, *node);
}

void assigner::element(const section_info& s, std::size_t index, const key_info& key,
                       std::string_view name, const std::string& text) {
  auto path = key_path(s, index, key);
  auto target = key.at(into_.config, index);
  if (auto* map = std::get_if<std::map<std::string, std::string>*>(&target)) {
    (**map)[std::string{name}] = text;
    into_.where[fmt::format("{}.{}", path, name)] = source_;
    return;
  }
  auto* list = std::get_if<std::vector<std::string>*>(&target);
  if (list == nullptr)
    return complain(source_, path, fmt::format("has nothing below it: it is {}", type_name(key)));
  auto& items = **list;
  std::int64_t number = -1;
  if (!to_number(name, number) || number < 0 || static_cast<std::size_t>(number) > items.size()
      || items.size() >= items_max)
    return complain(source_, path,
                    fmt::format("expects an item's number from 0 to {}", items.size()));
  auto i = static_cast<std::size_t>(number);
  if (i == items.size())
    items.emplace_back();
  items[i] = text;
  into_.where[fmt::format("{}.{}", path, i)] = source_;
}

} // namespace troupe::config
