#include "messages/error.hpp"

#include <caf/exit_reason.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

namespace troupe {

namespace {

constexpr std::string_view invalid = "invalid_request_error";
constexpr std::string_view server = "server_error";
constexpr std::string_view limit = "rate_limit_error";

constexpr std::array<ec_info, 28> table{{
    {ec::none, "none", 200, "", 0, false},
    {ec::invalid_argument, "invalid_argument", 400, invalid, 2, false},
    {ec::malformed_request, "malformed_request", 400, invalid, 2, false},
    {ec::unauthenticated, "invalid_api_key", 401, "authentication_error", 1, false},
    {ec::forbidden, "forbidden", 403, "permission_error", 1, false},
    {ec::not_found, "not_found", 404, invalid, 1, false},
    {ec::conflict, "conflict", 409, invalid, 1, false},
    {ec::too_large, "too_large", 413, invalid, 1, false},
    {ec::rate_limited, "rate_limit_exceeded", 429, limit, 1, true},
    {ec::quota_exceeded, "insufficient_quota", 429, "insufficient_quota", 1, false},
    {ec::overloaded, "overloaded", 503, server, 1, true},
    {ec::store_unavailable, "store_unavailable", 503, server, 1, true},
    {ec::upstream_unavailable, "upstream_unavailable", 502, server, 1, true},
    {ec::upstream_rejected, "upstream_rejected", 400, invalid, 1, false},
    {ec::upstream_rate_limited, "upstream_rate_limited", 429, limit, 1, true},
    {ec::upstream_timeout, "upstream_timeout", 504, server, 1, true},
    {ec::upstream_broken, "upstream_broken", 502, server, 1, true},
    {ec::context_too_long, "context_length_exceeded", 400, invalid, 1, false},
    {ec::content_filtered, "content_filter", 400, invalid, 1, false},
    {ec::model_not_found, "model_not_found", 404, invalid, 1, false},
    {ec::cancelled, "cancelled", 499, invalid, 1, false},
    {ec::deadline_exceeded, "deadline_exceeded", 504, server, 1, true},
    {ec::draining, "draining", 503, server, 1, true},
    {ec::unsupported, "unsupported", 501, invalid, 1, false},
    {ec::config_invalid, "config_invalid", 500, server, 2, false},
    {ec::internal, "internal_error", 500, server, 1, false},
    {ec::not_owner, "not_owner", 503, server, 1, true},
    {ec::fenced, "fenced", 503, server, 1, true},
}};

constexpr bool table_is_in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].code != static_cast<ec>(i))
      return false;
  return table.back().code == ec_last;
}
static_assert(table_is_in_order(), "the table needs one row for each code, in the enum's order");

} // namespace

const ec_info& info(ec code) noexcept {
  auto i = static_cast<std::size_t>(code);
  return i < table.size() ? table[i] : table.back();
}

const ec_info& info(const caf::error& err) noexcept {
  if (!err)
    return table.front();
  if (err.category() == ec_category)
    return info(static_cast<ec>(err.code()));
  if (err.category() == caf::atom("system")) {
    switch (static_cast<caf::sec>(err.code())) {
      case caf::sec::request_timeout:
        return info(ec::deadline_exceeded);
      case caf::sec::request_receiver_down:
        return info(ec::overloaded);
      default:
        return info(ec::internal);
    }
  }
  return info(ec::internal);
}

ec ec_from_name(std::string_view name) noexcept {
  for (const auto& row : table)
    if (row.name == name)
      return row.code;
  return ec::internal;
}

std::string to_string(ec code) { return std::string{info(code).name}; }

caf::error make_error(ec code) { return caf::error{static_cast<std::uint8_t>(code), ec_category}; }

caf::error make_error(ec code, std::string detail) {
  return caf::error{static_cast<std::uint8_t>(code), ec_category,
                    caf::make_message(std::move(detail))};
}

std::string describe(const caf::error& err) {
  if (err && err.context().match_elements<std::string>())
    return err.context().get_as<std::string>(0);
  if (err && err.category() == caf::atom("system"))
    return to_string(static_cast<caf::sec>(err.code()));
  if (err && err.category() == caf::atom("exit"))
    return to_string(static_cast<caf::exit_reason>(err.code()));
  return std::string{info(err).name};
}

std::string render_ec(std::uint8_t code, caf::atom_value, const caf::message& context) {
  auto text = to_string(static_cast<ec>(code));
  if (context.match_elements<std::string>())
    text += ": " + context.get_as<std::string>(0);
  return text;
}

} // namespace troupe
