// `troupe actors`: like top, for actors.
#include "cluster/cli/actors_view.hpp"
#include "cluster/cli/client.hpp"
#include "cluster/cli/interrupt.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

using nlohmann::json;
using steady = std::chrono::steady_clock;

struct actors_flags {
  bool once = false;
  bool watch = false;
  double interval_s = 2;
  std::string sort = "busy";
  std::string type;
  std::string node;
  int limit = 20;
};

/// The terminal's other screen, with keys read as they are pressed; put back at the end.
class full_screen {
public:
  full_screen() {
    ::tcgetattr(STDIN_FILENO, &before_);
    auto raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fmt::print("\x1b[?1049h\x1b[?25l");
  }
  ~full_screen() {
    fmt::print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  full_screen(const full_screen&) = delete;
  full_screen& operator=(const full_screen&) = delete;

  /// Draws over what was there, without flicker.
  static void draw(const std::string& text) {
    std::string out = "\x1b[H";
    for (char c : text)
      out += c == '\n' ? std::string{"\x1b[K\n"} : std::string{c};
    out += "\x1b[J";
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
  }

private:
  termios before_{};
};

json ask(http_client& client, const actors_flags& flags) {
  http_client::query query{{"sort", flags.sort}, {"limit", fmt::format("{}", flags.limit)}};
  if (!flags.type.empty())
    query.emplace_back("type", flags.type);
  if (!flags.node.empty())
    query.emplace_back("node", flags.node);
  return client.get("/ops/v1/actors", query);
}

/// Waits for the next round. False when the user has seen enough.
bool wait_round(actors_flags& flags, interrupt_guard& interrupts, bool keys) {
  pollfd fds[2] = {{interrupts.fd(), POLLIN, 0}, {keys ? STDIN_FILENO : -1, POLLIN, 0}};
  auto count = ::poll(fds, 2, static_cast<int>(flags.interval_s * 1'000));
  if (interrupts.take())
    return false;
  char key = 0;
  if (count <= 0 || (fds[1].revents & (POLLIN | POLLHUP)) == 0)
    return true;
  if (::read(STDIN_FILENO, &key, 1) != 1)
    return false;
  if (key == 'b' || key == 'h' || key == 'd')
    flags.sort = key == 'b' ? "busy" : key == 'h' ? "handled" : "depth";
  return key != 'q';
}

void watch(http_client& client, actors_flags flags, bool as_json) {
  interrupt_guard interrupts;
  bool screen = is_terminal(STDOUT_FILENO) && is_terminal(STDIN_FILENO) && !as_json;
  auto full = screen ? std::make_unique<full_screen>() : nullptr;
  auto style = styles::of_stdout();
  json before;
  steady::time_point then;
  do {
    auto now = ask(client, flags);
    auto time = steady::now();
    auto seconds = before.is_null() ? 0 : std::chrono::duration<double>(time - then).count();
    if (as_json) {
      fmt::print("{}\n", now.dump(-1, ' ', false, json::error_handler_t::replace));
    } else if (screen) {
      auto head = fmt::format("{}troupe actors{}  every {:.3g} s, by {}; b h d sort by busy, "
                              "handled, depth; q leaves\n\n",
                              style.bold, style.reset, flags.interval_s, flags.sort);
      full_screen::draw(head
                        + actors_view(now, before, seconds, flags.sort, style, terminal_columns(),
                                      std::max(terminal_rows() - 3, 3)));
    } else {
      fmt::print("{}\n", actors_view(now, before, seconds, flags.sort, style, 0, 0));
    }
    std::fflush(stdout);
    before = std::move(now);
    then = time;
  } while (wait_round(flags, interrupts, screen));
}

void run_actors(const options& common, const actors_flags& flags) {
  auto node = require_node(common, load_config(common));
  http_client client{node.ops_url, node.key};
  bool live = flags.watch || (!flags.once && !common.json && is_terminal(STDOUT_FILENO));
  if (live) {
    watch(client, flags, common.json);
    return;
  }
  auto now = ask(client, flags);
  if (common.json)
    print_json(now);
  else
    fmt::print("{}", actors_view(now, nullptr, 0, flags.sort, styles::of_stdout(), 0, 0));
}

} // namespace

void add_actors_command(CLI::App& app, options& common) {
  auto flags = std::make_shared<actors_flags>();
  auto* actors = app.add_subcommand("actors", "What the node's actors do, live like top");
  actors->add_option("--sort", flags->sort, "busy, handled or depth")
      ->check(CLI::IsMember({"busy", "handled", "depth"}));
  actors->add_option("--type", flags->type, "Only actors of this type");
  actors->add_option("--node", flags->node, "Of this node of the cluster");
  actors->add_option("--limit", flags->limit, "Single actors shown (20)")
      ->check(CLI::Range(1, 1'000));
  actors->add_option("--interval", flags->interval_s, "Seconds between two looks (2)")
      ->check(CLI::Range(0.1, 3'600.0));
  auto* once = actors->add_flag("--once", flags->once, "Print once (as when piped)");
  actors->add_flag("--watch", flags->watch, "Go on printing when piped, too")->excludes(once);
  actors->footer("Asks the operators' port of the node that runs here, or the one at --url.\n"
                 "Keys while it runs: b h d sort, q leaves.\n\n"
                 "Examples:\n"
                 "  troupe actors\n"
                 "  troupe actors --once --sort depth --type session\n"
                 "  troupe actors --json | jq '.types[] | select(.failed > 0)'");
  actors->callback([&common, flags] { run_actors(common, *flags); });
}

} // namespace troupe::cli
