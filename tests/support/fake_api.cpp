#include "tests/support/fake_api.hpp"

#include <fmt/format.h>

namespace troupe::test {

namespace {

using nlohmann::json;

const std::string conversation_id = "0190163d-8694-739b-aea5-966c26f8ad91";
const std::string turn_id = "0190163d-8694-739b-aea5-966c26f8ad92";

std::string event(int seq, const std::string& name, const json& data) {
  return fmt::format("id: {}:{}\nevent: {}\ndata: {}\n\n", turn_id, seq, name, data.dump());
}

json message(const std::string& id, const std::string& role, const std::string& text) {
  return {{"id", id},
          {"role", role},
          {"status", "complete"},
          {"model", "fake"},
          {"content", {{{"type", "text"}, {"text", text}}}}};
}

json problem(const std::string& code, const std::string& text) {
  return {{"error", {{"code", code}, {"message", text}, {"request_id", "r"}}}};
}

void give(httplib::Response& out, const json& body, int status = 200) {
  out.status = status;
  out.set_content(body.dump(), "application/json");
}

} // namespace

fake_api::fake_api() {
  add_routes();
  port_ = server_.bind_to_any_port("127.0.0.1");
  thread_ = std::thread{[this] { server_.listen_after_bind(); }};
  while (!server_.is_running())
    std::this_thread::yield();
}

fake_api::~fake_api() {
  {
    std::lock_guard lock{mutex_};
    closing_ = true;
  }
  changed_.notify_all();
  server_.stop();
  thread_.join();
}

std::vector<fake_api::request> fake_api::requests(const std::string& path) const {
  std::lock_guard lock{mutex_};
  std::vector<request> out;
  for (const auto& one : requests_)
    if (one.path.find(path) != std::string::npos)
      out.push_back(one);
  return out;
}

void fake_api::set_ops(const std::string& path, json body) {
  server_.Get(path, [this, body](const httplib::Request& r, response& out) {
    note(r);
    give(out, body);
  });
}

void fake_api::note(const httplib::Request& r) {
  std::lock_guard lock{mutex_};
  requests_.push_back({r.method, r.target, r.get_header_value("Authorization"),
                       r.get_header_value("Last-Event-ID"), json::parse(r.body, nullptr, false)});
}

void fake_api::add_routes() {
  const std::string root = "/api/v1/conversations";
  const std::string one = root + "/" + conversation_id;
  server_.Post(root, [this](const httplib::Request& r, response& out) {
    note(r);
    conversation_ = json::parse(r.body);
    conversation_["id"] = conversation_id;
    conversation_.emplace("title", "");
    messages_ = json::array();
    give(out, conversation_, 201);
  });
  server_.Get(root, [this](const httplib::Request& r, response& out) {
    note(r);
    auto list = conversation_.is_null() ? json::array() : json{conversation_};
    give(out, {{"conversations", list}, {"next_cursor", nullptr}});
  });
  server_.Get(one, [this](const httplib::Request& r, response& out) {
    note(r);
    if (conversation_.is_null())
      give(out, problem("not_found", "there is no such conversation"), 404);
    else
      give(out, conversation_);
  });
  server_.Patch(one, [this](const httplib::Request& r, response& out) {
    note(r);
    conversation_.update(json::parse(r.body));
    give(out, conversation_);
  });
  server_.Delete(one, [this](const httplib::Request& r, response& out) {
    note(r);
    conversation_ = nullptr;
    give(out, {{"id", conversation_id}, {"deleted", true}});
  });
  server_.Get(one + "/messages", [this](const httplib::Request& r, response& out) {
    note(r);
    give(out, {{"messages", messages_}, {"has_more", false}});
  });
  server_.Post(one + "/messages", [this](const httplib::Request& r, response& out) {
    note(r);
    post_message(r, out);
  });
  server_.Get(
      one + "/turns/" + turn_id + "/events", [this](const httplib::Request& r, response& out) {
        note(r);
        auto last = r.get_header_value("Last-Event-ID");
        auto seq = std::stoul(last.substr(last.rfind(':') + 1));
        stream(out, {events_.begin() + static_cast<long>(seq) + 1, events_.end()}, 0, false);
      });
  server_.Post(one + "/turns/" + turn_id + "/stop",
               [this](const httplib::Request& r, response& out) {
                 note(r);
                 {
                   std::lock_guard lock{mutex_};
                   stopped_ = true;
                 }
                 changed_.notify_all();
                 give(out, {{"id", turn_id}, {"status", "stopped"}});
               });
  server_.Get("/v1/models", [this](const httplib::Request& r, response& out) {
    note(r);
    give(out, {{"object", "list"}, {"data", {{{"id", "fake"}}, {{"id", "other"}}}}});
  });
}

void fake_api::post_message(const httplib::Request& r, response& out) {
  auto body = json::parse(r.body);
  auto content = body.value("content", "again");
  if (content.find("refuse") != std::string::npos) {
    give(out, problem("invalid_argument", "content must be polite"), 400);
    return;
  }
  messages_.push_back(message("m" + std::to_string(messages_.size()), "user", content));
  bool fails = content.find("fail") != std::string::npos;
  bool holds = content.find("wait") != std::string::npos;
  bool breaks = content.find("break") != std::string::npos;
  auto text = "You said: " + content;
  events_ = {event(0, "accepted", {{"turn_id", turn_id}}), event(1, "started", {{"model", "fake"}}),
             event(2, "delta", {{"text", text.substr(0, 9)}}),
             event(3, "delta", {{"text", text.substr(9)}})};
  if (fails)
    events_.push_back(event(4, "error", problem("upstream_broken", "the provider hung up")));
  else
    events_.push_back(
        event(4, "finished", {{"status", "finished"}, {"usage", {{"total_tokens", 7}}}}));
  messages_.push_back(message("m" + std::to_string(messages_.size()), "assistant", text));
  stopped_ = false;
  stream(out, events_, breaks ? 3 : 0, holds);
}

void fake_api::stream(response& out, std::vector<std::string> events, std::size_t break_after,
                      bool hold) {
  out.set_chunked_content_provider(
      "text/event-stream",
      [this, events = std::move(events), break_after, hold](std::size_t, httplib::DataSink& sink) {
        for (std::size_t i = 0; i < events.size(); ++i) {
          if (break_after != 0 && i == break_after)
            return false;
          if (hold && i + 1 == events.size()) {
            std::unique_lock lock{mutex_};
            changed_.wait(lock, [this] { return stopped_ || closing_; });
            auto end = event(4, "finished", {{"status", "stopped"}});
            sink.write(end.data(), end.size());
            break;
          }
          sink.write(events[i].data(), events[i].size());
        }
        sink.done();
        return true;
      });
}

} // namespace troupe::test
