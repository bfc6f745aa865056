#include "cluster/cli/chat.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace troupe::cli {

namespace {

using nlohmann::json;

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string string_at(const json& value, const char* name) {
  auto i = value.is_object() ? value.find(name) : value.end();
  return value.is_object() && i != value.end() && i->is_string() ? i->get<std::string>()
                                                                 : std::string{};
}

std::string trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos)
    return {};
  return std::string{text.substr(begin, text.find_last_not_of(" \t") - begin + 1)};
}

} // namespace

chat::chat(node_address node, chat_options wanted, chat_memory memory, std::string terminal) :
    node_(std::move(node)),
    client_(node_.url, node_.key),
    wanted_(std::move(wanted)),
    memory_(std::move(memory)),
    terminal_(std::move(terminal)) {}

std::string chat::path(const std::string& rest) const {
  return "/api/v1/conversations/" + url_encode(id_) + rest;
}

void chat::say_dim(const std::string& text) const {
  auto clean = printable(text);
  if (is_terminal(STDOUT_FILENO))
    write_out(fmt::format("{}{}{}\n", style_.dim, clean, style_.reset));
  else
    fmt::print(stderr, "{}\n", clean);
}

/// Finds the conversation to go on with; a new one is only made with its first message.
void chat::choose() {
  if (!wanted_.conversation.empty()) {
    if (!open_id(wanted_.conversation))
      throw failure(fmt::format("there is no conversation {} here; see `troupe chat` and /list",
                                wanted_.conversation));
    return;
  }
  auto last = wanted_.fresh ? std::string{} : memory_.recall(node_.identity, terminal_);
  if (!last.empty() && open_id(last) && !wanted_.json)
    say_dim(fmt::format("(goes on with “{}”; {} begins a new one)",
                        title_.empty() ? "this terminal's conversation" : title_,
                        wanted_.text.empty() ? "/new" : "--new"));
}

bool chat::open_id(const std::string& id) {
  try {
    take_over(client_.get("/api/v1/conversations/" + url_encode(id)));
    return true;
  } catch (const api_failure& e) {
    if (e.status == 404)
      return false;
    throw;
  }
}

void chat::take_over(const json& conversation) {
  id_ = string_at(conversation, "id");
  title_ = string_at(conversation, "title");
  last_turn_.clear();
  memory_.remember(node_.identity, terminal_, id_);
}

const std::string& chat::ensure() {
  if (id_.empty()) {
    auto body = json::object();
    if (!wanted_.model.empty())
      body["model"] = wanted_.model;
    if (!wanted_.system.empty())
      body["system_prompt"] = wanted_.system;
    if (!title_.empty())
      body["title"] = title_;
    take_over(client_.post("/api/v1/conversations", body));
  }
  return id_;
}

answer chat::send(json body, bool streamed) {
  ensure();
  if (!wanted_.model.empty())
    body["model"] = wanted_.model;
  answer_sink sink;
  bool reasoning = false;
  if (streamed) {
    sink.text = [&](std::string_view text) {
      if (std::exchange(reasoning, false))
        write_out(fmt::format("{}\n\n", style_.reset));
      write_out(printable(text));
    };
    sink.reasoning = [&](std::string_view text) {
      if (!std::exchange(reasoning, true))
        write_out(style_.dim);
      write_out(printable(text));
    };
    sink.restarted = [&] {
      reasoning = false;
      write_out(fmt::format("{}\n{}(the node came back; the answer begins anew){}\n", style_.reset,
                            style_.dim, style_.reset));
    };
  }
  auto got = read_answer(node_, id_, body, std::move(sink), &interrupts_);
  if (reasoning)
    write_out(style_.reset);
  last_turn_ = got.turn_id;
  return got;
}

/// Ends what was streamed with its line, and says how it ended if that was not well.
int chat::report(const answer& got, bool streamed) {
  if (streamed && !got.text.empty() && !got.text.ends_with('\n'))
    write_out("\n");
  if (got.status == "finished")
    return 0;
  if (got.status == "stopped")
    say_dim("(stopped)");
  else if (got.status == "left")
    say_dim("(left; the answer goes on: /history shows it later)");
  else if (got.status == "awaiting_tools")
    say_dim("(the model asks for tools, which only the program that declared them can answer)");
  else
    fmt::print(stderr, "{}troupe: {}{}\n", style_.red, printable(string_at(got.error, "message")),
               style_.reset);
  return 1;
}

int chat::say_once() {
  choose();
  auto got = send({{"content", wanted_.text}}, !wanted_.json);
  if (!wanted_.json)
    return report(got, true);
  json out{{"conversation_id", id_}, {"turn_id", got.turn_id}, {"status", got.status},
           {"text", got.text},       {"message", got.message}, {"usage", got.usage}};
  if (!got.error.is_null())
    out["error"] = got.error;
  print_json(out);
  return got.status == "finished" ? 0 : 1;
}

void chat::post(json body) { report(send(std::move(body), true), true); }

int chat::converse() {
  choose();
  std::vector<std::string> names;
  for (const auto& one : commands())
    names.push_back(one.name);
  editor_.emplace(memory_.history_file(), std::move(names));
  if (id_.empty())
    say_dim("Write, and Enter sends; \\ at a line's end goes on in the next. /help for more.");
  std::string text;
  bool left = false; // Ctrl-C twice at an empty prompt leaves, as in other shells
  while (!over_) {
    std::string line;
    auto outcome = editor_->read(text.empty() ? "> " : ". ", line);
    if (outcome == line_editor::outcome::end) {
      write_out("\n");
      break;
    }
    if (outcome == line_editor::outcome::interrupted) {
      interrupts_.take();
      write_out("\n");
      if (std::exchange(left, true) && text.empty())
        break;
      if (text.empty())
        say_dim("(Ctrl-C again or /quit to leave)");
      text.clear();
      continue;
    }
    left = false;
    if (line.ends_with('\\')) {
      line.pop_back();
      text += line + "\n";
      continue;
    }
    text += line;
    if (!trimmed(text).empty()) {
      if (text.find('\n') == std::string::npos)
        editor_->remember(text);
      run_line(text);
    }
    text.clear();
  }
  return 0;
}

void chat::run_line(const std::string& line) {
  try {
    if (!line.starts_with('/')) {
      post({{"content", line}});
      return;
    }
    auto space = line.find_first_of(" \n");
    auto name = line.substr(0, space);
    auto argument = space == std::string::npos ? std::string{} : trimmed(line.substr(space + 1));
    for (const auto& one : commands()) {
      if (one.name == name) {
        (this->*one.run)(argument);
        return;
      }
    }
    say_dim(fmt::format("There is no {}; /help lists the commands.", name));
  } catch (const failure& e) {
    fmt::print(stderr, "{}troupe: {}{}\n", style_.red, printable(e.what()), style_.reset);
  }
  interrupts_.take();
}

bool chat::confirm(const std::string& question) {
  std::string line;
  return editor_->read(question + " [y/N] ", line) == line_editor::outcome::line
         && (line == "y" || line == "Y" || line == "yes");
}

std::optional<json> chat::last_user_message() {
  if (id_.empty())
    return std::nullopt;
  auto page = client_.get(path("/messages"), {{"limit", "50"}});
  auto& messages = page.at("messages");
  for (auto i = messages.size(); i > 0; --i)
    if (string_at(messages[i - 1], "role") == "user")
      return messages[i - 1];
  return std::nullopt;
}

} // namespace troupe::cli
