#include "actors/session/event_log.hpp"

#include <stdexcept>
#include <string_view>

namespace troupe {

void event_log::start(std::int32_t attempt) {
  packed_.clear();
  ends_.clear();
  base_ = static_cast<std::int64_t>(attempt > 1 ? attempt - 1 : 0) << 32;
}

void event_log::add(v1::TurnEvent& event) {
  event.set_seq(last_seq() + 1);
  auto what = kind::other;
  const auto& delta = event.delta();
  if (event.has_delta() && delta.reasoning().empty()) {
    what = kind::text;
    packed_ += delta.text();
  } else if (event.has_delta() && delta.text().empty()) {
    what = kind::reasoning;
    packed_ += delta.reasoning();
  } else {
    event.AppendToString(&packed_);
  }
  ends_.push_back({static_cast<std::uint32_t>(packed_.size()), what});
}

std::vector<v1::TurnEvents> event_log::replay(std::int64_t after_seq,
                                              std::size_t batch_bytes) const {
  std::vector<v1::TurnEvents> batches;
  std::size_t batch_size = 0;
  auto i = after_seq > base_ && after_seq <= last_seq()
               ? static_cast<std::size_t>(after_seq - base_)
               : std::size_t{0};
  auto begin = i == 0 ? std::size_t{0} : std::size_t{ends_[i - 1].end};
  while (i < ends_.size()) {
    auto what = ends_[i].what;
    auto next = i + 1;
    while (what != kind::other && next < ends_.size() && ends_[next].what == what
           && ends_[next].end - begin <= batch_bytes)
      ++next;
    auto end = std::size_t{ends_[next - 1].end};
    if (batches.empty() || batch_size + end - begin > batch_bytes) {
      batches.emplace_back();
      batch_size = 0;
    }
    batch_size += end - begin;
    auto piece = packed_.substr(begin, end - begin);
    auto& event = *batches.back().add_events();
    if (what == kind::other && !event.ParseFromString(piece))
      throw std::logic_error("a packed event cannot be read");
    else if (what == kind::text)
      event.mutable_delta()->set_text(std::move(piece));
    else if (what == kind::reasoning)
      event.mutable_delta()->set_reasoning(std::move(piece));
    event.set_seq(base_ + static_cast<std::int64_t>(next));
    begin = end;
    i = next;
  }
  return batches;
}

void event_log::compact() {
  packed_.shrink_to_fit();
  ends_.shrink_to_fit();
}

} // namespace troupe
