// The part of a long text that is looked at: it grows at its end, and is dropped from its
// beginning.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace troupe::moderation {

class text_window {
public:
  /// So many bytes behind the text may be read, for those who read many at once.
  static constexpr std::size_t readable_beyond = 64;

  std::string_view view() const noexcept { return {bytes_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }

  void append(std::string_view more) {
    if (more.size() > bytes_.size() - size_ - readable_beyond)
      grow(more.size());
    copy(bytes_.data() + size_, more.data(), more.size());
    size_ += more.size();
  }
  /// Adds some of its bytes to `out`, as fast for any small number of them: nobody could foresee
  /// it.
  void append_to(std::string& out, std::size_t at, std::size_t bytes) const {
    constexpr std::size_t at_once = 32;
    static_assert(at_once <= readable_beyond);
    if (bytes > at_once) {
      out.append(bytes_.data() + at, bytes);
    } else {
      out.append(bytes_.data() + at, at_once);
      out.resize(out.size() - (at_once - bytes));
    }
  }
  /// Forgets the first bytes.
  void drop(std::size_t bytes) noexcept {
    size_ -= bytes;
    std::memmove(bytes_.data(), bytes_.data() + bytes, size_);
  }
  void clear() noexcept { size_ = 0; }

private:
  // Pieces are short, and a general copy is long to begin.
  static void copy(char* to, const char* from, std::size_t bytes) noexcept {
    auto ends = [&](auto size) {
      std::memcpy(to, from, size());
      std::memcpy(to + bytes - size(), from + bytes - size(), size());
    };
    if (bytes - 16 <= 16)
      ends(std::integral_constant<std::size_t, 16>{});
    else if (bytes - 8 < 8)
      ends(std::integral_constant<std::size_t, 8>{});
    else
      copy_any(to, from, bytes);
  }
  [[gnu::noinline]] static void copy_any(char* to, const char* from, std::size_t bytes) noexcept {
    std::memcpy(to, from, bytes);
  }

  void grow(std::size_t more) {
    bytes_.resize(std::max(bytes_.size() * 2, size_ + more + readable_beyond));
  }

  std::vector<char> bytes_ = std::vector<char>(448);
  std::size_t size_ = 0;
};

} // namespace troupe::moderation
