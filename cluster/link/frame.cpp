#include "cluster/link/frame.hpp"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstring>

namespace troupe::link {

namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::size_t room_most = 65'536; // of one read
constexpr std::size_t kept_max = 1'048'576;

constexpr std::uint32_t length_delimited = 2;
constexpr std::uint32_t varint = 0;

} // namespace

std::size_t frame_bytes(std::size_t message_bytes) {
  auto size = static_cast<std::uint32_t>(message_bytes);
  return frame_length_bytes + 1 + CodedOutputStream::VarintSize32(size) + message_bytes;
}

void append_frame(std::string& to, frame_kind kind, const google::protobuf::MessageLite& message,
                  std::string_view more) {
  auto own = message.ByteSizeLong();
  auto size = static_cast<std::uint32_t>(own + more.size());
  auto whole = frame_bytes(size);
  auto at = to.size();
  if (to.capacity() < at + whole)
    to.reserve(std::max(at + whole, 2 * to.capacity()));
  to.resize(at + whole);
  auto* out = reinterpret_cast<std::uint8_t*>(to.data()) + at;
  auto body = static_cast<std::uint32_t>(whole - frame_length_bytes);
  for (int shift = 24; shift >= 0; shift -= 8)
    *out++ = static_cast<std::uint8_t>(body >> shift);
  *out++ = static_cast<std::uint8_t>(static_cast<std::uint32_t>(kind) << 3 | length_delimited);
  out = CodedOutputStream::WriteVarint32ToArray(size, out);
  out = message.SerializeWithCachedSizesToArray(out);
  more.copy(reinterpret_cast<char*>(out), more.size());
}

void append_varint_field(std::string& to, std::uint32_t number, std::uint64_t value) {
  std::uint8_t bytes[16];
  auto* end = CodedOutputStream::WriteVarint32ToArray(number << 3 | varint, bytes);
  end = CodedOutputStream::WriteVarint64ToArray(value, end);
  to.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(end - bytes));
}

std::span<char> frame_reader::room() {
  auto have = end_ - begin_;
  if (have == 0 && capacity_ > kept_max) {
    buffer_.reset(); // of a burst, or of one long frame
    capacity_ = 0;
  }
  if (capacity_ - have < room_) {
    // A long frame: as much again as there is of it.
    auto grown = have + std::max(have, room_);
    auto bigger = std::make_unique_for_overwrite<char[]>(grown);
    if (have > 0)
      std::memcpy(bigger.get(), buffer_.get() + begin_, have);
    buffer_ = std::move(bigger);
    capacity_ = grown;
    begin_ = 0;
    end_ = have;
  } else if (capacity_ - end_ < room_) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, have);
    begin_ = 0;
    end_ = have;
  } else if (have == 0) {
    begin_ = 0;
    end_ = 0;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

void frame_reader::arrived(std::size_t bytes) {
  end_ += bytes;
  if (end_ == capacity_)
    room_ = std::min(2 * room_, room_most); // there may be more: fewer, larger reads
}

frame_reader::result frame_reader::next(std::string_view& frame) {
  auto have = end_ - begin_;
  if (have < frame_length_bytes)
    return result::more;
  std::size_t length = 0;
  for (std::size_t i = 0; i < frame_length_bytes; ++i)
    length = length << 8 | static_cast<std::uint8_t>(buffer_[begin_ + i]);
  if (length > frame_bytes_max_)
    return result::too_long;
  if (have < frame_length_bytes + length)
    return result::more;
  frame = {buffer_.get() + begin_ + frame_length_bytes, length};
  begin_ += frame_length_bytes + length;
  return result::frame;
}

} // namespace troupe::link
