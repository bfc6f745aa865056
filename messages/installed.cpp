#include "messages/installed.hpp"

#include <cstdlib>
#include <system_error>

namespace troupe {

std::vector<std::filesystem::path> installed_folders(const char* variable, std::string_view below) {
  std::vector<std::filesystem::path> folders;
  if (const char* named = std::getenv(variable); named != nullptr && *named != '\0')
    folders.emplace_back(named);
  std::error_code failed;
  auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  for (int up = 0; !failed && up < 3 && program.has_relative_path(); ++up) {
    program = program.parent_path();
    folders.push_back(program / below);
  }
  return folders;
}

std::string listed(const std::vector<std::filesystem::path>& folders) {
  std::string all;
  for (const auto& folder : folders)
    all += (all.empty() ? "" : ", ") + folder.string();
  return all;
}

} // namespace troupe
