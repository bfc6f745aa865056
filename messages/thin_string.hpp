// A string for what there are very many of and which seldom changes.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace troupe {

/// A string of one word, whose length is kept with its bytes: an id of 36 bytes takes 48 in all, a
/// std::string 72; an empty one takes 8 instead of 32. It does not grow: assigning makes it anew.
class thin_string {
public:
  thin_string() = default;
  explicit thin_string(std::string_view text) { *this = text; }
  thin_string(const thin_string& other) { *this = other.view(); }
  thin_string(thin_string&& other) noexcept = default;
  thin_string& operator=(const thin_string& other) {
    if (this != &other)
      *this = other.view();
    return *this;
  }
  thin_string& operator=(thin_string&& other) noexcept = default;

  thin_string& operator=(std::string_view text) {
    if (text.empty()) {
      held_.reset();
      return *this;
    }
    auto size = static_cast<std::uint32_t>(text.size());
    std::unique_ptr<char[]> made{new char[sizeof size + text.size()]};
    std::memcpy(made.get(), &size, sizeof size);
    std::memcpy(made.get() + sizeof size, text.data(), text.size());
    held_ = std::move(made);
    return *this;
  }

  std::string_view view() const noexcept {
    if (!held_)
      return {};
    std::uint32_t size = 0;
    std::memcpy(&size, held_.get(), sizeof size);
    return {held_.get() + sizeof size, size};
  }
  std::string str() const { return std::string{view()}; }
  operator std::string_view() const noexcept { return view(); }
  bool empty() const noexcept { return held_ == nullptr; }
  void clear() noexcept { held_.reset(); }

  friend bool operator==(const thin_string& a, std::string_view b) noexcept {
    return a.view() == b;
  }
  friend bool operator==(const thin_string& a, const thin_string& b) noexcept {
    return a.view() == b.view();
  }

private:
  std::unique_ptr<char[]> held_;
};

} // namespace troupe
