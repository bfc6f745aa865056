// Hosts of a network of the tests' own, and what can go wrong between them: each host is a network
// namespace of Linux, all are joined by a bridge, and packets are lost by rules of the receiver.
#pragma once

#include "tests/support/process.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

/// Packets that `from` sends to `to` and that are lost; the other direction is a fault of its own.
struct packet_loss {
  int from = 0;
  int to = 0;
  double share = 1; // of the packets, by chance; 1: all
};

/// Both directions between each of `some` and each of `others`.
std::vector<packet_loss> cut_between(const std::vector<int>& some, const std::vector<int>& others);

/// Hosts 0, 1, 2... beside this machine, which reaches all of them whatever is lost between them.
/// The hosts and what runs in them go with this process, however that ends: make them, and start
/// what runs there, on its main thread.
class network_hosts {
public:
  /// Whether namespaces can be made here; what is missing otherwise. Asked once, and then said:
  /// test cases that need them are skipped.
  static const std::string& missing();

  /// Throws with what failed.
  explicit network_hosts(int count);
  ~network_hosts();
  network_hosts(const network_hosts&) = delete;
  network_hosts& operator=(const network_hosts&) = delete;

  int count() const { return static_cast<int>(hosts_.size()); }
  /// An IPv4 address of the range 10.192.0.0/10, without a port.
  std::string address(int host) const;
  /// Where the hosts find this machine.
  std::string outside() const { return subnet_ + ".1"; }
  /// What to put before a command so that it runs there.
  std::vector<std::string> prefix(int host) const;

  /// On top of what is lost already. The rules of one host apply at once, those of all within some
  /// 20 ms.
  void lose(const std::vector<packet_loss>& faults);
  /// Nothing is lost from now on.
  void heal();

private:
  void join(const process& holder, std::string_view name, const std::string& address);
  void apply(const std::vector<std::string>& rules);

  temp_dir dir_;
  std::string subnet_; // its first three numbers
  std::string link_;   // this machine's interface to the bridge
  process bridge_;
  std::vector<process> hosts_; // each does nothing but hold its namespace
};

} // namespace troupe::test
