#include "cluster/cli/answer.hpp"

#include "messages/id.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace troupe::cli {

namespace {

using nlohmann::json;

constexpr int tries_max = 5;
constexpr int pause_ms = 300; // before the second try; doubles

std::string text_of(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_string() ? i->get<std::string>() : std::string{};
}

/// Reads one answer on a thread of its own, so that Ctrl-C can be heard meanwhile.
class reader {
public:
  reader(const node_address& node, std::string conversation_id, json body, answer_sink sink) :
      node_(node),
      client_(node.url, node.key),
      path_("/api/v1/conversations/" + url_encode(conversation_id)),
      body_(std::move(body)),
      events_(std::move(sink)),
      done_(::eventfd(0, EFD_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC)) {}

  ~reader() {
    ::close(done_);
    ::close(wake_);
  }

  answer run(interrupt_guard* interrupts) {
    std::thread worker{[this] { work(); }};
    bool asked = false;
    while (!wait_done(interrupts)) {
      if (!asked && stop_turn()) {
        asked = true;
      } else {
        leave();
      }
    }
    worker.join();
    if (error_)
      std::rethrow_exception(error_);
    auto result = std::move(events_.result());
    if (!events_.ended())
      result.status = "left";
    return result;
  }

private:
  void work() {
    try {
      follow();
    } catch (...) {
      error_ = std::current_exception();
    }
    ::eventfd_write(done_, 1);
  }

  void follow() {
    auto key = new_id();
    int wait = pause_ms;
    for (int left = tries_max; !left_; --left) {
      try {
        if (read_once(key) && (events_.ended() || left_))
          return;
      } catch (const api_failure& e) {
        if (e.status < 500 || left <= 1)
          throw;
      } catch (const failure&) {
        if (left <= 1 || (events_.turn_id().empty() && left == tries_max))
          throw;
      }
      if (left <= 1)
        throw failure("the connection to the node broke again and again; the answer goes on "
                      "there: `troupe chat` shows it with /history");
      pollfd sleep{wake_, POLLIN, 0};
      ::poll(&sleep, 1, std::exchange(wait, wait * 2));
    }
  }

  bool read_once(const std::string& key) {
    auto take = [this](const gateway::sse_event& event) {
      std::lock_guard lock{mutex_};
      return events_.take(event.name, event.data, event.id) && !left_;
    };
    // The key makes a second post of the same message the same turn.
    if (events_.turn_id().empty())
      return client_.stream("POST", path_ + "/messages", body_, {{"Idempotency-Key", key}}, take);
    return client_.stream("GET", path_ + "/turns/" + events_.turn_id() + "/events", nullptr,
                          {{"Last-Event-ID", events_.last_id()}}, take);
  }

  /// True once the answer is there; false after a Ctrl-C.
  bool wait_done(interrupt_guard* interrupts) const {
    pollfd fds[2] = {{done_, POLLIN, 0},
                     {interrupts != nullptr ? interrupts->fd() : -1, POLLIN, 0}};
    for (;;) {
      ::poll(fds, 2, -1);
      if ((fds[0].revents & POLLIN) != 0)
        return true;
      if (interrupts != nullptr && interrupts->take())
        return false;
    }
  }

  bool stop_turn() {
    std::string turn;
    {
      std::lock_guard lock{mutex_};
      turn = events_.turn_id();
    }
    if (turn.empty())
      return false;
    try {
      http_client{node_.url, node_.key}.post(path_ + "/turns/" + turn + "/stop", nullptr);
      return true;
    } catch (const failure&) {
      return false;
    }
  }

  void leave() {
    left_ = true;
    client_.abort();
    ::eventfd_write(wake_, 1);
  }

  node_address node_;
  http_client client_;
  std::string path_;
  json body_;
  std::mutex mutex_;
  answer_events events_; // guarded while the worker runs
  std::atomic<bool> left_{false};
  std::exception_ptr error_;
  int done_;
  int wake_;
};

} // namespace

bool answer_events::take(std::string_view name, std::string_view data, std::string_view id) {
  if (!id.empty())
    last_id_ = id;
  auto value = json::parse(data, nullptr, false);
  if (value.is_object())
    take_json(name, value);
  return !ended_;
}

void answer_events::take_json(std::string_view name, const json& value) {
  if (name == "accepted") {
    result_.turn_id = text_of(value, "turn_id");
  } else if (name == "delta") {
    auto text = text_of(value, "text");
    auto reasoning = text_of(value, "reasoning");
    result_.text += text;
    if (!reasoning.empty() && sink_.reasoning)
      sink_.reasoning(reasoning);
    if (!text.empty() && sink_.text)
      sink_.text(text);
  } else if (name == "message") {
    result_.message = value;
  } else if (name == "restarted") {
    result_.text.clear();
    result_.message = nullptr;
    if (sink_.restarted)
      sink_.restarted();
  } else if (name == "finished") {
    ended_ = true;
    result_.status = text_of(value, "status");
    result_.usage = value.value("usage", json{});
  } else if (name == "error") {
    ended_ = true;
    result_.status = "failed";
    result_.error = value.value("error", json{});
  }
}

answer read_answer(const node_address& node, const std::string& conversation_id, const json& body,
                   answer_sink sink, interrupt_guard* interrupts) {
  reader one{node, conversation_id, body, std::move(sink)};
  return one.run(interrupts);
}

} // namespace troupe::cli
