// Every key of the configuration, once: what reads, checks, shows and documents it comes from here.
#pragma once

#include "config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::config {

/// Where a key's value lives in a `node_config`.
using value_ref = std::variant<bool*, std::int64_t*, std::string*, std::vector<std::string>*,
                               std::map<std::string, std::string>*>;

/// A copy of a key's value.
using value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>,
                           std::map<std::string, std::string>>;

enum class secrecy {
  open,
  whole, // never shown; may be written as env:NAME or file:PATH
  url,   // the user and password in it are never shown
};

/// One key.
struct key_info {
  std::string_view name;
  std::string_view doc;     // one line
  std::string_view unit;    // of numbers: ms, bytes, threads...; empty: none
  std::string_view example; // for the sample file, where the default says little
  std::int64_t min = 0;     // of numbers
  std::int64_t max = 0;
  std::vector<std::string_view> allowed; // of texts; empty: any
  secrecy secret = secrecy::open;
  bool reloadable = false; // takes effect on SIGHUP, without a restart
  /// Of texts and each item of lists: empty if good, else what is expected.
  std::string (*check)(std::string_view) = nullptr;
  /// The value of this key in item `index` of its section (0 if the section is no list).
  std::function<value_ref(node_config&, std::size_t index)> at;
};

/// One section, or one list of equal items.
struct section_info {
  std::string_view path; // "gateway", "channels.onebot"
  std::string_view doc;
  bool list = false;
  std::vector<key_info> keys;
  std::function<std::size_t(const node_config&)> count;  // items; 1 if no list
  std::function<void(node_config&, std::size_t)> resize; // of lists
};

/// The table, in the order of the documentation.
const std::vector<section_info>& sections();

/// The section of this path, or null.
const section_info* find_section(std::string_view path);
const key_info* find_key(const section_info& section, std::string_view name);

/// "upstreams.0.api_key", as --set and origins write it.
std::string key_path(const section_info& section, std::size_t index, const key_info& key);

value read(const key_info& key, const node_config& config, std::size_t index);

/// "a number of ms", "true or false": for messages and the documentation.
std::string type_name(const key_info& key);

/// "1 to 86400000 ms", "trace, debug or info"; empty: no limit.
std::string limits(const key_info& key);

} // namespace troupe::config
