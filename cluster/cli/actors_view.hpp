// What `troupe actors` shows, made of the answers of /ops/v1/actors. Pure.
#pragma once

#include "cluster/cli/terminal.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace troupe::cli {

/// The figures of one moment, as a table of types and one of the busiest actors. With `before` (an
/// earlier answer, `seconds` ago) rates are shown too. At most `rows` lines in all if it is > 0.
std::string actors_view(const nlohmann::json& now, const nlohmann::json& before, double seconds,
                        const std::string& sort, const styles& style, int columns, int rows);

} // namespace troupe::cli
