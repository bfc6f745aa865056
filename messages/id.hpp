// Identifiers: UUIDv7, and W3C trace context.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// A new UUIDv7 of RFC 9562 in lower-case text form (36 characters). Ids made by one thread sort in
/// the order they were made; ids of others sort by millisecond. Thread-safe.
std::string new_id();

/// The same for a given time, UTC microseconds.
std::string new_id(std::int64_t now_us);

/// True for a UUID in lower-case text form, of any version.
bool is_id(std::string_view text) noexcept;

/// A new W3C traceparent: version 00, random trace and span ids, sampled.
std::string new_traceparent();

/// A child of `parent`: its trace id with a new span id. A malformed parent gives a new trace.
std::string child_traceparent(std::string_view parent);

/// True for a version-00 traceparent whose ids are not all zero.
bool is_traceparent(std::string_view text) noexcept;

/// The 32 hex digits of the trace id, or an empty view.
std::string_view trace_id_of(std::string_view traceparent) noexcept;

/// `bytes` random bytes from the system, as lower-case hex digits.
std::string random_hex(std::size_t bytes);

} // namespace troupe
