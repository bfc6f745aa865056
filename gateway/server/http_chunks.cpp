// Chunked bodies.
#include "gateway/server/http_checks.hpp"

#include <algorithm>

namespace troupe::gateway {

namespace {

constexpr std::uint32_t overhead_max = 4'096; // extensions and trailers together
constexpr std::uint8_t digits_max = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

bool is_text(char c) {
  auto u = static_cast<unsigned char>(c);
  return (u >= 0x20 && u != 0x7f) || c == '\t';
}

} // namespace

refusal chunked_decoder::feed(std::string_view& in, std::string& out) {
  while (!in.empty() && state_ != state::done) {
    if (state_ == state::data) {
      auto take = std::min<std::uint64_t>(left_, in.size());
      out.append(in.substr(0, take));
      in.remove_prefix(take);
      left_ -= take;
      if (left_ == 0)
        state_ = state::data_cr;
      continue;
    }
    auto why = step(in.front());
    in.remove_prefix(1);
    if (why != refusal::none)
      return why;
  }
  return refusal::none;
}

refusal chunked_decoder::step(char c) {
  switch (state_) {
    case state::size:
      return on_size(c);
    case state::extension:
      if (c == '\r')
        state_ = state::size_lf;
      else if (!is_text(c) || ++overhead_ > overhead_max)
        return refusal::bad_chunk;
      return refusal::none;
    case state::size_lf:
      if (c != '\n')
        return refusal::bad_chunk;
      digits_ = 0;
      state_ = left_ == 0 ? state::trailer : state::data;
      return refusal::none;
    case state::data_cr:
      state_ = state::data_lf;
      return c == '\r' ? refusal::none : refusal::bad_chunk;
    case state::data_lf:
      state_ = state::size;
      return c == '\n' ? refusal::none : refusal::bad_chunk;
    case state::trailer:
      if (c == '\r')
        state_ = state::trailer_lf;
      else if (!is_text(c) || ++overhead_ > overhead_max)
        return refusal::bad_chunk;
      else
        trailer_ += c;
      return refusal::none;
    case state::trailer_lf:
      return c == '\n' ? on_trailer_line() : refusal::bad_chunk;
    case state::data:
    case state::done:
      break;
  }
  return refusal::none;
}

refusal chunked_decoder::on_size(char c) {
  auto digit = hex_value(c);
  if (digit >= 0) {
    if (++digits_ > digits_max || left_ > (~std::uint64_t{0} >> 4))
      return refusal::bad_chunk;
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return refusal::none;
  }
  if (digits_ == 0 || (c != '\r' && c != ';'))
    return refusal::bad_chunk;
  if (left_ > body_max_ - total_)
    return refusal::body_too_large;
  total_ += left_;
  state_ = c == ';' ? state::extension : state::size_lf;
  return refusal::none;
}

// Trailers are read to be checked, and dropped.
refusal chunked_decoder::on_trailer_line() {
  if (trailer_.empty()) {
    state_ = state::done;
    return refusal::none;
  }
  auto colon = trailer_.find(':');
  if (colon == std::string::npos || !is_token(std::string_view{trailer_}.substr(0, colon)))
    return refusal::bad_chunk;
  trailer_.clear();
  state_ = state::trailer;
  return refusal::none;
}

} // namespace troupe::gateway
