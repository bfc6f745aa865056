#include "actors/moderation/word_watch.hpp"

#include "messages/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::moderation {

namespace {

constexpr std::size_t seats_of_thread = 8; // one node of a process is the rule; tests have several

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::shared_ptr<const matcher> without_words(const matcher_options& options) {
  std::vector<problem> none;
  return matcher::make({}, options, none);
}

} // namespace

caf::expected<matcher_options> options_of(const config::moderation_section& section) {
  matcher_options out;
  out.folds = {};
  for (auto one : {fold::width, fold::look_alikes, fold::letter_case, fold::script, fold::symbols,
                   fold::repeats, fold::pinyin})
    if (std::find(section.folds.begin(), section.folds.end(), name_of(one)) != section.folds.end())
      out.folds.add(one);
  out.word_borders = section.word_borders;
  for (const auto& [name, act] : section.detectors) {
    std::size_t i = 0;
    while (i < detectors_count && name_of(static_cast<detector>(i)) != name)
      ++i;
    auto what = action_named(act);
    if (i == detectors_count || !what)
      return make_error(ec::config_invalid,
                        fmt::format("moderation.detectors: {} -> {} is unknown: name link, email, "
                                    "phone or identity, with log, review, mask, replace or block",
                                    name, act));
    out.detectors[i] = {true, name, 1, *what, "[" + name + "]"};
  }
  return out;
}

/// What a thread keeps of one watch.
struct word_watch::seat {
  std::uint64_t id = 0;
  std::uint64_t generation = 0;
  std::shared_ptr<const matcher> kept;
};

word_watch::word_watch(const matcher_options& options) :
    id_(next_id()), options_(options), live_(without_words(options)), any_(!live_.get()->empty()) {}

const std::shared_ptr<const matcher>& word_watch::get() const {
  thread_local std::array<seat, seats_of_thread> seats;
  thread_local std::size_t next = 0;
  auto* mine = &seats[next];
  if (mine->id != id_) {
    auto found =
        std::find_if(seats.begin(), seats.end(), [&](const seat& one) { return one.id == id_; });
    next = static_cast<std::size_t>(found - seats.begin());
    if (found == seats.end()) { // takes the place of the oldest one
      std::rotate(seats.begin(), seats.end() - 1, seats.end());
      next = 0;
      seats[0] = {id_, 0, live_.get()};
    }
    mine = &seats[next];
  }
  if (live_.generation() != mine->generation)
    live_.try_get(mine->kept, mine->generation);
  return mine->kept;
}

void word_watch::replace(std::shared_ptr<const matcher> next) {
  auto some = !next->empty();
  live_.replace(std::move(next));
  any_.store(some, std::memory_order_relaxed);
}

} // namespace troupe::moderation
