// How the tables of sections are written.
#pragma once

#include "config/forms.hpp"
#include "config/table.hpp"

#include <utility>

namespace troupe::config {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t gib = 1'073'741'824;

/// Collects the keys of section `S`; the modifiers apply to the key added last.
template <class S>
class section_builder {
public:
  using picker = S& (*)(node_config&, std::size_t);

  section_builder(std::string_view path, std::string_view doc, picker pick) : pick_(pick) {
    info_.path = path;
    info_.doc = doc;
    info_.count = [](const node_config&) -> std::size_t { return 1; };
  }

  /// Makes it a list that `items` finds.
  section_builder& list_in(std::vector<S>& (*items)(node_config&)) {
    info_.list = true;
    info_.count = [items](const node_config& c) {
      return items(const_cast<node_config&>(c)).size();
    };
    info_.resize = [items](node_config& c, std::size_t n) { items(c).resize(n); };
    return *this;
  }

  template <class T>
  section_builder& key(std::string_view name, T S::*member, std::string_view doc) {
    key_info k;
    k.name = name;
    k.doc = doc;
    k.at = [pick = pick_, member](node_config& c, std::size_t i) -> value_ref {
      return &(pick(c, i).*member);
    };
    info_.keys.push_back(std::move(k));
    return *this;
  }

  section_builder& number(std::string_view name, std::int64_t S::*member, std::string_view unit,
                          std::int64_t min, std::int64_t max, std::string_view doc) {
    key(name, member, doc);
    last().unit = unit;
    last().min = min;
    last().max = max;
    return *this;
  }

  section_builder& allowed(std::vector<std::string_view> values) {
    last().allowed = std::move(values);
    return *this;
  }
  section_builder& check(std::string (*f)(std::string_view)) {
    last().check = f;
    return *this;
  }
  section_builder& secret(secrecy s = secrecy::whole) {
    last().secret = s;
    return *this;
  }
  section_builder& reloadable() {
    last().reloadable = true;
    return *this;
  }
  section_builder& example(std::string_view text) {
    last().example = text;
    return *this;
  }

  section_info done() { return std::move(info_); }

private:
  key_info& last() { return info_.keys.back(); }

  section_info info_;
  picker pick_;
};

/// Each file of tables adds its own.
void add_node_sections(std::vector<section_info>& all);
void add_gateway_sections(std::vector<section_info>& all);
void add_model_sections(std::vector<section_info>& all);
void add_session_sections(std::vector<section_info>& all);
void add_store_sections(std::vector<section_info>& all);
void add_channel_sections(std::vector<section_info>& all);
void add_text_sections(std::vector<section_info>& all);

} // namespace troupe::config
