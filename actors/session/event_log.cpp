#include "actors/session/event_log.hpp"

#include <google/protobuf/io/coded_stream.h>

#include <stdexcept>

namespace troupe {

void event_log::start(std::int32_t attempt) {
  packed_.clear();
  count_ = 0;
  base_ = static_cast<std::int64_t>(attempt > 1 ? attempt - 1 : 0) << 32;
}

void event_log::add(v1::TurnEvent& event) {
  event.set_seq(last_seq() + 1);
  auto what = kind::other;
  std::string whole;
  std::string_view bytes;
  const auto& delta = event.delta();
  if (event.has_delta() && delta.reasoning().empty()) {
    what = kind::text;
    bytes = delta.text();
  } else if (event.has_delta() && delta.text().empty()) {
    what = kind::reasoning;
    bytes = delta.reasoning();
  } else {
    whole = event.SerializeAsString();
    bytes = whole;
  }
  std::uint8_t head[10]; // the longest varint
  auto* end = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(
      bytes.size() << 2 | static_cast<std::uint64_t>(what), head);
  packed_.append(head, end);
  packed_ += bytes;
  ++count_;
}

event_log::entry event_log::read(std::size_t& at) const {
  google::protobuf::io::CodedInputStream in{reinterpret_cast<const std::uint8_t*>(packed_.data())
                                                + at,
                                            static_cast<int>(packed_.size() - at)};
  std::uint64_t head = 0;
  if (!in.ReadVarint64(&head))
    throw std::logic_error("a log of events cannot be read");
  at += static_cast<std::size_t>(in.CurrentPosition());
  entry found{static_cast<kind>(head & 3), std::string_view{packed_}.substr(at, head >> 2)};
  at += head >> 2;
  return found;
}

/// Where the first event after `after_seq` begins, or the first of all if there is no such event
/// in the log; `seq` becomes the number of the one before it.
std::size_t event_log::skip_to(std::int64_t after_seq, std::int64_t& seq) const {
  seq = base_;
  std::size_t at = 0;
  if (after_seq > base_ && after_seq <= last_seq())
    for (; seq < after_seq; ++seq)
      read(at);
  return at;
}

std::string event_log::text(std::int64_t after_seq) const {
  std::string all;
  std::int64_t seq = 0;
  for (auto at = skip_to(after_seq, seq); at < packed_.size();) {
    auto found = read(at);
    if (found.what == kind::text)
      all += found.bytes;
  }
  return all;
}

std::vector<v1::TurnEvents> event_log::replay(std::int64_t after_seq,
                                              std::size_t batch_bytes) const {
  std::vector<v1::TurnEvents> batches;
  std::size_t batch_size = 0;
  std::int64_t seq = 0;
  for (auto at = skip_to(after_seq, seq); at < packed_.size();) {
    auto first = read(at);
    ++seq;
    std::string piece{first.bytes};
    // Deltas of one kind are joined.
    while (first.what != kind::other && at < packed_.size()) {
      auto next = at;
      auto more = read(next);
      if (more.what != first.what || piece.size() + more.bytes.size() > batch_bytes)
        break;
      piece += more.bytes;
      at = next;
      ++seq;
    }
    if (batches.empty() || batch_size + piece.size() > batch_bytes) {
      batches.emplace_back();
      batch_size = 0;
    }
    batch_size += piece.size();
    auto& event = *batches.back().add_events();
    if (first.what == kind::other && !event.ParseFromString(piece))
      throw std::logic_error("a packed event cannot be read");
    else if (first.what == kind::text)
      event.mutable_delta()->set_text(std::move(piece));
    else if (first.what == kind::reasoning)
      event.mutable_delta()->set_reasoning(std::move(piece));
    event.set_seq(seq);
  }
  return batches;
}

void event_log::compact() { packed_.shrink_to_fit(); }

} // namespace troupe
