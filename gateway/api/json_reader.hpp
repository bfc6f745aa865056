// Strict reading of JSON requests: what is unknown, of another type or out of bounds is refused
// with a sentence that names the field and says what is allowed.
#pragma once

#include "messages/error.hpp"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// Nesting beyond this is refused while parsing.
inline constexpr int json_depth_max = 32;

/// Parses a request's body: UTF-8 JSON, at most `json_depth_max` deep, no key twice in an object.
/// Errors: `malformed_request` with the place of the fault.
caf::expected<nlohmann::json> parse_json(std::string_view text);

/// Compact JSON; bytes that are no UTF-8 become U+FFFD instead of an exception.
std::string dump_json(const nlohmann::json& value);

/// Reads the fields of one object. The first fault is kept and ends all further reading; `finish`
/// tells it, or names the first field that nobody asked for. The object outlives the reader.
class object_reader {
public:
  /// `where` is the path of the object within the body, "" for the body itself.
  explicit object_reader(const nlohmann::json& value, std::string where = {});

  /// The field's value if it is there (and marks it as known).
  const nlohmann::json* find(std::string_view name);
  /// The same; its absence is a fault that says `allowed`.
  const nlohmann::json* require(std::string_view name, std::string_view allowed);

  /// UTF-8 text of `min` to `max` bytes, without U+0000.
  std::optional<std::string> text(std::string_view name, std::size_t max, std::size_t min = 0);
  /// The same, where null is the empty text.
  std::optional<std::string> text_or_null(std::string_view name, std::size_t max);
  /// A UUID in text form, or null for the empty text.
  std::optional<std::string> id_or_null(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);
  std::optional<bool> boolean(std::string_view name);
  /// One of the values named.
  std::optional<std::string> one_of(std::string_view name,
                                    const std::vector<std::string_view>& values);

  /// Keeps "`name` must be `allowed`" as the fault, unless there is one already.
  void must_be(std::string_view name, std::string_view allowed);
  /// Keeps a fault made elsewhere, unless there is one already.
  void fail(caf::error err);
  bool failed() const { return static_cast<bool>(error_); }

  std::string path_of(std::string_view name) const;

  /// The first fault, else the first unknown field, else no error.
  caf::error finish();

private:
  const nlohmann::json& value_;
  std::string where_;
  std::vector<std::string> known_;
  caf::error error_;
};

/// Reads an integer of a query string; absent gives `fallback`.
caf::expected<std::int64_t> read_query_integer(std::string_view name, std::string_view text,
                                               std::int64_t min, std::int64_t max,
                                               std::int64_t fallback);

/// Reads `true` or `false` of a query string; absent gives `fallback`.
caf::expected<bool> read_query_flag(std::string_view name, std::string_view text, bool fallback);

/// True for UTF-8 text without U+0000.
bool is_plain_utf8(std::string_view text) noexcept;

} // namespace troupe::gateway
