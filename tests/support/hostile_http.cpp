#include "tests/support/hostile_http.hpp"

namespace troupe::test {

std::size_t hostile_outcome::accepted() const {
  std::size_t n = 0;
  for (auto status : statuses)
    n += status / 100 == 2 ? 1 : 0;
  return n;
}

hostile_outcome send_hostile(const hostile_case& c, std::uint16_t port,
                             std::chrono::milliseconds limit) {
  using then = hostile_case::then;
  hostile_outcome out;
  raw_client client{port};
  bool sent = true;
  if (c.byte_by_byte) {
    for (std::size_t i = 0; i < c.bytes.size() && sent; ++i)
      sent = client.send({c.bytes.data() + i, 1});
  } else {
    sent = client.send(c.bytes);
  }
  for (std::size_t i = 0; i < c.units && sent; ++i)
    sent = client.send(c.unit);
  if (c.end == then::close || c.end == then::reset) {
    client.close(c.end == then::reset);
    out.closed = true;
    return out;
  }
  if (c.end == then::half_close)
    client.end_writing();
  for (;;) {
    auto a = client.answer(limit);
    if (a.status == 0) {
      out.closed = a.closed;
      return out;
    }
    out.statuses.push_back(a.status);
  }
}

std::string describe(const hostile_outcome& outcome) {
  std::string out;
  for (auto status : outcome.statuses)
    out += std::to_string(status) + " ";
  return out + (outcome.closed ? "closed" : "open");
}

} // namespace troupe::test
