// The texts of answers: heads, errors, CORS.
#pragma once

#include "config/config.hpp"
#include "gateway/server/exchange.hpp"
#include "gateway/server/http_checks.hpp"

#include <string>
#include <string_view>

namespace troupe::gateway {

/// "Not Found" of 404.
std::string_view reason_of(int status);

/// Appends `name: value`; the value holds no control characters.
void append_clean_field(std::string& out, std::string_view name, std::string_view value);

/// Appends `name: value`; control characters in the value become spaces.
void append_field(std::string& out, std::string_view name, std::string_view value);

/// The error object of Troupe's own API, or of OpenAI's.
std::string error_text(bool openai, std::string_view code, std::string_view openai_type,
                       std::string_view message, std::string_view request_id);

/// A whole answer that refuses a request whose head could not be read, and says goodbye.
std::string refusal_text(refusal why, std::string_view request_id, std::string_view date);

/// Refuses a request whose head was read. `detail` goes on with the refusal's sentence: ": ...".
asio::awaitable<void> reply_refusal(exchange& x, refusal why, header_list headers = {},
                                    std::string detail = {});

/// The fields of a CORS answer, if the request's origin may have it.
void append_cors(std::string& out, const exchange& x, const config::gateway_section& config);
/// The answer to a preflight.
void add_preflight(const exchange& x, const config::gateway_section& config,
                   std::string_view allowed_methods, header_list& headers);

} // namespace troupe::gateway
