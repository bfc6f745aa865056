// A TCP proxy that does harm: what netem would do to a link, per direction.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

namespace troupe::test {

/// `inward`: from who connected to the gate towards its target; `outward`: back.
enum class direction { inward, outward };

/// What happens to the bytes of one direction.
struct gate_fault {
  bool stall = false; // nothing is read: the sender's buffers fill, and no error comes
  std::chrono::milliseconds delay{}; // of each piece; order is kept
  std::size_t slice_bytes = 0;       // written in pieces of at most so many; 0: as they came
  std::int64_t truncate_at = -1;     // both sides see an orderly end after so many bytes
};

/// Listens at a port of its own on loopback, and passes what comes to the target, on one thread.
/// Faults apply at once, to connections that are open as to later ones. Thread-safe.
class fault_gate {
public:
  /// `target`: ADDRESS:PORT.
  explicit fault_gate(const std::string& target);
  ~fault_gate();
  fault_gate(const fault_gate&) = delete;
  fault_gate& operator=(const fault_gate&) = delete;

  /// ADDRESS:PORT, for those who are to pass it.
  std::string address() const;

  void set(direction which, const gate_fault& fault);
  /// New connections are reset.
  void refuse(bool on);
  /// Resets every open connection.
  void cut();
  /// No faults from now on.
  void heal();

  int accepted() const { return accepted_; }
  int refused() const { return refused_; }
  /// Bytes that were passed on.
  std::int64_t passed(direction which) const { return passed_[index(which)]; }

private:
  using tcp = boost::asio::ip::tcp;
  class channel;
  static std::size_t index(direction which) { return which == direction::inward ? 0 : 1; }
  void on_thread(std::function<void()> task);
  void accept_more();

  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  tcp::endpoint target_;
  std::string address_;
  std::array<gate_fault, 2> faults_; // only on the thread
  bool refusing_ = false;
  std::list<std::weak_ptr<channel>> channels_;
  std::atomic<int> accepted_{0};
  std::atomic<int> refused_{0};
  std::array<std::atomic<std::int64_t>, 2> passed_{};
  std::thread thread_;
};

} // namespace troupe::test
