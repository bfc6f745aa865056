#include "messages/clock.hpp"

#include <chrono>

namespace troupe {

namespace {

class real_clock final : public wall_clock {
public:
  std::int64_t now_us() const override {
    using namespace std::chrono;
    return duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
};

} // namespace

wall_clock_ptr system_clock() {
  static const auto instance = std::make_shared<const real_clock>();
  return instance;
}

} // namespace troupe
