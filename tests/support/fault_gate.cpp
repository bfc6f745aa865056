#include "tests/support/fault_gate.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <future>
#include <vector>

namespace troupe::test {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t piece_bytes = 65'536;

asio::ip::tcp::endpoint endpoint_of(const std::string& text) {
  auto colon = text.rfind(':');
  return {asio::ip::make_address(text.substr(0, colon)),
          static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)))};
}

void reset(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket.close(ignored);
}

} // namespace

/// One connection through the gate: a loop for each direction.
class fault_gate::channel : public std::enable_shared_from_this<channel> {
public:
  channel(fault_gate& gate, tcp::socket from) :
      gate_(gate),
      sides_{std::move(from), tcp::socket{gate.io_}},
      loops_{loop{gate.io_}, loop{gate.io_}} {}

  void start() {
    error_code ignored;
    sides_[0].set_option(tcp::no_delay{true}, ignored);
    sides_[1].async_connect(gate_.target_, [self = shared_from_this()](error_code e) {
      if (e) {
        self->cut();
        return;
      }
      error_code no_matter;
      self->sides_[1].set_option(tcp::no_delay{true}, no_matter);
      self->read(0);
      self->read(1);
    });
  }

  /// Faults changed.
  void look_again() {
    for (std::size_t i = 0; i < 2; ++i)
      if (loops_[i].stalled && !gate_.faults_[i].stall) {
        loops_[i].stalled = false;
        read(i);
      }
  }

  void cut() {
    for (auto& side : sides_)
      reset(side);
    for (auto& one : loops_)
      one.timer.cancel();
  }

private:
  struct loop {
    explicit loop(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    std::vector<char> buffer = std::vector<char>(piece_bytes);
    std::size_t size = 0;
    std::size_t at = 0;
    std::int64_t passed = 0;
    bool stalled = false;
  };

  void read(std::size_t i) {
    auto& one = loops_[i];
    if (gate_.faults_[i].stall) {
      one.stalled = true;
      return;
    }
    // Waits first: what comes after a stall began stays in the sender's way.
    sides_[i].async_wait(tcp::socket::wait_read, [self = shared_from_this(), i](error_code e) {
      if (e)
        return;
      if (self->gate_.faults_[i].stall) {
        self->loops_[i].stalled = true;
        return;
      }
      self->take(i);
    });
  }

  void take(std::size_t i) {
    auto& one = loops_[i];
    error_code e;
    one.size = sides_[i].read_some(asio::buffer(one.buffer), e);
    one.at = 0;
    if (e) {
      end(i, e != asio::error::eof);
      return;
    }
    auto truncate_at = gate_.faults_[i].truncate_at;
    if (truncate_at >= 0 && one.passed + static_cast<std::int64_t>(one.size) > truncate_at)
      one.size = static_cast<std::size_t>(std::max<std::int64_t>(truncate_at - one.passed, 0));
    if (auto delay = gate_.faults_[i].delay; delay.count() > 0) {
      one.timer.expires_after(delay);
      one.timer.async_wait([self = shared_from_this(), i](error_code cancelled) {
        if (!cancelled)
          self->write(i);
      });
    } else {
      write(i);
    }
  }

  void write(std::size_t i) {
    auto& one = loops_[i];
    const auto& fault = gate_.faults_[i];
    if (one.at == one.size) {
      if (fault.truncate_at >= 0 && one.passed >= fault.truncate_at) {
        end(0, false);
        end(1, false);
      } else {
        read(i);
      }
      return;
    }
    auto left = one.size - one.at;
    if (fault.slice_bytes > 0)
      left = std::min(left, fault.slice_bytes);
    asio::async_write(sides_[1 - i], asio::buffer(one.buffer.data() + one.at, left),
                      [self = shared_from_this(), i](error_code e, std::size_t n) {
                        self->loops_[i].at += n;
                        self->loops_[i].passed += static_cast<std::int64_t>(n);
                        self->gate_.passed_[i] += static_cast<std::int64_t>(n);
                        if (e)
                          self->end(i, true);
                        else
                          self->write(i);
                      });
  }

  void end(std::size_t i, bool hard) {
    if (hard) {
      cut();
      return;
    }
    error_code ignored;
    sides_[1 - i].shutdown(tcp::socket::shutdown_send, ignored);
  }

  fault_gate& gate_;
  std::array<tcp::socket, 2> sides_; // who connected, and the target
  std::array<loop, 2> loops_;
};

fault_gate::fault_gate(const std::string& target) :
    acceptor_(io_, {asio::ip::address_v4::loopback(), 0}), target_(endpoint_of(target)) {
  address_ = "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  accept_more();
  thread_ = std::thread{[this] { io_.run(); }};
}

fault_gate::~fault_gate() {
  cut();
  io_.stop();
  thread_.join();
}

std::string fault_gate::address() const { return address_; }

void fault_gate::accept_more() {
  acceptor_.async_accept([this](error_code e, tcp::socket socket) {
    if (e)
      return;
    if (refusing_) {
      ++refused_;
      reset(socket);
    } else {
      ++accepted_;
      auto made = std::make_shared<channel>(*this, std::move(socket));
      channels_.remove_if([](const auto& weak) { return weak.expired(); });
      channels_.push_back(made);
      made->start();
    }
    accept_more();
  });
}

void fault_gate::on_thread(std::function<void()> task) {
  std::promise<void> done;
  asio::post(io_, [&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void fault_gate::set(direction which, const gate_fault& fault) {
  on_thread([&] {
    faults_[index(which)] = fault;
    for (const auto& weak : channels_)
      if (auto one = weak.lock())
        one->look_again();
  });
}

void fault_gate::refuse(bool on) {
  on_thread([&] { refusing_ = on; });
}

void fault_gate::cut() {
  on_thread([&] {
    for (const auto& weak : channels_)
      if (auto one = weak.lock())
        one->cut();
  });
}

void fault_gate::heal() {
  refuse(false);
  set(direction::inward, {});
  set(direction::outward, {});
}

} // namespace troupe::test
