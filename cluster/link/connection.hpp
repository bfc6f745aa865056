// One connection to another node: TLS, hello, frames, beats. Only on the links' thread.
#pragma once

#include "cluster/link/frame.hpp"
#include "cluster/link/io_thread.hpp"
#include "cluster/link/outbox.hpp"
#include "cluster/link/stream.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::link {

class connection;
using connection_ptr = std::shared_ptr<connection>;

/// A request, an answer or events, and what it used up.
struct taken_frame {
  v1::LinkFrame frame;
  std::int64_t bytes = 0;
};
using taken_frames = std::vector<taken_frame>;

/// Who has the connections, and decides about them. Called on the links' thread.
class connection_owner {
public:
  virtual ~connection_owner() = default;
  virtual const link_limits& limits() const = 0;
  virtual link_probe& probe() = 0;
  /// What this side says first.
  virtual v1::LinkHello hello() const = 0;
  /// Why there can be no link with who said this.
  virtual std::optional<caf::error> refusal(const connection& of, const v1::LinkHello& said) = 0;
  /// Both sides agreed: `take` follows from now on.
  virtual void up(const connection_ptr& link) = 0;
  /// The other side's beat came.
  virtual void beat(connection& link) = 0;
  virtual void take(connection& link, taken_frames frames) = 0;
  /// It closed by itself; nothing follows.
  virtual void closed(const connection_ptr& link) = 0;
};

class connection final : public std::enable_shared_from_this<connection> {
public:
  using clock = std::chrono::steady_clock;

  /// `wanted`: the node that was dialled; empty for one that was accepted.
  connection(connection_owner& owner, std::shared_ptr<io_thread> io, std::unique_ptr<stream> bytes,
             std::string wanted);

  /// Either of both begins it.
  void dial(const tcp::endpoint& where);
  void accept();

  /// Ends it; `owner.closed` is called unless `quietly`.
  void close(const std::string& reason);
  void close_quietly(const std::string& reason);
  /// Tells the other side why, waits for it to read that, and closes.
  void refuse(const caf::error& why);

  bool is_up() const { return phase_ == phase::up; }
  /// Of a link that is up, or that was.
  const std::shared_ptr<outbox>& out() const { return out_; }
  const v1::LinkHello& peer() const { return peer_; }
  const std::string& wanted() const { return wanted_; }
  bool certified(std::string_view name) const { return bytes_->certified(name); }
  std::int64_t round_trip_us() const { return round_trip_us_; }
  clock::time_point heard() const { return heard_; }
  /// Why it closed.
  const std::string& reason() const { return reason_; }
  /// The other side refused it: trying again soon makes no sense.
  bool refused() const { return refused_; }

private:
  enum class phase {
    opening,  // connecting, TLS
    greeting, // waits for the other's hello
    agreed,   // and for its first beat, which says that it agrees
    up,
    refusing, // nothing is read any more but the end
    closed,
  };

  void begin_tls();
  void say_hello();
  void limit(std::int64_t ms, const char* what);
  void read_more();
  void read_done(error_code error, std::size_t bytes);
  bool take_frame(std::string_view bytes, taken_frames& batch);
  bool take_hello(const v1::LinkHello& said);
  void take_beat(const v1::LinkBeat& beat);
  void stray(const std::string& what);
  void make_outbox();
  void beat_now();
  void flush();
  void write_done(error_code error, std::size_t bytes);

  connection_owner& owner_;
  std::shared_ptr<io_thread> io_;
  std::unique_ptr<stream> bytes_;
  std::string wanted_;
  phase phase_ = phase::opening;
  v1::LinkHello peer_;
  std::shared_ptr<outbox> out_;
  frame_reader reader_;
  asio::steady_timer limit_;
  asio::steady_timer beat_;
  std::string early_;   // hello, or why it is refused
  std::string writing_; // what the socket is given
  bool busy_ = false;   // with `writing_`
  bool refused_ = false;
  clock::time_point heard_ = clock::now();
  std::int64_t round_trip_us_ = 0;
  std::string reason_;
};

} // namespace troupe::link
