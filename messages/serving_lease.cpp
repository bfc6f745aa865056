#include "messages/serving_lease.hpp"

#include <ctime>

namespace troupe {

std::int64_t boot_clock_us() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

} // namespace troupe
