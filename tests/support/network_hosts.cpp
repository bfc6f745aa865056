#include "tests/support/network_hosts.hpp"

#include "tests/support/script_server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace troupe::test {

namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;

constexpr int subnets_all = 64 * 256; // of 10.192.0.0/10
constexpr int subnets_tried_max = 64;
constexpr int first_host = 10; // its last number

std::string text_of(const std::string& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::string joined(const words& command) {
  std::string out;
  for (const auto& word : command)
    out += (out.empty() ? "" : " ") + word;
  return out;
}

/// What it said; throws when it failed.
std::string run(const temp_dir& dir, const words& command) {
  auto log = dir.path() + "/command.log";
  std::filesystem::remove(log);
  process child{command, {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}, log};
  if (child.wait(10s).value_or(-1) != 0)
    throw std::runtime_error(joined(command) + " failed: " + text_of(log));
  return text_of(log);
}

std::string namespace_of(pid_t pid) { return fmt::format("/proc/{}/ns/net", pid); }

words inside(const process& holder) { return {"nsenter", "--net=" + namespace_of(holder.pid())}; }

words operator+(words a, const words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A process that only is there, in a new namespace, until this one ends.
process hold_namespace(const temp_dir& dir) {
  std::error_code ignored;
  auto here = std::filesystem::read_symlink(namespace_of(::getpid()), ignored);
  process holder{{"setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"},
                 {},
                 dir.path() + "/holder.log"};
  auto moved = [&] {
    auto there = std::filesystem::read_symlink(namespace_of(holder.pid()), ignored);
    return !there.empty() && there != here;
  };
  eventually([&] { return moved() || !holder.running(); });
  if (!holder.running() || !moved())
    throw std::runtime_error("no network namespace was made: "
                             + text_of(dir.path() + "/holder.log"));
  return holder;
}

/// One that no interface of this machine has.
std::string free_subnet(const temp_dir& dir) {
  auto taken = run(dir, {"ip", "-4", "-oneline", "address", "show"})
               + run(dir, {"ip", "-4", "route", "show"});
  for (int i = 0; i < subnets_tried_max; ++i) {
    auto wanted = (static_cast<int>(::getpid()) * 7 + i) % subnets_all;
    auto subnet = fmt::format("10.{}.{}", 192 + wanted / 256, wanted % 256);
    if (taken.find(subnet + ".") == std::string::npos)
      return subnet;
  }
  throw std::runtime_error("no subnet of 10.192.0.0/10 is free here");
}

std::string find_missing() {
  if (::getuid() != 0)
    return "network namespaces need root";
  try {
    temp_dir dir;
    auto holder = hold_namespace(dir);
    run(dir,
        inside(holder) + words{"iptables", "-w", "-A", "INPUT", "-s", "10.192.0.1", "-j", "DROP"});
    run(dir, inside(holder) + words{"ip", "link", "add", "bridge", "type", "bridge"});
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

} // namespace

std::vector<packet_loss> cut_between(const std::vector<int>& some, const std::vector<int>& others) {
  std::vector<packet_loss> out;
  for (auto a : some)
    for (auto b : others) {
      out.push_back({a, b});
      out.push_back({b, a});
    }
  return out;
}

const std::string& network_hosts::missing() {
  static const std::string what = [] {
    auto out = find_missing();
    if (!out.empty())
      std::fprintf(stderr, "tests over hosts are skipped: %s\n", out.c_str());
    return out;
  }();
  return what;
}

network_hosts::network_hosts(int count) :
    subnet_(free_subnet(dir_)),
    link_("troupe" + std::to_string(::getpid())),
    bridge_(hold_namespace(dir_)) {
  run(dir_, inside(bridge_) + words{"ip", "link", "add", "bridge", "type", "bridge"});
  run(dir_, inside(bridge_) + words{"ip", "link", "set", "bridge", "up"});
  run(dir_, {"ip", "link", "add", link_, "type", "veth", "peer", "name", "outside", "netns",
             std::to_string(bridge_.pid())});
  run(dir_, inside(bridge_) + words{"ip", "link", "set", "outside", "master", "bridge", "up"});
  run(dir_, {"ip", "address", "add", outside() + "/24", "dev", link_});
  run(dir_, {"ip", "link", "set", link_, "up"});
  for (int i = 0; i < count; ++i) {
    hosts_.push_back(hold_namespace(dir_));
    join(hosts_.back(), "host" + std::to_string(i), address(i));
  }
}

network_hosts::~network_hosts() {
  // The kernel takes an interface away some time after its namespace: the next test wants the name.
  try {
    run(dir_, {"ip", "link", "delete", link_});
  } catch (const std::exception&) {
  }
}

void network_hosts::join(const process& holder, std::string_view name, const std::string& address) {
  auto there = inside(holder);
  run(dir_, inside(bridge_)
                + words{"ip", "link", "add", std::string{name}, "type", "veth", "peer", "name",
                        "net", "netns", std::to_string(holder.pid())});
  run(dir_,
      inside(bridge_) + words{"ip", "link", "set", std::string{name}, "master", "bridge", "up"});
  run(dir_, there + words{"ip", "address", "add", address + "/24", "dev", "net"});
  run(dir_, there + words{"ip", "link", "set", "net", "up"});
  run(dir_, there + words{"ip", "link", "set", "lo", "up"});
}

std::string network_hosts::address(int host) const {
  return fmt::format("{}.{}", subnet_, first_host + host);
}

std::vector<std::string> network_hosts::prefix(int host) const {
  return words{"setpriv", "--pdeathsig", "KILL"}
         + inside(hosts_.at(static_cast<std::size_t>(host)));
}

void network_hosts::lose(const std::vector<packet_loss>& faults) {
  std::vector<std::string> rules(hosts_.size());
  for (const auto& fault : faults) {
    auto chance = fault.share < 1
                      ? fmt::format(" -m statistic --mode random --probability {}", fault.share)
                      : std::string{};
    rules.at(static_cast<std::size_t>(fault.to)) +=
        fmt::format("-A INPUT -s {}{} -j DROP\n", address(fault.from), chance);
  }
  apply(rules);
}

void network_hosts::heal() { apply(std::vector<std::string>(hosts_.size(), "-F INPUT\n")); }

// All at the same time, so that one fault begins about when the next does.
void network_hosts::apply(const std::vector<std::string>& rules) {
  auto log = dir_.path() + "/rules.log";
  std::vector<process> running;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].empty())
      continue;
    auto file = dir_.write("rules" + std::to_string(i), "*filter\n" + rules[i] + "COMMIT\n");
    running.emplace_back(
        inside(hosts_[i]) + words{"iptables-restore", "--noflush", file},
        std::map<std::string, std::string>{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}, log);
  }
  for (auto& one : running)
    if (one.wait(10s).value_or(-1) != 0)
      throw std::runtime_error("iptables-restore failed: " + text_of(log));
}

} // namespace troupe::test
