// A client that sends exactly the bytes it is told to, for tests of servers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::test {

/// One answer, taken apart just enough.
struct raw_answer {
  int status = 0; // 0: none came
  std::string head;
  std::string body; // de-chunked
  bool closed = false;

  /// The value of a field, or empty.
  std::string field(std::string_view name) const;
};

/// A TCP connection to 127.0.0.1. Nothing throws: what goes wrong shows in the answers.
class raw_client {
public:
  explicit raw_client(std::uint16_t port);
  ~raw_client();
  raw_client(raw_client&& other) noexcept;
  raw_client& operator=(raw_client&&) = delete;

  bool connected() const { return fd_ >= 0; }
  /// False once the peer does not take it any more.
  bool send(std::string_view bytes);
  /// Reads one whole answer; skips 100 Continue. `headless`: to HEAD.
  raw_answer answer(std::chrono::milliseconds limit = std::chrono::seconds{5},
                    bool headless = false);
  /// The same after sending.
  raw_answer ask(std::string_view bytes,
                 std::chrono::milliseconds limit = std::chrono::seconds{5}) {
    send(bytes);
    return answer(limit);
  }
  /// Reads until `text` was seen, or the end or the limit came; what was read. What follows `text`
  /// stays for later.
  std::string read_until(std::string_view text,
                         std::chrono::milliseconds limit = std::chrono::seconds{5});
  /// True if the peer closes within the limit; what comes before is dropped.
  bool closes_within(std::chrono::milliseconds limit);
  /// Closes; with `reset` by RST.
  void close(bool reset = false);
  /// Says that nothing more will be sent.
  void end_writing();
  int fd() const { return fd_; }

private:
  bool fill(std::chrono::steady_clock::time_point until);

  int fd_ = -1;
  bool ended_ = false;
  std::string buffer_;
};

} // namespace troupe::test
