#include "gateway/upstream/sse_parser.hpp"

namespace troupe::gateway {

namespace {

constexpr std::size_t kept_bytes = 64; // between pieces, for nothing
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Where the first line ends, or npos.
std::size_t line_end(std::string_view bytes) {
  auto* lf = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
  auto before = lf != nullptr ? static_cast<std::size_t>(lf - bytes.data()) : bytes.size();
  auto* cr = static_cast<const char*>(std::memchr(bytes.data(), '\r', before));
  if (cr != nullptr)
    return static_cast<std::size_t>(cr - bytes.data());
  return lf != nullptr ? before : std::string_view::npos;
}

} // namespace

bool sse_parser::next_line(std::string_view& bytes, std::string_view& line) {
  if (line_used_) {
    line_.clear();
    line_used_ = false;
  }
  if (skip_lf_) {
    skip_lf_ = false;
    if (bytes.front() == '\n')
      bytes.remove_prefix(1);
    if (bytes.empty())
      return false;
  }
  auto end = line_end(bytes);
  auto part = bytes.substr(0, end);
  if (line_.size() + part.size() > max_) {
    failed_ = true;
    line_.clear();
    return false;
  }
  if (end == std::string_view::npos) {
    line_.append(part);
    bytes = {};
    return false;
  }
  skip_lf_ = bytes[end] == '\r';
  bytes.remove_prefix(end + 1);
  line_is_kept_ = !line_.empty();
  if (line_is_kept_) {
    line_.append(part);
    line_used_ = true;
    line = line_;
  } else {
    line = part;
  }
  if (first_line_) {
    first_line_ = false;
    if (line.substr(0, byte_order_mark.size()) == byte_order_mark)
      line.remove_prefix(byte_order_mark.size());
  }
  return true;
}

bool sse_parser::take_line(std::string_view line) {
  if (line.empty()) {
    if (has_data_)
      return true;
    name_.clear();
    return false;
  }
  auto colon = line.find(':');
  if (colon == 0) {
    ++comments_;
    return false;
  }
  std::string_view value;
  if (colon != std::string_view::npos) {
    value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ')
      value.remove_prefix(1);
  }
  take_field(line.substr(0, colon), value);
  return false;
}

void sse_parser::take_field(std::string_view name, std::string_view value) {
  if (name == "data")
    add_data(value);
  else if (name == "event")
    name_ = value;
  else if (name == "id" && value.find('\0') == std::string_view::npos)
    id_ = value;
}

void sse_parser::add_data(std::string_view value) {
  if (!has_data_) {
    has_data_ = true;
    data_view_ = value;
    if (line_is_kept_) {
      data_ = value;
      data_view_ = data_;
    }
    return;
  }
  keep_views();
  if (data_.size() + 1 + value.size() > max_) {
    failed_ = true;
    return;
  }
  data_ += '\n';
  data_ += value;
  data_view_ = data_;
}

void sse_parser::keep_views() {
  if (!has_data_ || data_view_.data() == data_.data())
    return;
  data_.assign(data_view_);
  data_view_ = data_;
}

void sse_parser::reset_event() {
  has_data_ = false;
  data_view_ = {};
  data_.clear();
  name_.clear();
}

// Between pieces it holds memory only for what is unfinished.
void sse_parser::let_go() {
  if (!has_data_ && data_.capacity() > kept_bytes)
    std::string{}.swap(data_);
  if ((line_used_ || line_.empty()) && line_.capacity() > kept_bytes) {
    std::string{}.swap(line_);
    line_used_ = false;
  }
}

} // namespace troupe::gateway
