// The /commands of chat.hpp.
#include "cluster/cli/chat.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>

namespace troupe::cli {

namespace {

using nlohmann::json;

std::string string_at(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_string() ? i->get<std::string>() : std::string{};
}

/// The text of a message; other parts by their names.
std::string text_of(const json& message) {
  std::string out;
  for (const auto& part : message.value("content", json::array())) {
    auto type = string_at(part, "type");
    if (type == "text")
      out += string_at(part, "text");
    else if (type == "tool_call")
      out += fmt::format("[calls {}({})]", string_at(part, "name"), string_at(part, "arguments"));
    else if (type == "tool_result")
      out += fmt::format("[result: {}]", string_at(part, "content"));
    else if (type != "reasoning")
      out += fmt::format("[{}]", type);
  }
  return out;
}

bool read_number(const std::string& text, std::size_t& number) {
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  return fault == std::errc{} && end == text.data() + text.size();
}

} // namespace

const std::vector<chat::command>& chat::commands() {
  static const std::vector<command> all{
      {"/help", "", "Show this", &chat::show_help},
      {"/new", "[TITLE]", "Begin a new conversation", &chat::begin_new},
      {"/list", "[TEXT]", "List conversations, those with TEXT in their title", &chat::list},
      {"/open", "N|ID", "Go on with another one, by its number in /list", &chat::open},
      {"/rename", "TITLE", "Give this one another title", &chat::rename},
      {"/delete", "[N|ID]", "Delete this one, or another", &chat::remove},
      {"/model", "[NAME]", "Choose the model, or show it and those there are", &chat::model},
      {"/system", "[TEXT]", "Set the system prompt, or show it", &chat::system},
      {"/history", "[N]", "Show the last N messages (20)", &chat::history},
      {"/regenerate", "", "Answer your last message again", &chat::regenerate},
      {"/edit", "[TEXT]", "Say your last message differently", &chat::edit},
      {"/stop", "", "Stop an answer that goes on behind your back", &chat::stop},
      {"/quit", "", "Leave (also Ctrl-D)", &chat::quit}};
  return all;
}

void chat::show_help(const std::string&) {
  for (const auto& one : commands())
    fmt::print("  {}{:<12}{}{:<10}{}\n", style_.bold, one.name, style_.reset, one.arguments,
               one.help);
  fmt::print("Ctrl-C stops a running answer. A line that ends in \\ goes on in the next one.\n");
}

void chat::begin_new(const std::string& title) {
  id_.clear();
  last_turn_.clear();
  title_ = title;
  memory_.remember(node_.identity, terminal_, "");
  say_dim("A new conversation begins with your next message.");
}

void chat::list(const std::string& text) {
  http_client::query query{{"limit", "30"}};
  if (!text.empty())
    query.emplace_back("q", text);
  auto page = client_.get("/api/v1/conversations", query);
  listed_.clear();
  text_table table{{"", "TITLE", "MESSAGES", "CHANGED"}, {true, false, true, false}};
  for (const auto& one : page.at("conversations")) {
    listed_.push_back(string_at(one, "id"));
    auto title = string_at(one, "title");
    table.add({fmt::format("{}{}", listed_.back() == id_ ? "*" : "", listed_.size()),
               cut_to_width(title.empty() ? "(untitled)" : title, 50),
               fmt::format("{}", one.value("message_count", std::int64_t{0})),
               short_time(one.value("updated_us", std::int64_t{0}))});
  }
  if (listed_.empty())
    say_dim("None.");
  else
    fmt::print("{}", table.render(style_, terminal_columns()));
  if (!page.at("next_cursor").is_null())
    say_dim("There are older ones; /list TEXT finds them by their title.");
}

std::string chat::find_listed(const std::string& number_or_id) const {
  std::size_t number = 0;
  if (!read_number(number_or_id, number))
    return number_or_id;
  if (number == 0 || number > listed_.size())
    throw failure("there is no such number; /list shows them");
  return listed_[number - 1];
}

void chat::open(const std::string& which) {
  if (which.empty())
    throw failure("say which: /open N, with a number of /list");
  if (!open_id(find_listed(which)))
    throw failure("there is no such conversation");
  say_dim(fmt::format("Now in “{}”.", title_.empty() ? "(untitled)" : title_));
  history("4");
}

void chat::rename(const std::string& title) {
  if (title.empty())
    throw failure("say how: /rename TITLE");
  title_ = title;
  if (!id_.empty())
    client_.patch(path(), {{"title", title}});
  say_dim(fmt::format("It is called “{}” now.", title));
}

void chat::remove(const std::string& which) {
  auto id = which.empty() ? id_ : find_listed(which);
  if (id.empty())
    throw failure("there is nothing to delete yet");
  auto one = client_.get("/api/v1/conversations/" + url_encode(id));
  if (!confirm(fmt::format("Delete “{}” with {} messages?", printable(string_at(one, "title")),
                           one.value("message_count", std::int64_t{0}))))
    return;
  client_.del("/api/v1/conversations/" + url_encode(id));
  say_dim("Deleted.");
  if (id == id_)
    begin_new("");
}

void chat::model(const std::string& name) {
  if (!name.empty()) {
    if (!id_.empty())
      client_.patch(path(), {{"model", name}});
    wanted_.model = name;
    say_dim(fmt::format("The next answers come from {}.", name));
    return;
  }
  auto current = wanted_.model;
  if (current.empty() && !id_.empty())
    current = string_at(conversation(), "model");
  fmt::print("Model: {}\n", current.empty() ? "the node's default" : printable(current));
  auto models = client_.get("/v1/models");
  for (const auto& one : models.value("data", json::array()))
    fmt::print("  {}\n", printable(string_at(one, "id")));
}

void chat::system(const std::string& text) {
  if (text.empty()) {
    auto prompt = id_.empty() ? wanted_.system : string_at(conversation(), "system_prompt");
    fmt::print("{}\n", prompt.empty() ? "(the node's default)" : printable(prompt));
    return;
  }
  wanted_.system = text;
  if (!id_.empty())
    client_.patch(path(), {{"system_prompt", text}});
  say_dim("The system prompt is set.");
}

void chat::history(const std::string& count) {
  std::size_t number = 20;
  if (!count.empty() && (!read_number(count, number) || number == 0 || number > 500))
    throw failure("say how many: /history N, 1 to 500");
  if (id_.empty()) {
    say_dim("Nothing was said yet.");
    return;
  }
  auto page = client_.get(path("/messages"), {{"limit", fmt::format("{}", number)}});
  for (const auto& message : page.at("messages")) {
    auto role = string_at(message, "role");
    auto status = string_at(message, "status");
    fmt::print("{}{}{}{}\n{}\n\n", role == "user" ? style_.cyan : style_.green,
               role == "user"        ? "you"
               : role == "assistant" ? string_at(message, "model")
                                     : role,
               status == "complete" ? "" : fmt::format(" ({})", status), style_.reset,
               printable(text_of(message)));
  }
}

void chat::regenerate(const std::string&) {
  auto last = last_user_message();
  if (!last)
    throw failure("there is no message of yours to answer again");
  post({{"kind", "regenerate"}, {"parent_id", string_at(*last, "id")}});
}

void chat::edit(const std::string& text) {
  auto last = last_user_message();
  if (!last)
    throw failure("there is no message of yours to change");
  if (!text.empty()) {
    post({{"kind", "edit"}, {"parent_id", string_at(*last, "id")}, {"content", text}});
    return;
  }
  auto before = printable(text_of(*last));
  std::replace(before.begin(), before.end(), '\n', ' ');
  editor_->prefill("/edit " + before);
}

void chat::stop(const std::string&) {
  if (id_.empty() || last_turn_.empty())
    throw failure("no answer of this terminal is running");
  auto turn = client_.post(path("/turns/" + last_turn_ + "/stop"), nullptr);
  say_dim(fmt::format("The answer is {}.", string_at(turn, "status")));
}

void chat::quit(const std::string&) { over_ = true; }

} // namespace troupe::cli
