// A small stand-in for a node's REST API, for testing the commands that talk to it.
#pragma once

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

/// Serves one conversation. An answer says "You said: <text>" word by word, as server-sent events.
/// A message with "wait" in it is answered with "..." and then held until its turn is stopped; one
/// with "break" loses its connection once, in the middle; one with "fail" ends in an error.
class fake_api {
public:
  fake_api();
  ~fake_api();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  struct request {
    std::string method;
    std::string path;
    std::string key; // of the Authorization header
    std::string last_event_id;
    nlohmann::json body;
  };
  /// Those so far whose path contains `path`.
  std::vector<request> requests(const std::string& path) const;

  /// What GET of an operators' path answers.
  void set_ops(const std::string& path, nlohmann::json body);

private:
  using response = httplib::Response;
  void note(const httplib::Request& r);
  void add_routes();
  void post_message(const httplib::Request& r, response& out);
  void stream(response& out, std::vector<std::string> events, std::size_t break_after, bool hold);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<request> requests_;
  nlohmann::json conversation_;
  nlohmann::json messages_ = nlohmann::json::array();
  std::vector<std::string> events_; // of the last turn
  bool stopped_ = false;
  bool closing_ = false;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

} // namespace troupe::test
