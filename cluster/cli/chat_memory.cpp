#include "cluster/cli/chat_memory.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace troupe::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t entries_max = 100;

void make_private_folder(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || fs::is_directory(path, ignored))
    return;
  fs::create_directories(path, ignored);
  fs::permissions(path, fs::perms::owner_all, ignored);
}

/// [{"node","terminal","conversation"}], oldest first.
nlohmann::json read_entries(const std::string& file) {
  std::ifstream in{file};
  auto value = nlohmann::json::parse(in, nullptr, false);
  return value.is_array() ? value : nlohmann::json::array();
}

bool is_entry(const nlohmann::json& entry, const std::string& node, const std::string& terminal) {
  return entry.is_object() && entry.value("node", "") == node
         && entry.value("terminal", "") == terminal;
}

} // namespace

std::string chat_memory::file() const { return folder_ + "/chat.json"; }

std::string chat_memory::history_file() const {
  if (folder_.empty())
    return {};
  make_private_folder(folder_);
  return folder_ + "/history";
}

std::string chat_memory::recall(const std::string& node, const std::string& terminal) const {
  if (folder_.empty() || terminal.empty())
    return {};
  try {
    for (const auto& entry : read_entries(file()))
      if (is_entry(entry, node, terminal))
        return entry.value("conversation", "");
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return {};
}

void chat_memory::remember(const std::string& node, const std::string& terminal,
                           const std::string& conversation_id) const {
  if (folder_.empty() || terminal.empty())
    return;
  make_private_folder(folder_);
  auto kept = nlohmann::json::array();
  try {
    for (auto& entry : read_entries(file()))
      if (!is_entry(entry, node, terminal))
        kept.push_back(std::move(entry));
  } catch (const nlohmann::json::exception&) {
    kept = nlohmann::json::array();
  }
  if (!conversation_id.empty())
    kept.push_back({{"node", node}, {"terminal", terminal}, {"conversation", conversation_id}});
  while (kept.size() > entries_max)
    kept.erase(kept.begin());
  auto beside = fmt::format("{}.{}", file(), ::getpid());
  {
    std::ofstream out{beside};
    ::chmod(beside.c_str(), 0600);
    out << kept.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  }
  std::error_code ignored;
  fs::rename(beside, file(), ignored);
}

std::string state_folder() {
  if (const auto* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return std::string{state} + "/troupe";
  if (const auto* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return std::string{home} + "/.local/state/troupe";
  return {};
}

std::string this_terminal() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (const auto* name = ::ttyname(fd))
      return fmt::format("{}:{}", name, ::getsid(0));
  }
  return {};
}

} // namespace troupe::cli
