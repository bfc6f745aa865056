// Frames of a link: a length of four bytes (big-endian) and so many bytes of troupe.v1.LinkFrame.
// Pure; fuzzed by tests/fuzz/link_frame_fuzz.cpp.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace troupe::link {

/// Which field of LinkFrame's `kind` a message is.
enum class frame_kind : std::uint32_t {
  hello = 1,
  refused = 2,
  beat = 3,
  credit = 4,
  request = 5,
  answer = 6,
  events = 7,
};

/// Before each frame.
inline constexpr std::size_t frame_length_bytes = 4;

/// How many bytes `append_frame` adds for a message of this size with `more_bytes` appended.
std::size_t frame_bytes(std::size_t message_bytes);

/// Appends a whole frame, serialised in place. `more` are bytes of protobuf that are read as if
/// they stood at the end of the message: a scalar field in there replaces the message's own.
void append_frame(std::string& to, frame_kind kind, const google::protobuf::MessageLite& message,
                  std::string_view more = {});

/// A field of the type (u)int64 for `more` above.
void append_varint_field(std::string& to, std::uint32_t number, std::uint64_t value);

/// Cuts what arrives into frames. Its memory follows what arrived, at most twice of it, and never
/// the length that a frame announces.
class frame_reader {
public:
  explicit frame_reader(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  /// From the next frame on. Only ever raised, once the other side is known.
  void allow(std::size_t frame_bytes_max) { frame_bytes_max_ = frame_bytes_max; }

  /// Where to read into; never empty. Frames given before are no longer valid.
  std::span<char> room();
  /// That many bytes were read into `room()`.
  void arrived(std::size_t bytes);

  enum class result {
    frame,    // here it is, without its length
    more,     // not all of it is here yet
    too_long, // it announces more than is allowed: nothing after it makes sense
  };
  /// The next frame, in place; valid until `room()`.
  result next(std::string_view& frame);

  /// Bytes of memory held.
  std::size_t capacity() const { return capacity_; }

private:
  std::size_t frame_bytes_max_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t room_ = 4'096; // the least to read into
};

} // namespace troupe::link
