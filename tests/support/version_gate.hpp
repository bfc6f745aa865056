// Stands between two nodes and makes each look to the other as a node of the next version would:
// every message has fields more, hellos speak of a newer protocol and program, and now and then
// come a request and a frame of kinds that do not exist yet.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace troupe::test {

class version_gate {
public:
  /// Passes what comes on to this port of the machine.
  explicit version_gate(std::uint16_t target);
  ~version_gate();
  version_gate(const version_gate&) = delete;
  version_gate& operator=(const version_gate&) = delete;

  /// ADDRESS:PORT.
  const std::string& address() const { return address_; }

  /// Frames with requests, answers or events that were passed on.
  int frames() const { return frames_; }
  /// Requests of an unknown kind: sent, and refused as they should be.
  int asked() const { return asked_; }
  int refused() const { return refused_; }

private:
  struct line;
  void accept_more();
  void pump(line& on, bool inward);

  std::uint16_t target_;
  std::string address_;
  int listener_ = -1;
  std::atomic<bool> stopped_{false};
  std::atomic<int> frames_{0};
  std::atomic<int> asked_{0};
  std::atomic<int> refused_{0};
  std::mutex mutex_;
  std::list<std::shared_ptr<line>> lines_;
  std::thread thread_;
};

} // namespace troupe::test
