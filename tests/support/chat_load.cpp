#include "tests/support/chat_load.hpp"

#include <deque>
#include <random>
#include <stdexcept>

namespace troupe::test {

using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;

namespace {

constexpr auto patience = 60s; // for one message, over all deaths
constexpr auto between_tries = 5ms;
constexpr std::size_t posted_again_max = 200; // of one client, at the end
constexpr std::size_t completions_after = 4;  // until the line of one must be in the journal

std::string conversation_path(const std::string& id) { return "/api/v1/conversations/" + id; }

bool may_pass(int status) { return status == 0 || status == 429 || status == 503 || status == 504; }

} // namespace

void node_place::set(const troupe_node& node) {
  std::lock_guard lock{mutex_};
  place_ = place{node.host(), node.port(), node.token(), ++generation_};
  changed_.notify_all();
}

void node_place::clear() {
  std::lock_guard lock{mutex_};
  place_.reset();
}

std::optional<node_place::place> node_place::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, limit, [&] { return place_.has_value(); });
  return place_;
}

void load_log::acknowledged(acknowledged_message message) {
  std::lock_guard lock{mutex_};
  messages_.push_back(std::move(message));
}

void load_log::completed(const std::string& request_id) {
  std::lock_guard lock{mutex_};
  completions_.push_back(request_id);
}

void load_log::lost(const std::string& what) {
  std::lock_guard lock{mutex_};
  lost_.insert(what);
}

void load_log::doubled(const std::string& what) {
  std::lock_guard lock{mutex_};
  doubled_.insert(what);
}

void load_log::odd(const std::string& what) {
  std::lock_guard lock{mutex_};
  odd_.insert(what);
}

// The one failure there may be: a turn whose node died under it too often.
void load_log::failed_turn(const std::string& turn_id, const std::string& why) {
  if (why.find("given up") == std::string::npos)
    odd("turn " + turn_id + " failed: " + why);
  std::lock_guard lock{mutex_};
  failed_.insert(turn_id);
}

void load_log::retried(const std::string& what) {
  std::lock_guard lock{mutex_};
  retried_.push_back(what);
}

std::vector<std::string> load_log::retried() const {
  std::lock_guard lock{mutex_};
  return retried_;
}

std::vector<acknowledged_message> load_log::messages() const {
  std::lock_guard lock{mutex_};
  return messages_;
}

std::vector<std::string> load_log::completions() const {
  std::lock_guard lock{mutex_};
  return completions_;
}

std::vector<std::string> load_log::lost() const {
  std::lock_guard lock{mutex_};
  return {lost_.begin(), lost_.end()};
}

std::vector<std::string> load_log::doubled() const {
  std::lock_guard lock{mutex_};
  return {doubled_.begin(), doubled_.end()};
}

std::vector<std::string> load_log::odd() const {
  std::lock_guard lock{mutex_};
  return {odd_.begin(), odd_.end()};
}

std::size_t load_log::failed_turns() const {
  std::lock_guard lock{mutex_};
  return failed_.size();
}

std::string turn_reader::last_id() const {
  return last_seq_ == 0 ? std::string{} : turn_id_ + ":" + std::to_string(last_seq_);
}

void turn_reader::take(const api_event& event) {
  if (event.name == "heartbeat" || event.name == "accepted")
    return;
  if (event.turn() != turn_id_)
    log_.odd("a reader of " + turn_id_ + " got an event " + event.id);
  if (ended_)
    log_.doubled("turn " + turn_id_ + " went on after its end: " + event.name);
  if (event.seq() <= last_seq_)
    log_.doubled("event " + event.id + " came after " + std::to_string(last_seq_));
  last_seq_ = event.seq();
  if (event.name == "restarted") {
    text_.clear();
    has_whole_ = false;
  } else if (event.name == "delta") {
    text_ += event.data.value("text", "");
  } else if (event.name == "message") {
    take_message(event.data);
  } else if (event.name == "finished" || event.name == "error") {
    ended_ = true;
    if (event.name == "error")
      log_.failed_turn(turn_id_, event.data.dump());
    else if (!has_whole_)
      log_.lost("turn " + turn_id_ + " finished without its message");
  }
}

// A reader whose node died may have less than all of the text, never more or other text.
void turn_reader::take_message(const json& message) {
  if (message.value("role", "") != "assistant")
    return;
  if (has_whole_)
    log_.doubled("turn " + turn_id_ + " told two messages");
  has_whole_ = true;
  whole_.clear();
  for (const auto& part : message.value("content", json::array()))
    whole_ += part.value("text", "");
  if (!whole_.starts_with(text_))
    log_.doubled("turn " + turn_id_ + " streamed \"" + text_ + "\" and stored \"" + whole_ + "\"");
}

namespace {

/// What clients share: the way to the node, and when to stop.
class client {
public:
  client(node_place& node, load_log& log, const std::atomic<bool>& finishing) :
      log_(log), finishing_(finishing), node_(node) {}

protected:
  /// The connection to the node as it is now; null once the patience is over.
  api_client* connect(steady::time_point until) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady::now());
    auto place = left > 0ms ? node_.wait(left) : std::nullopt;
    if (!place)
      return nullptr;
    if (!http_ || generation_ != place->generation)
      http_ = std::make_unique<api_client>(place->host, place->port, place->token);
    generation_ = place->generation;
    return http_.get();
  }
  /// Of the process that `connect` leads to.
  std::uint64_t generation() const { return generation_; }

  load_log& log_;
  const std::atomic<bool>& finishing_;

private:
  node_place& node_;
  std::unique_ptr<api_client> http_;
  std::uint64_t generation_ = 0;
};

class chat_client : client {
public:
  chat_client(node_place& node, load_log& log, const std::atomic<bool>& finishing,
              std::string conversation_id, std::string name, unsigned seed) :
      client(node, log, finishing),
      conversation_id_(std::move(conversation_id)),
      name_(std::move(name)),
      random_(seed) {}

  void run() {
    while (!finishing_ && !gave_up_) {
      switch (random_() % 3) {
        case 0:
          talk_without_waiting();
          break;
        case 1:
          talk_streamed();
          break;
        default:
          talk_whole();
      }
    }
    post_again();
  }

private:
  acknowledged_message next_message() {
    auto text = name_ + "-" + std::to_string(++count_);
    return {conversation_id_, "key-" + text, text, {}, {}};
  }

  std::string path(const std::string& more = "/messages") const {
    return conversation_path(conversation_id_) + more;
  }
  static json body(const acknowledged_message& m) { return {{"content", m.text}}; }
  static api_client::header_map headers(const acknowledged_message& m) {
    return {{"Idempotency-Key", m.key}};
  }

  void acknowledge(acknowledged_message& m, const json& accepted) {
    auto turn_id = accepted.value("turn_id", "");
    if (m.turn_id.empty()) {
      m.turn_id = turn_id;
      m.message_id = accepted.value("message_id", "");
      log_.acknowledged(m);
      own_.push_back(m);
    } else if (turn_id != m.turn_id) {
      log_.doubled(m.key + " was turn " + m.turn_id + " and then turn " + turn_id);
    }
  }

  /// Tries until `once` has an answer that is one; false if none came.
  template <class Once>
  bool insist(const acknowledged_message& m, Once once) {
    auto until = steady::now() + patience;
    while (auto* http = connect(until)) {
      api_answer answer = once(*http);
      if (answer.ok())
        return true;
      if (!may_pass(answer.status)) {
        log_.odd(m.key + ": status " + std::to_string(answer.status) + " " + answer.body.dump());
        return false;
      }
      log_.retried(m.key + ": status " + std::to_string(answer.status) + " " + answer.body.dump());
      std::this_thread::sleep_for(between_tries);
    }
    log_.odd(m.key + " was not acknowledged within a minute");
    gave_up_ = true;
    return false;
  }

  void talk_without_waiting() {
    std::vector<acknowledged_message> posted;
    for (auto left = 1 + random_() % 3; left > 0; --left) {
      auto m = next_message();
      if (post_quietly(m))
        posted.push_back(std::move(m));
    }
    for (const auto& m : posted)
      read(m.turn_id);
  }

  bool post_quietly(acknowledged_message& m) {
    return insist(m, [&](api_client& http) {
      auto answer = http.post(path("/messages?wait=false"), body(m), headers(m));
      if (answer.status == 202)
        acknowledge(m, answer.body);
      return answer;
    });
  }

  void talk_streamed() {
    auto m = next_message();
    std::optional<turn_reader> reader;
    insist(m, [&](api_client& http) {
      auto answer = http.stream(path(), body(m), headers(m), [&](const api_event& event) {
        if (event.name == "accepted") {
          acknowledge(m, event.data);
          reader.emplace(m.turn_id, log_);
        } else if (reader) {
          reader->take(event);
        }
        return true;
      });
      if (answer.status == 200 && !reader)
        answer.status = 0; // it broke before the acknowledgement
      return answer;
    });
    if (reader)
      read_on(*reader, m.turn_id);
  }

  void talk_whole() {
    auto m = next_message();
    insist(m, [&](api_client& http) {
      auto answer = http.post(path(), body(m), headers(m));
      if (!answer.body.is_object() || !answer.body.contains("turn_id"))
        return answer;
      acknowledge(m, answer.body);
      if (answer.body.value("status", "") == "failed")
        log_.failed_turn(m.turn_id, answer.body.dump());
      else
        check_whole(m, answer.body);
      answer.status = 200; // the turn has an end, if a bad one
      return answer;
    });
  }

  void check_whole(const acknowledged_message& m, const json& answer) {
    std::size_t replies = 0;
    for (const auto& message : answer.value("messages", json::array()))
      replies += message.value("role", "") == "assistant" ? 1 : 0;
    if (replies == 0)
      log_.lost("turn " + m.turn_id + " was answered without its reply");
    if (replies > 1)
      log_.doubled("turn " + m.turn_id + " was answered with more than one reply");
  }

  void read(const std::string& turn_id) {
    turn_reader reader{turn_id, log_};
    read_on(reader, turn_id);
  }

  void read_on(turn_reader& reader, const std::string& turn_id) {
    auto until = steady::now() + patience;
    while (!reader.ended()) {
      auto* http = connect(until);
      if (http == nullptr) {
        log_.lost("turn " + turn_id + " did not end within a minute");
        gave_up_ = true;
        return;
      }
      api_client::header_map more;
      if (auto id = reader.last_id(); !id.empty())
        more["Last-Event-ID"] = id;
      auto answer = http->stream(path("/turns/" + turn_id + "/events"), nullptr, more,
                                 [&](const api_event& event) {
                                   reader.take(event);
                                   return true;
                                 });
      if (answer.status != 200 && !may_pass(answer.status)) {
        log_.lost("turn " + turn_id + ": status " + std::to_string(answer.status) + " "
                  + answer.body.dump());
        return;
      }
      if (!reader.ended()) {
        log_.retried("turn " + turn_id + ": its events broke off, status "
                     + std::to_string(answer.status));
        std::this_thread::sleep_for(between_tries);
      }
    }
  }

  /// The same key within 24 hours is the same turn, however often the node died since.
  void post_again() {
    for (std::size_t i = 0; i < own_.size() && i < posted_again_max && !gave_up_; ++i)
      post_quietly(own_[own_.size() - 1 - i]);
  }

  std::string conversation_id_;
  std::string name_;
  std::mt19937 random_;
  int count_ = 0;
  bool gave_up_ = false; // no node came back: each message would wait as long
  std::vector<acknowledged_message> own_;
};

class completion_client : client {
public:
  using client::client;

  void run(const std::string& model, int per_s) {
    auto apart = per_s > 0 ? steady::duration{1s} / per_s : steady::duration{};
    json request{{"model", model},
                 {"max_tokens", 4},
                 {"messages", {{{"role", "user"}, {"content", "one two three"}}}}};
    while (!finishing_) {
      auto* http = connect(steady::now() + patience);
      if (http == nullptr)
        return;
      auto next = steady::now() + apart;
      auto generation = this->generation();
      auto answer = http->post("/v1/chat/completions", request);
      if (answer.status == 200)
        note(generation, answer.request_id);
      else if (!may_pass(answer.status))
        log_.odd("/v1: status " + std::to_string(answer.status) + " " + answer.body.dump());
      else {
        log_.retried("/v1: status " + std::to_string(answer.status) + " " + answer.body.dump());
        std::this_thread::sleep_for(between_tries);
      }
      std::this_thread::sleep_until(next);
    }
  }

private:
  void note(std::uint64_t generation, const std::string& request_id) {
    if (generation != of_generation_)
      answered_.clear();
    of_generation_ = generation;
    answered_.push_back(request_id);
    if (answered_.size() <= completions_after)
      return;
    log_.completed(answered_.front());
    answered_.pop_front();
  }

  std::uint64_t of_generation_ = 0;
  std::deque<std::string> answered_; // by the present process, not sure yet
};

} // namespace

chat_load::chat_load(node_place& node, load_log& log, chat_load_options options) :
    node_(node), log_(log), options_(std::move(options)) {
  auto place = node_.wait(20s);
  if (!place)
    throw std::runtime_error("there is no node to talk to");
  api_client http{place->host, place->port, place->token};
  for (int i = 0; i < options_.conversations; ++i) {
    auto made = http.post("/api/v1/conversations", json::object());
    if (made.status != 201)
      throw std::runtime_error("no conversation was made: " + made.body.dump());
    conversations_.push_back(made.body.value("id", ""));
  }
  for (int i = 0; i < options_.conversations * options_.clients_each; ++i)
    threads_.emplace_back([this, i] {
      auto which = static_cast<std::size_t>(i % options_.conversations);
      auto seed = options_.seed * 1'000 + static_cast<unsigned>(i);
      chat_client one{node_, log_, finishing_, conversations_[which], "m" + std::to_string(i),
                      seed};
      one.run();
    });
  for (int i = 0; i < options_.completion_clients; ++i)
    threads_.emplace_back([this] {
      completion_client one{node_, log_, finishing_};
      one.run(options_.model, options_.completions_per_s);
    });
}

chat_load::~chat_load() { finish(); }

void chat_load::finish() {
  finishing_ = true;
  for (auto& thread : threads_)
    if (thread.joinable())
      thread.join();
}

} // namespace troupe::test
