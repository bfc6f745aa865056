// Files as commands read and write them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::cli {

/// All of a file, or of the standard input for "-". `failure` if it cannot be read, or is larger
/// than `bytes_max`.
std::string read_input(const std::string& name, std::size_t bytes_max = 1'000'000'000);

/// To the standard output. `failure` if not all of it could be written.
void write_output(std::string_view text);

} // namespace troupe::cli
