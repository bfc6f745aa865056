#include "gateway/api/json_reader.hpp"

#include "messages/id.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace troupe::gateway {

namespace {

using nlohmann::json;

/// What `parse_json` refuses beyond the grammar; thrown out of the parser's callback.
struct refused {
  std::string why;
};

/// Watches depth and doubled keys while the parser runs.
class parse_guard {
public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        if (depth >= json_depth_max)
          throw refused{fmt::format("the JSON is nested more than {} deep", json_depth_max)};
        keys_.resize(static_cast<std::size_t>(depth) + 2);
        keys_[static_cast<std::size_t>(depth) + 1].clear();
        break;
      case json::parse_event_t::key:
        if (!keys_[static_cast<std::size_t>(depth)].insert(parsed.get<std::string>()).second)
          throw refused{fmt::format("the key {} is there twice", parsed.dump())};
        break;
      default:
        break;
    }
    return true;
  }

private:
  std::vector<std::set<std::string>> keys_;
};

} // namespace

caf::expected<json> parse_json(std::string_view text) {
  if (text.empty())
    return make_error(ec::malformed_request, "the body is empty: send a JSON object");
  try {
    parse_guard guard;
    return json::parse(text, [&](int depth, json::parse_event_t event, json& parsed) {
      return guard(depth, event, parsed);
    });
  } catch (const refused& e) {
    return make_error(ec::malformed_request, e.why);
  } catch (const json::parse_error& e) {
    return make_error(ec::malformed_request,
                      fmt::format("the body is not valid JSON near byte {}", e.byte));
  } catch (const json::exception&) {
    return make_error(ec::malformed_request,
                      "the body is not valid JSON: a number is out of range");
  }
}

std::string dump_json(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_plain_utf8(std::string_view text) noexcept {
  return text.find('\0') == std::string_view::npos
         && simdjson::validate_utf8(text.data(), text.size());
}

object_reader::object_reader(const json& value, std::string where) :
    value_(value), where_(std::move(where)) {
  if (!value_.is_object())
    error_ = make_error(ec::invalid_argument, where_.empty() ? "the body must be a JSON object"
                                                             : where_ + " must be an object");
}

std::string object_reader::path_of(std::string_view name) const {
  return where_.empty() ? std::string{name} : fmt::format("{}.{}", where_, name);
}

void object_reader::fail(caf::error err) {
  if (!error_)
    error_ = std::move(err);
}

void object_reader::must_be(std::string_view name, std::string_view allowed) {
  fail(make_error(ec::invalid_argument, fmt::format("{} must be {}", path_of(name), allowed)));
}

const json* object_reader::find(std::string_view name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end())
    known_.emplace_back(name);
  if (failed())
    return nullptr;
  auto i = value_.find(std::string{name});
  return i == value_.end() ? nullptr : &*i;
}

const json* object_reader::require(std::string_view name, std::string_view allowed) {
  const auto* value = find(name);
  if (value == nullptr)
    fail(make_error(ec::invalid_argument,
                    fmt::format("{} is missing: it must be {}", path_of(name), allowed)));
  return value;
}

std::optional<std::string> object_reader::text(std::string_view name, std::size_t max,
                                               std::size_t min) {
  const auto* value = find(name);
  if (value == nullptr)
    return {};
  const auto* s = value->get_ptr<const std::string*>();
  if (s == nullptr || s->size() > max || s->size() < min) {
    if (min == 0)
      must_be(name, fmt::format("a string of at most {} bytes", max));
    else
      must_be(name, fmt::format("a string of {} to {} bytes", min, max));
    return {};
  }
  if (s->find('\0') != std::string::npos) {
    must_be(name, "a string without U+0000");
    return {};
  }
  return *s;
}

std::optional<std::string> object_reader::text_or_null(std::string_view name, std::size_t max) {
  const auto* value = find(name);
  if (value != nullptr && value->is_null())
    return std::string{};
  return text(name, max);
}

std::optional<std::string> object_reader::id_or_null(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr)
    return {};
  if (value->is_null())
    return std::string{};
  const auto* s = value->get_ptr<const std::string*>();
  if (s == nullptr || !is_id(*s)) {
    must_be(name, "an id: a UUID in lower case, or null");
    return {};
  }
  return *s;
}

std::optional<std::int64_t> object_reader::integer(std::string_view name, std::int64_t min,
                                                   std::int64_t max) {
  const auto* value = find(name);
  if (value == nullptr)
    return {};
  bool fits = value->is_number_integer()
              && !(value->is_number_unsigned()
                   && value->get<std::uint64_t>() > static_cast<std::uint64_t>(max));
  if (!fits || value->get<std::int64_t>() < min || value->get<std::int64_t>() > max) {
    must_be(name, fmt::format("an integer from {} to {}", min, max));
    return {};
  }
  return value->get<std::int64_t>();
}

std::optional<bool> object_reader::boolean(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr)
    return {};
  if (!value->is_boolean()) {
    must_be(name, "true or false");
    return {};
  }
  return value->get<bool>();
}

std::optional<std::string> object_reader::one_of(std::string_view name,
                                                 const std::vector<std::string_view>& values) {
  const auto* value = find(name);
  if (value == nullptr)
    return {};
  const auto* s = value->get_ptr<const std::string*>();
  if (s == nullptr || std::find(values.begin(), values.end(), *s) == values.end()) {
    must_be(name, fmt::format("one of {}", fmt::join(values, ", ")));
    return {};
  }
  return *s;
}

caf::error object_reader::finish() {
  if (failed())
    return error_;
  for (const auto& [name, value] : value_.items()) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end())
      return make_error(ec::invalid_argument,
                        fmt::format("{} is not a field here; known are {}",
                                    path_of(name.substr(0, 100)), fmt::join(known_, ", ")));
  }
  return {};
}

caf::expected<std::int64_t> read_query_integer(std::string_view name, std::string_view text,
                                               std::int64_t min, std::int64_t max,
                                               std::int64_t fallback) {
  if (text.empty())
    return fallback;
  std::int64_t value = 0;
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value < min || value > max)
    return make_error(ec::invalid_argument,
                      fmt::format("{} must be an integer from {} to {}", name, min, max));
  return value;
}

caf::expected<bool> read_query_flag(std::string_view name, std::string_view text, bool fallback) {
  if (text.empty())
    return fallback;
  if (text == "true" || text == "1")
    return true;
  if (text == "false" || text == "0")
    return false;
  return make_error(ec::invalid_argument, fmt::format("{} must be true or false", name));
}

} // namespace troupe::gateway
