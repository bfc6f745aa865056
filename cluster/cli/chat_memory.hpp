// Which conversation a terminal was in, kept between uses of `troupe chat`.
#pragma once

#include <string>

namespace troupe::cli {

/// A file of this user: {node: {terminal: conversation}}, the newest 100 terminals. What cannot be
/// read or written is forgotten without a word: it is a comfort, not data.
class chat_memory {
public:
  /// `folder`: usually `state_folder()`.
  explicit chat_memory(std::string folder) : folder_(std::move(folder)) {}

  std::string recall(const std::string& node, const std::string& terminal) const;
  void remember(const std::string& node, const std::string& terminal,
                const std::string& conversation_id) const;
  /// For the line editor; the folder is made if it is missing.
  std::string history_file() const;

private:
  std::string file() const;
  std::string folder_;
};

/// $XDG_STATE_HOME/troupe or ~/.local/state/troupe; empty without a home.
std::string state_folder();

/// This terminal window, as long as it is open; empty when there is none.
std::string this_terminal();

} // namespace troupe::cli
