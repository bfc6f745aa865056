#include "messages/id.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <random>
#include <stdexcept>

namespace troupe {

namespace {

constexpr std::string_view digits = "0123456789abcdef";

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Ids need to be unique, not secret: one seeded generator a thread.
std::uint64_t random64() {
  thread_local std::mt19937_64 engine{[] {
    std::uint64_t seed = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof seed) != 1)
      throw std::runtime_error("the system gives no random bytes");
    return seed;
  }()};
  return engine();
}

constexpr auto byte_digits = [] {
  std::array<std::array<char, 2>, 256> all{};
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = {digits[i >> 4], digits[i & 0xf]};
  return all;
}();

/// An even number of nibbles, at `at`; returns their end.
char* write_hex(char* at, std::uint64_t value, int nibbles) {
  for (int i = nibbles; i > 0; value >>= 8) {
    i -= 2;
    std::memcpy(at + i, byte_digits[value & 0xff].data(), 2);
  }
  return at + nibbles;
}

} // namespace

std::string new_id(std::int64_t now_us) {
  // 48 bits of milliseconds; then 12 bits that order ids of one thread within a millisecond.
  thread_local std::uint64_t last_ms = 0;
  thread_local std::uint32_t sequence = 0;
  auto ms = static_cast<std::uint64_t>(now_us / 1000);
  if (ms > last_ms) {
    last_ms = ms;
    sequence = static_cast<std::uint32_t>(random64() & 0x3ff);
  } else if (++sequence > 0xfff) {
    ++last_ms;
    sequence = 0;
  }
  auto tail = (random64() & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;
  std::string out(36, '-');
  char* at = out.data();
  at = write_hex(at, last_ms >> 16, 8) + 1;
  at = write_hex(at, last_ms & 0xffff, 4) + 1;
  at = write_hex(at, 0x7000u | sequence, 4) + 1;
  at = write_hex(at, tail >> 48, 4) + 1;
  write_hex(at, tail & 0xffff'ffff'ffffULL, 12);
  return out;
}

std::string new_id() {
  using namespace std::chrono;
  return new_id(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

bool is_id(std::string_view text) noexcept {
  if (text.size() != 36)
    return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i]))
      return false;
  }
  return true;
}

std::string new_traceparent() {
  std::string out{"00-11111111111111112222222222222222-3333333333333333-01"};
  char* at = out.data() + 3;
  at = write_hex(at, random64(), 16);
  at = write_hex(at, random64() | 1, 16) + 1;
  write_hex(at, random64() | 1, 16);
  return out;
}

std::string child_traceparent(std::string_view parent) {
  if (!is_traceparent(parent))
    return new_traceparent();
  std::string out{parent};
  write_hex(out.data() + 36, random64() | 1, 16);
  return out;
}

bool is_traceparent(std::string_view text) noexcept {
  if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-')
    return false;
  auto hex = [](std::string_view part) { return std::all_of(part.begin(), part.end(), is_hex); };
  auto zero = [](std::string_view part) {
    return part.find_first_not_of('0') == std::string_view::npos;
  };
  auto trace = text.substr(3, 32);
  auto span = text.substr(36, 16);
  return hex(trace) && hex(span) && hex(text.substr(53)) && !zero(trace) && !zero(span);
}

std::string_view trace_id_of(std::string_view traceparent) noexcept {
  return is_traceparent(traceparent) ? traceparent.substr(3, 32) : std::string_view{};
}

std::string random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes)) != 1)
    throw std::runtime_error("the system gives no random bytes");
  std::string out;
  out.reserve(bytes * 2);
  for (unsigned char c : raw) {
    out += digits[c >> 4];
    out += digits[c & 0xf];
  }
  return out;
}

} // namespace troupe
