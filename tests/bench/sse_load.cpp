// Opens many event streams at once, reads all of them in one thread, and tells how many events came
// and how late. Python is too slow for this.
//
//   sse_load --to ADDRESS:PORT --requests FILE --token TEXT --last TEXT [options]
//
// FILE has a line for each stream: the request's path, a tab, its JSON body. An event counts when
// its bytes hold the text of --token; a stream is whole once an event holds the text of --last.
//   --key KEY         sent as bearer token
//   --rate R          events a second of each stream
//   --events N        events due of each stream; 0: as many as `--watch` seconds hold
//   --connect-per-s C connections opened a second; the requests follow once all are open
//   --start-per-s S   requests sent a second
//   --watch W         seconds for which the streams are read after the last one has its first
//   event;
//                     0: until every stream is whole
//   --sources K       addresses 127.0.0.1 to 127.0.0.K as which it connects, in turn
// It writes `connected`, `open` (every stream has had an event), then after --watch `watched`, and
// waits at each for a line on standard input, but reads on meanwhile. Last comes a line of JSON.
//
// How late: event i of a stream is due i / R after the stream's first event. `strict` takes instead
// the earliest start that any event of the stream allows, so that a late first event helps nobody.
#include <fmt/format.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct settings {
  sockaddr_in to{};
  std::string requests;
  std::string key;
  std::string token;
  std::string last;
  double rate = 1;
  std::size_t events = 0;
  double connect_per_s = 2'000;
  double start_per_s = 1'000;
  double watch = 0;
  int sources = 1;
};

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

/// Undoes the chunks of a body, byte by byte, and hands out its lines.
class chunk_reader {
public:
  /// False once the bytes are no chunks any more.
  template <class OnByte>
  bool feed(std::string_view bytes, OnByte on_byte) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      char c = bytes[i];
      switch (state_) {
        case state::size:
          if (c == '\n')
            state_ = left_ == 0 ? state::ended : state::data;
          else if (c != '\r' && !add_digit(c))
            return false;
          break;
        case state::data:
          on_byte(c);
          if (--left_ == 0)
            state_ = state::after;
          break;
        case state::after:
          if (c == '\n')
            state_ = state::size;
          break;
        case state::ended:
          break;
      }
    }
    return true;
  }

private:
  enum class state { size, data, after, ended };

  bool add_digit(char c) {
    std::size_t digit = 0;
    if (std::from_chars(&c, &c + 1, digit, 16).ptr == &c)
      return false;
    left_ = left_ * 16 + digit;
    return true;
  }

  state state_ = state::size;
  std::size_t left_ = 0;
};

struct stream {
  int fd = -1;
  bool asked = false;
  bool in_body = false;
  bool ended = false; // its connection
  bool whole = false;
  std::string head; // of the answer, until it is over; then of an event
  chunk_reader chunks;
  std::vector<double> came; // of the events that count
};

class load {
public:
  explicit load(settings given) : settings_(std::move(given)) { read_requests(); }

  void run() {
    epoll_ = epoll_create1(0);
    watch_input();
    connect_all();
    pause("connected");
    start_all();
    while (open_ < streams_.size() - broken_ && !all_ended())
      poll_once(100);
    pause("open");
    auto until = settings_.watch > 0 ? now() + settings_.watch : now() + 1e9;
    while (now() < until && !(settings_.watch == 0 && all_ended()))
      poll_once(20);
    watched_until_ = now();
    pause("watched");
    report();
  }

private:
  void read_requests() {
    std::ifstream in{settings_.requests};
    std::string line;
    while (std::getline(in, line)) {
      auto tab = line.find('\t');
      if (tab == std::string::npos)
        fail(settings_.requests + ": a line without a tab");
      auto body = line.substr(tab + 1);
      requests_.push_back(fmt::format("POST {} HTTP/1.1\r\nHost: bench\r\nAccept: "
                                      "text/event-stream\r\nAuthorization: Bearer {}\r\n"
                                      "Content-Type: application/json\r\nContent-Length: {}\r\n"
                                      "\r\n{}",
                                      line.substr(0, tab), settings_.key, body.size(), body));
    }
    if (requests_.empty())
      fail(settings_.requests + " holds no requests");
    streams_.resize(requests_.size());
  }

  void watch_input() {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = input_mark;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  }

  /// Says where it is and reads on until it is told to go on.
  void pause(const char* where) {
    fmt::print("{}\n", where);
    std::fflush(stdout);
    for (auto before = lines_; lines_ == before;)
      poll_once(20);
  }

  void connect_all() {
    auto began = now();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      auto due = began + static_cast<double>(i) / settings_.connect_per_s;
      while (now() < due)
        poll_once(1);
      connect(i);
    }
  }

  void connect(std::size_t index) {
    auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
      fail(std::string{"no socket: "} + std::strerror(errno));
    sockaddr_in from{};
    from.sin_family = AF_INET;
    auto host = 0x7f000001 + static_cast<std::uint32_t>(index) % settings_.sources;
    from.sin_addr.s_addr = htonl(static_cast<std::uint32_t>(host));
    int one = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0
        || ::connect(fd, reinterpret_cast<sockaddr*>(&settings_.to), sizeof settings_.to) != 0)
      fail(fmt::format("connection {} failed: {}", index, std::strerror(errno)));
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    streams_[index].fd = fd;
  }

  void start_all() {
    auto began = now();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      auto due = began + static_cast<double>(i) / settings_.start_per_s;
      while (now() < due)
        poll_once(1);
      auto& s = streams_[i];
      const auto& request = requests_[i];
      if (::send(s.fd, request.data(), request.size(), MSG_NOSIGNAL)
          != static_cast<ssize_t>(request.size()))
        fail(fmt::format("request {} could not be sent: {}", i, std::strerror(errno)));
      s.asked = true;
    }
  }

  void poll_once(int ms) {
    std::array<epoll_event, 512> events;
    auto count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), ms);
    for (int i = 0; i < count; ++i) {
      auto mark = events[static_cast<std::size_t>(i)].data.u64;
      if (mark == input_mark)
        read_input();
      else
        read(streams_[mark]);
    }
  }

  void read_input() {
    char text[64];
    auto n = ::read(STDIN_FILENO, text, sizeof text);
    if (n <= 0)
      fail("whoever started this has gone");
    lines_ += static_cast<std::size_t>(std::count(text, text + n, '\n'));
  }

  void read(stream& s) {
    std::array<char, 16'384> buffer;
    auto n = ::recv(s.fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    auto at = now();
    if (n <= 0) {
      end(s);
      return;
    }
    std::string_view bytes{buffer.data(), static_cast<std::size_t>(n)};
    if (!s.in_body) {
      s.head += bytes;
      auto end_of_head = s.head.find("\r\n\r\n");
      if (end_of_head == std::string::npos)
        return;
      auto status = s.head.substr(0, s.head.find('\r'));
      if (status != "HTTP/1.1 200 OK") {
        if (++refused_[status] == 1)
          fmt::print(stderr, "sse_load: {}\n", s.head);
        end(s);
        return;
      }
      auto body = s.head.substr(end_of_head + 4);
      s.head.clear();
      s.in_body = true;
      take(s, body, at);
      return;
    }
    take(s, bytes, at);
  }

  void take(stream& s, std::string_view bytes, double at) {
    bool good = s.chunks.feed(bytes, [&](char c) {
      bool over = c == '\n' && !s.head.empty() && s.head.back() == '\n';
      s.head += c;
      if (!over)
        return;
      if (s.head.find(settings_.token) != std::string::npos) {
        s.came.push_back(at);
        open_ += s.came.size() == 1 ? 1 : 0;
      }
      s.whole = s.whole || s.head.find(settings_.last) != std::string::npos;
      s.head.clear();
    });
    if (!good || s.whole)
      end(s);
  }

  void end(stream& s) {
    if (s.ended)
      return;
    s.ended = true;
    ++ended_;
    broken_ += s.came.empty() ? 1 : 0;
    ::close(s.fd);
  }

  bool all_ended() const { return ended_ == streams_.size(); }

  void report() const {
    std::size_t due = 0;
    std::size_t received = 0;
    std::size_t whole = 0;
    std::vector<double> late;
    std::vector<double> strict;
    for (const auto& s : streams_) {
      received += s.came.size();
      whole += s.whole ? 1 : 0;
      due += due_of(s);
      if (s.came.empty())
        continue;
      auto earliest = s.came[0];
      for (std::size_t i = 0; i < s.came.size(); ++i)
        earliest = std::min(earliest, s.came[i] - static_cast<double>(i) / settings_.rate);
      for (std::size_t i = 0; i < s.came.size(); ++i) {
        auto pace = static_cast<double>(i) / settings_.rate;
        late.push_back(std::max(s.came[i] - s.came[0] - pace, 0.0));
        strict.push_back(s.came[i] - earliest - pace);
      }
    }
    fmt::print("{{\"streams\":{},\"due\":{},\"received\":{},\"whole\":{},\"broken\":{},"
               "\"late_p50_ms\":{:.2f},\"late_p99_ms\":{:.2f},\"late_max_ms\":{:.2f},"
               "\"strict_p50_ms\":{:.2f},\"strict_p99_ms\":{:.2f},\"strict_max_ms\":{:.2f}}}\n",
               streams_.size(), due, received, whole, ended_ - whole, at(late, 0.5), at(late, 0.99),
               at(late, 1), at(strict, 0.5), at(strict, 0.99), at(strict, 1));
  }

  /// What a stream owed: all its events, or those that were due until the watch ended. One that is
  /// due at the very end may be on its way.
  std::size_t due_of(const stream& s) const {
    if (settings_.events > 0)
      return settings_.events;
    if (s.came.empty())
      return 1;
    auto grace = std::min(0.1, 0.5 / settings_.rate);
    auto seconds = watched_until_ - grace - s.came[0];
    return std::max<std::size_t>(1 + static_cast<std::size_t>(seconds * settings_.rate), 1);
  }

  static double at(std::vector<double>& all, double part) {
    if (all.empty())
      return 0;
    auto place =
        std::min(all.size() - 1, static_cast<std::size_t>(static_cast<double>(all.size()) * part));
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(place), all.end());
    return all[place] * 1e3;
  }

  static constexpr std::uint64_t input_mark = ~std::uint64_t{0};

  settings settings_;
  std::vector<std::string> requests_;
  std::vector<stream> streams_;
  std::map<std::string, int> refused_;
  int epoll_ = -1;
  std::size_t lines_ = 0;
  std::size_t open_ = 0;
  std::size_t ended_ = 0;
  std::size_t broken_ = 0; // ended before their first event
  double watched_until_ = 0;
};

settings read_arguments(int argc, char** argv) {
  settings out;
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2)
    given[argv[i]] = argv[i + 1];
  auto text = [&](const char* name) { return given.contains(name) ? given[name] : std::string{}; };
  auto number = [&](const char* name, double fallback) {
    return given.contains(name) ? std::atof(given[name].c_str()) : fallback;
  };
  auto to = text("--to");
  auto colon = to.find(':');
  out.to.sin_family = AF_INET;
  if (colon == std::string::npos
      || inet_pton(AF_INET, to.substr(0, colon).c_str(), &out.to.sin_addr) != 1)
    fail("--to ADDRESS:PORT is missing");
  out.to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(to.c_str() + colon + 1)));
  out.requests = text("--requests");
  out.key = text("--key");
  out.token = text("--token");
  out.last = text("--last");
  out.rate = number("--rate", out.rate);
  out.events = static_cast<std::size_t>(number("--events", 0));
  out.connect_per_s = number("--connect-per-s", out.connect_per_s);
  out.start_per_s = number("--start-per-s", out.start_per_s);
  out.watch = number("--watch", 0);
  out.sources = static_cast<int>(number("--sources", 1));
  if (out.token.empty() || out.last.empty() || out.rate <= 0 || out.sources < 1)
    fail("--token, --last, and positive --rate and --sources are needed");
  return out;
}

} // namespace

int main(int argc, char** argv) {
  try {
    load{read_arguments(argc, argv)}.run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "sse_load: {}\n", e.what());
    return 1;
  }
}
