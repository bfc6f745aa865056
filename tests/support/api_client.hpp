// A client of a node's public port, for tests: REST, server-sent events, and OpenAI's API.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace troupe::test {

/// One answer. Nothing throws: what goes wrong shows here.
struct api_answer {
  int status = 0;      // 0: none came, or not all of it
  nlohmann::json body; // null: no JSON
  std::string retry_after;
  std::string request_id;

  bool ok() const { return status >= 200 && status < 300; }
  /// `error.code` of the body; empty: there is none.
  std::string code() const;
};

/// One server-sent event.
struct api_event {
  std::string name;
  std::string id; // "<turn>:<seq>"; empty: it has none
  nlohmann::json data;

  std::string turn() const;
  std::int64_t seq() const; // -1: no id
};

/// Blocking; one request at a time; keeps its connection.
class api_client {
public:
  /// `key`: an API key or the node's token; `limit` of a read, and at most 5 s of connecting.
  api_client(const std::string& host, int port, const std::string& key,
             std::chrono::milliseconds limit = std::chrono::seconds{30});
  ~api_client();
  api_client(const api_client&) = delete;
  api_client& operator=(const api_client&) = delete;

  using header_map = std::map<std::string, std::string>;

  api_answer get(const std::string& path);
  api_answer post(const std::string& path, const nlohmann::json& body,
                  const header_map& headers = {});

  /// Reads an event stream: a POST of `body`, or a GET when that is null. `take` is called for each
  /// event; the connection is closed once it says false. The answer's status is 200 if a stream
  /// began, however it ended; `whole` says whether it ended in order.
  api_answer stream(const std::string& path, const nlohmann::json& body, const header_map& headers,
                    const std::function<bool(const api_event&)>& take, bool* whole = nullptr);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::test
