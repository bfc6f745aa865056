#include "tests/support/simulated_world.hpp"

#include <algorithm>

namespace troupe::test {

namespace {

constexpr std::int64_t ms = 1'000;
constexpr std::int64_t database_ahead_us = 1'700'000'000'000'000;
constexpr std::size_t traced_max = 80;

} // namespace

// splitmix64
std::uint64_t seeded::next() {
  auto x = state_ += 0x9e37'79b9'7f4a'7c15;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

std::int64_t seeded::between(std::int64_t least, std::int64_t most) {
  auto span = static_cast<std::uint64_t>(most - least) + 1;
  return least + static_cast<std::int64_t>(next() % span);
}

simulated_world::simulated_world(std::uint64_t seed, simulation_options with) :
    options(with), random(seed) {}

void simulated_world::after(std::int64_t us, std::function<void()> work) {
  events_.push_back({now_ + us, sequence_++, std::move(work)});
  std::push_heap(events_.begin(), events_.end());
}

bool simulated_world::step() {
  if (events_.empty())
    return false;
  std::pop_heap(events_.begin(), events_.end());
  auto next = std::move(events_.back());
  events_.pop_back();
  now_ = next.at;
  tables.clock_us = database_ahead_us + now_;
  next.work();
  return true;
}

void simulated_world::keep(std::string text) {
  traced_.push_back(fmt::format("{:>10.3f} ms  {}", static_cast<double>(now_) / 1'000, text));
  if (traced_.size() > traced_max)
    traced_.pop_front();
}

bool simulated_world::passes(int from, int to) {
  return now_ >= cut_until[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)]
         && !random.chance(loss_per_mille);
}

std::int64_t simulated_world::delay_us() {
  return random.chance(late_per_mille) ? random.between(1 * ms, 400 * ms)
                                       : random.between(100, 3 * ms);
}

bool simulated_world::reaches_database(int node) {
  return now_ >= request_cut_until[static_cast<std::size_t>(node)]
         && !random.chance(loss_per_mille / 2);
}

bool simulated_world::answer_reaches(int node) {
  return now_ >= answer_cut_until[static_cast<std::size_t>(node)]
         && !random.chance(loss_per_mille / 2);
}

std::int64_t simulated_world::database_delay_us() {
  if (now_ < slow_until)
    return random.between(10 * ms, 1'500 * ms);
  return random.chance(late_per_mille) ? random.between(1 * ms, 2'500 * ms)
                                       : random.between(200, 4 * ms);
}

} // namespace troupe::test
