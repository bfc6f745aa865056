// The line editor of terminal.hpp, by libedit.
#include "cluster/cli/terminal.hpp"

#include <fcntl.h>
#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <fstream>

namespace troupe::cli {

namespace {

constexpr int history_lines_max = 1'000;

} // namespace

struct line_editor::impl {
  EditLine* edit = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string file;
  std::string prompt;
  std::vector<std::string> completions;

  static impl& of(EditLine* edit) {
    impl* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return *self;
  }

  static char* show_prompt(EditLine* edit) { return of(edit).prompt.data(); }

  /// Tab: completes the word a line begins with to the one command it can be.
  static unsigned char complete(EditLine* edit, int) {
    const auto* line = el_line(edit);
    std::string_view word{line->buffer, static_cast<std::size_t>(line->cursor - line->buffer)};
    const std::string* found = nullptr;
    for (const auto& candidate : of(edit).completions) {
      if (!candidate.starts_with(word))
        continue;
      if (found != nullptr)
        return CC_REFRESH_BEEP;
      found = &candidate;
    }
    if (word.empty() || found == nullptr)
      return CC_REFRESH_BEEP;
    auto rest = found->substr(word.size()) + " ";
    return el_insertstr(edit, rest.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
  }

  void open() {
    // Without a UTF-8 locale the editor would take bytes for characters.
    if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1)
      std::setlocale(LC_CTYPE, "C.UTF-8");
    edit = el_init("troupe", stdin, stdout, stderr);
    history = history_init();
    el_set(edit, EL_CLIENTDATA, this);
    el_set(edit, EL_PROMPT, show_prompt);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_HIST, ::history, history);
    el_set(edit, EL_ADDFN, "troupe-complete", "Completes a command", complete);
    el_set(edit, EL_BIND, "^I", "troupe-complete", nullptr);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    ::history(history, &event, H_SETSIZE, history_lines_max);
    ::history(history, &event, H_SETUNIQUE, 1);
    load();
  }

  // One line of the file is one of the history: entries have no newline.
  void load() {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);)
      ::history(history, &event, H_ENTER, line.c_str());
  }

  void append(const std::string& line) const {
    if (file.empty())
      return;
    auto fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
      return;
    auto text = line + "\n";
    [[maybe_unused]] auto written = ::write(fd, text.data(), text.size());
    ::close(fd);
  }

  /// Keeps the newest lines of a file that has grown.
  void trim() const {
    std::vector<std::string> lines;
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);)
      lines.push_back(line);
    if (file.empty() || lines.size() <= 2 * history_lines_max)
      return;
    auto beside = file + ".new";
    std::ofstream out{beside};
    ::chmod(beside.c_str(), 0600);
    for (auto i = lines.size() - history_lines_max; i < lines.size(); ++i)
      out << lines[i] << "\n";
    if (out.flush())
      std::rename(beside.c_str(), file.c_str());
  }
};

line_editor::line_editor(std::string history_file, std::vector<std::string> completions) :
    impl_(std::make_unique<impl>()) {
  impl_->file = std::move(history_file);
  impl_->completions = std::move(completions);
  impl_->trim();
  impl_->open();
}

line_editor::~line_editor() {
  history_end(impl_->history);
  el_end(impl_->edit);
}

line_editor::outcome line_editor::read(const std::string& prompt, std::string& line) {
  impl_->prompt = prompt;
  int size = 0;
  errno = 0;
  const char* text = el_gets(impl_->edit, &size);
  if (text == nullptr || size <= 0)
    return errno == EINTR || size < 0 ? outcome::interrupted : outcome::end;
  line.assign(text, static_cast<std::size_t>(size));
  while (line.ends_with('\n') || line.ends_with('\r'))
    line.pop_back();
  return outcome::line;
}

void line_editor::remember(const std::string& line) {
  ::history(impl_->history, &impl_->event, H_ENTER, line.c_str());
  impl_->append(line);
}

void line_editor::prefill(std::string text) { el_push(impl_->edit, text.c_str()); }

} // namespace troupe::cli
