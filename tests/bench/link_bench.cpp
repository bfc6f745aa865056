// What a link between two nodes costs on this machine, beside CAF's own: link_bench
//
// Two processes over loopback, plain. Prints `figure NAME VALUE UNIT` lines: messages of 200 bytes
// that nobody answers, requests with 400 in flight, one request after the other on an idle link,
// and what a stranger's header costs; first over Troupe's links, then over CAF's middleman.
#include "cluster/link/links.hpp"
#include "messages/log.hpp"
#include "messages/system.hpp"
#include "tests/support/process.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr int seconds_each = 4;
constexpr int in_flight = 400;
constexpr int unanswered_group =
    2'000; // and then one that is answered, so that they do not pile up
constexpr std::size_t payload_bytes = 200;

double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

struct bench_state {
  static inline const char* name = "bench";
};

// -- what both sides say --------------------------------------------------------------------------

RemoteRequest question() {
  v1::RemoteRequest out;
  out.set_limit_ms(20'000);
  auto& post = *out.mutable_post();
  post.set_conversation_id("0190163d-8694-739b-aea5-966c26f8ad91");
  auto& part = *post.add_parts();
  part.mutable_text()->set_text("x");
  while (out.ByteSizeLong() < payload_bytes)
    part.mutable_text()->mutable_text()->push_back('x');
  return RemoteRequest{std::move(out)};
}

peer_actor::behavior_type answerer(self_pointer<peer_actor, bench_state>) {
  auto answer = [](const RemoteRequest& x) {
    v1::RemoteAnswer out;
    out.mutable_accepted()->set_conversation_id(x->post().conversation_id());
    return RemoteAnswer{std::move(out)};
  };
  return {
      [answer](const RemoteRequest& x) { return answer(x); },
      [answer](const RemoteRequest& x, const turn_sink_actor&) { return answer(x); },
  };
}

// -- measuring ------------------------------------------------------------------------------------

/// As many requests as `width` at a time for some seconds; `before` sends what is not answered.
double requests_per_s(caf::actor_system& system, const peer_actor& to, int width, int before) {
  auto count = std::make_shared<std::atomic<std::int64_t>>(0);
  auto stop = std::make_shared<std::atomic<bool>>(false);
  auto running = std::make_shared<std::atomic<int>>(1);
  auto start = steady::now();
  auto one = question();
  system.spawn([=](caf::event_based_actor* self) {
    auto next = std::make_shared<std::function<void()>>();
    auto open = std::make_shared<int>(width);
    *next = [=] {
      if (*stop) {
        if (--*open == 0)
          *running = 0;
        return;
      }
      for (int i = 0; i < before; ++i)
        caf::anon_send(to, one); // CAF would send the answer back all the same
      self->request(to, 20s, one)
          .then(
              [=](const RemoteAnswer&) {
                *count += 1 + before;
                (*next)();
              },
              [](const caf::error& err) {
                fmt::print(stderr, "{}\n", describe(err));
                std::abort();
              });
    };
    for (int i = 0; i < width; ++i)
      (*next)();
  });
  std::this_thread::sleep_for(std::chrono::seconds{seconds_each});
  auto got = static_cast<double>(*count) / seconds_since(start);
  *stop = true;
  while (*running != 0)
    std::this_thread::sleep_for(1ms);
  return got;
}

void round_trips(caf::actor_system& system, const peer_actor& to, const std::string& name) {
  caf::scoped_actor self{system};
  std::vector<double> took;
  auto one = question();
  for (auto start = steady::now(); seconds_since(start) < seconds_each;) {
    auto sent = steady::now();
    self->request(to, 20s, one)
        .receive([](const RemoteAnswer&) {},
                 [](const caf::error& err) {
                   fmt::print(stderr, "{}\n", describe(err));
                   std::abort();
                 });
    took.push_back(seconds_since(sent) * 1e6);
    std::this_thread::sleep_for(1ms); // idle: what waits has gone to sleep
  }
  std::sort(took.begin(), took.end());
  fmt::print("figure {}_round_trip_p50_us {:.1f} us\n", name, took[took.size() / 2]);
  fmt::print("figure {}_round_trip_p99_us {:.1f} us\n", name, took[took.size() * 99 / 100]);
}

void measure(caf::actor_system& system, const peer_actor& to, const std::string& name) {
  round_trips(system, to, name);
  auto answered = requests_per_s(system, to, in_flight, 0);
  fmt::print("figure {}_requests_per_s {:.0f} 1/s\n", name, answered);
  auto sent = requests_per_s(system, to, 2, unanswered_group);
  fmt::print("figure {}_envelopes_per_s {:.0f} 1/s\n", name, sent);
}

void tell_port(const std::string& file, int port) {
  std::ofstream{file + ".part"} << port << std::endl;
  std::rename((file + ".part").c_str(), file.c_str());
}

/// How much a process grows at most when a stranger sends it a header that announces 256 MB.
void stranger_costs(pid_t pid, std::uint16_t port, const std::string& header,
                    const std::string& name) {
  auto highest = [pid] {
    std::ifstream status{fmt::format("/proc/{}/status", pid)};
    std::string word;
    double kb = 0;
    while (status >> word && word != "VmHWM:") {
    }
    status >> kb;
    return kb;
  };
  auto before = highest();
  auto fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0
      || ::send(fd, header.data(), header.size(), MSG_NOSIGNAL) < 0)
    std::abort();
  std::this_thread::sleep_for(2s);
  fmt::print("figure {}_stranger_grows_mb {:.1f} MB\n", name, (highest() - before) / 1'000);
  ::close(fd);
}

// -- Troupe's links -------------------------------------------------------------------------------

membership_actor::behavior_type membership(self_pointer<membership_actor, bench_state>) {
  auto no = [] { return make_error(ec::unsupported); };
  return {
      [](const PeerSeen&) {},
      [](const PeerLost&) {},
      [](const ShardsChanged&) {},
      [no](const HandOverShards&) -> caf::result<ClusterView> { return no(); },
      [no](const LeaveCluster&) -> caf::result<Done> { return no(); },
      [no](const GetCluster&) -> caf::result<ClusterView> { return no(); },
  };
}

class linked_node {
public:
  explicit linked_node(const std::string& name) {
    listener_ = *link_listener::open("127.0.0.1:0", {}, {});
    links_options options;
    options.host = {&system, &probes_};
    options.identity = {"cluster", name, 1, "bench"};
    options.service = troupe::spawn(options.host, answerer);
    options.membership = troupe::spawn(options.host, membership);
    options.peers = peers;
    links = listener_->start(std::move(options));
  }
  const std::string& address() const { return listener_->address(); }

private:
  system_config config_;
  probes probes_;

public:
  caf::actor_system system{config_};
  std::shared_ptr<peer_table> peers = std::make_shared<peer_table>();
  links_actor links;

private:
  std::shared_ptr<link_listener> listener_;
};

int serve_links(const std::string& port_file, const std::string& address) {
  linked_node node{"a"};
  tell_port(port_file, std::stoi(node.address().substr(node.address().rfind(':') + 1)));
  v1::ClusterView view;
  view.set_version(1);
  for (const auto* name : {"a", "b"}) {
    auto& row = *view.add_nodes();
    row.set_name(name);
    row.set_incarnation(1);
    row.set_state(v1::NODE_STATE_UP);
    row.set_address(address);
  }
  caf::anon_send(node.links, ClusterView{std::move(view)});
  for (;;)
    std::this_thread::sleep_for(1s);
}

void measure_links(const std::string& self_path) {
  auto* node = new linked_node{"b"}; // the process ends before it
  test::temp_dir dir;
  auto port_file = dir.path() + "/port";
  test::process other{{self_path, "links", port_file, node->address()}, {}, "/dev/stderr"};
  while (!node->peers->find("a"))
    std::this_thread::sleep_for(1ms);
  measure(node->system, node->peers->find("a"), "cluster");
  std::uint16_t port = 0;
  while (!(std::ifstream{port_file} >> port))
    std::this_thread::sleep_for(1ms);
  stranger_costs(other.pid(), port, std::string{"\x10\0\0\0", 4} + std::string(28, '\0'),
                 "cluster");
}

// -- CAF's middleman ------------------------------------------------------------------------------

class io_config : public system_config {
public:
  io_config() { load<caf::io::middleman>(); }
};

int serve_caf(const std::string& port_file) {
  io_config config;
  caf::actor_system system{config};
  probes all;
  auto actor = troupe::spawn(actor_host{&system, &all}, answerer);
  auto port = system.middleman().publish(actor, 0, "127.0.0.1");
  if (!port)
    return 1;
  tell_port(port_file, *port);
  for (;;)
    std::this_thread::sleep_for(1s);
}

void measure_caf(const std::string& self_path) {
  test::temp_dir dir;
  auto port_file = dir.path() + "/port";
  test::process other{{self_path, "caf", port_file}, {}, "/dev/stderr"};
  std::uint16_t port = 0;
  while (!(std::ifstream{port_file} >> port))
    std::this_thread::sleep_for(1ms);
  auto* config = new io_config;
  auto* system = new caf::actor_system{*config};
  auto actor = system->middleman().remote_actor<peer_actor>("127.0.0.1", port);
  if (!actor)
    std::abort();
  measure(*system, *actor, "caf");
  // A client's handshake, with the payload's length in its fifth to eighth byte.
  stranger_costs(other.pid(), port, std::string{"\x01\0\0\0\x10\0\0\0", 8} + std::string(24, '\0'),
                 "caf");
}

} // namespace

int main(int argc, char** argv) {
  set_log_level(log_level::error);
  std::string role = argc > 2 ? argv[1] : "";
  if (role == "links" && argc > 3)
    return serve_links(argv[2], argv[3]);
  if (role == "caf")
    return serve_caf(argv[2]);
  measure_links(argv[0]);
  measure_caf(argv[0]);
  std::fflush(stdout);
  std::_Exit(0);
}
