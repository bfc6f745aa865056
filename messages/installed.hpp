// Where the files that belong to the program are: its data and its modules.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Folders to look in, in order: the one that the environment's `variable` names; then `below` in
/// the program's folder and in the two above it, as build/<preset>/troupe, /usr/bin/troupe and
/// build/<preset>/tests/unit_tests need it.
std::vector<std::filesystem::path> installed_folders(const char* variable, std::string_view below);

/// The folders as a list for an error's text.
std::string listed(const std::vector<std::filesystem::path>& folders);

} // namespace troupe
