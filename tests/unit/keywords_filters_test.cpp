// The two filters: nothing is ever lost, and what is wrongly let through is what theory says.
#include "actors/keywords/binary_fuse.hpp"
#include "actors/keywords/bloom.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace troupe::keywords;

namespace {

std::vector<std::uint64_t> random_keys(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::vector<std::uint64_t> keys(count);
  for (auto& key : keys)
    key = random();
  return keys;
}

/// The share of keys never inserted that the filter takes for inserted.
template <class Filter>
double measured(const Filter& filter, std::size_t probes) {
  std::mt19937_64 random{99};
  std::size_t passed = 0;
  for (std::size_t i = 0; i < probes; ++i)
    passed += filter.may_contain(random()) ? 1 : 0;
  return static_cast<double>(passed) / static_cast<double>(probes);
}

} // namespace

TEST_CASE("a Bloom filter has every key, and its false positives are within a tenth of theory") {
  for (double bits : {8.0, 12.0}) {
    CAPTURE(bits);
    auto keys = random_keys(50'000, 1);
    blocked_bloom filter{keys.size(), bits};
    for (auto key : keys)
      filter.insert(key);
    for (auto key : keys)
      REQUIRE(filter.may_contain(key));
    auto expected = filter.expected_false_positives();
    // The rate is 2.5 and 0.55 %: so many probes tell it within 2.5 %, four deviations a tenth.
    auto rate = measured(filter, 400'000);
    CAPTURE(expected);
    CAPTURE(rate);
    CHECK(std::abs(rate / expected - 1) < 0.1);
    CHECK(expected < (bits == 8.0 ? 0.04 : 0.01));
  }
}

TEST_CASE("a Bloom filter that is fuller than meant still has every key, and says its rate") {
  auto keys = random_keys(40'000, 2);
  blocked_bloom filter{10'000, 12};
  for (auto key : keys)
    filter.insert(key);
  for (auto key : keys)
    REQUIRE(filter.may_contain(key));
  CHECK(filter.size() == 40'000);
  CHECK(std::abs(measured(filter, 100'000) / filter.expected_false_positives() - 1) < 0.1);
  filter.clear();
  CHECK(measured(filter, 10'000) == 0);
  CHECK(filter.expected_false_positives() == 0);
}

TEST_CASE("a Bloom filter for no keys takes some all the same") {
  blocked_bloom filter{0};
  CHECK(!filter.may_contain(7));
  filter.insert(7);
  CHECK(filter.may_contain(7));
  CHECK(filter.bytes() == 64);
}

TEST_CASE("keys that differ in few bits do not fool the Bloom filter") {
  blocked_bloom filter{50'000, 12};
  for (std::uint64_t key = 0; key < 50'000; ++key)
    filter.insert(key << 20);
  std::size_t passed = 0;
  for (std::uint64_t key = 50'000; key < 450'000; ++key)
    passed += filter.may_contain(key << 20) ? 1 : 0;
  CHECK(std::abs(static_cast<double>(passed) / 400'000 / filter.expected_false_positives() - 1)
        < 0.1);
}

TEST_CASE("a binary fuse filter has every key at every size") {
  for (std::size_t count : {0, 1, 2, 3, 5, 10, 17, 100, 1'000, 4'097, 60'000}) {
    CAPTURE(count);
    auto keys = random_keys(count, count + 1);
    auto filter = binary_fuse::build(keys, 7);
    REQUIRE(filter);
    for (auto key : keys)
      REQUIRE(filter->may_contain(key));
    CHECK(filter->tries() < 20);
  }
}

TEST_CASE("a binary fuse filter takes less than ten bits a key, and 1 of 256 other keys pass") {
  auto keys = random_keys(100'000, 3);
  auto filter = binary_fuse::build(keys, 11);
  REQUIRE(filter);
  auto rate = measured(*filter, 1'000'000);
  CAPTURE(rate);
  CHECK(std::abs(rate / binary_fuse::expected_false_positives() - 1) < 0.1);
  CHECK(static_cast<double>(filter->bytes()) * 8 / 100'000 < 10);
}

TEST_CASE("equal keys and keys in a row are no trouble to a binary fuse filter") {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 0; i < 30'000; ++i)
    keys.push_back(i / 3);
  auto filter = binary_fuse::build(keys, 5);
  REQUIRE(filter);
  for (auto key : keys)
    REQUIRE(filter->may_contain(key));
  CHECK(std::abs(measured(*filter, 1'000'000) * 256 - 1) < 0.1);
}

TEST_CASE("a binary fuse filter that does not work out at first is tried again") {
  int again = 0;
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    auto keys = random_keys(8 + seed % 50, seed);
    auto filter = binary_fuse::build(keys, seed);
    REQUIRE(filter);
    again += filter->tries() > 1 ? 1 : 0;
    for (auto key : keys)
      REQUIRE(filter->may_contain(key));
  }
  CHECK(again > 0);
}
