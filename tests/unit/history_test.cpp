// The checker of histories finds what it is for: in a history that is right, each kind of wrong is
// planted once, and in histories by chance everywhere.
#include "tests/support/audit.hpp"
#include "tests/support/history.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;
using test::append_op;
using test::append_outcome;
using test::check_history;
using test::check_owners;
using test::shard_write;
using test::stored_append;

namespace {

constexpr append_op::time_point start{};

append_op op(const std::string& text, int from_ms, int to_ms,
             append_outcome outcome = append_outcome::acknowledged) {
  return {"c",
          text,
          "a",
          start + std::chrono::milliseconds{from_ms},
          start + std::chrono::milliseconds{to_ms},
          outcome};
}

std::vector<stored_append> stored(const std::vector<std::string>& texts) {
  std::vector<stored_append> out;
  for (const auto& text : texts)
    out.push_back({"c", text});
  return out;
}

bool says(const std::vector<std::string>& findings, const std::string& words) {
  return findings.size() == 1 && findings[0].find(words) != std::string::npos;
}

/// Appends of several clients at once, as a list that is right holds them: each has its moment
/// between its request and its answer.
struct chance_history {
  explicit chance_history(unsigned seed) : random(seed) {
    for (int i = 0; i < 60; ++i) {
      auto moment = 10 * i;
      auto one = op("m" + std::to_string(i), moment - below(40), moment + below(40));
      auto kind = below(10);
      if (kind == 0)
        one.outcome = append_outcome::refused;
      else if (kind < 3)
        one.outcome = append_outcome::unknown;
      ops.push_back(one);
      if (kind == 0 || kind == 1)
        continue; // an unknown one may be there or not
      list.push_back({"c", one.text});
    }
  }

  int below(int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); }
  const append_op& op_of(std::size_t place) const {
    return *std::find_if(ops.begin(), ops.end(),
                         [&](const append_op& x) { return x.text == list[place].text; });
  }

  std::mt19937 random;
  std::vector<append_op> ops;
  std::vector<stored_append> list;
};

/// Whether a list is in order, by its definition: nobody stands in front of who was answered before
/// it was asked for.
bool is_in_order(const chance_history& h) {
  for (std::size_t i = 0; i < h.list.size(); ++i)
    for (std::size_t j = i + 1; j < h.list.size(); ++j)
      if (h.op_of(j).outcome == append_outcome::acknowledged
          && h.op_of(j).completed < h.op_of(i).invoked)
        return false;
  return true;
}

shard_write write(int shard, std::int64_t epoch, const std::string& owner,
                  const std::string& writer) {
  return {shard, epoch, owner, writer, "t"};
}

} // namespace

TEST_CASE("a history of appends that overlap may stand in either order") {
  std::vector<append_op> ops{op("x", 0, 10), op("y", 5, 15)};
  CHECK(check_history(ops, stored({"x", "y"})).empty());
  CHECK(check_history(ops, stored({"y", "x"})).empty());
}

TEST_CASE("an acknowledged append that is not there is lost") {
  CHECK(says(check_history({op("x", 0, 1), op("y", 2, 3)}, stored({"x"})), "y was acknowledged"));
}

TEST_CASE("an append that is there twice is found, whatever its client was told") {
  for (auto outcome : {append_outcome::acknowledged, append_outcome::unknown})
    CHECK(says(check_history({op("x", 0, 1, outcome)}, stored({"x", "x"})), "x is there 2 times"));
}

TEST_CASE("an append that stands in front of one that was acknowledged before it began is found") {
  std::vector<append_op> ops{op("x", 0, 1), op("y", 2, 3)};
  CHECK(check_history(ops, stored({"x", "y"})).empty());
  CHECK(says(check_history(ops, stored({"y", "x"})), "x stands behind y"));
}

TEST_CASE("a refused append that is there all the same rose from the dead") {
  CHECK(says(check_history({op("x", 0, 1, append_outcome::refused)}, stored({"x"})),
             "x was refused by a and is there"));
}

TEST_CASE("an append nobody knows the end of may be there late, or not at all, but not early") {
  std::vector<append_op> ops{op("x", 0, 1, append_outcome::unknown), op("y", 5, 6),
                             op("z", 8, 9, append_outcome::unknown)};
  CHECK(check_history(ops, stored({"y"})).empty());
  CHECK(check_history(ops, stored({"y", "x"})).empty());
  CHECK(says(check_history(ops, stored({"z", "y"})), "y stands behind z"));
}

TEST_CASE("a message nobody wrote, and one in another conversation, are found") {
  CHECK(says(check_history({}, stored({"x"})), "nobody wrote it"));
  CHECK(says(check_history({op("x", 0, 1)}, {{"d", "x"}}), "x is in conversation d"));
}

TEST_CASE("the order of one conversation says nothing about another's") {
  auto later = op("y", 5, 6);
  later.conversation = "d";
  CHECK(check_history({op("x", 0, 1), later}, {{"d", "y"}, {"c", "x"}}).empty());
}

TEST_CASE("in histories by chance nothing is found, and whatever is changed about them is") {
  auto seed = test::seed_wanted();
  MESSAGE("TROUPE_SEED=" << seed);
  int disordered = 0;
  for (unsigned i = 0; i < 300; ++i) {
    chance_history right{seed + i};
    REQUIRE(check_history(right.ops, right.list).empty());
    auto place = static_cast<std::size_t>(right.below(static_cast<int>(right.list.size())));

    auto lost = right;
    lost.list.erase(lost.list.begin() + static_cast<std::ptrdiff_t>(place));
    CHECK(check_history(lost.ops, lost.list).empty()
          == (right.op_of(place).outcome == append_outcome::unknown));

    auto doubled = right;
    doubled.list.push_back(right.list[place]);
    CHECK_FALSE(check_history(doubled.ops, doubled.list).empty());

    auto other = static_cast<std::size_t>(right.below(static_cast<int>(right.list.size())));
    auto swapped = right;
    std::swap(swapped.list[place], swapped.list[other]);
    bool in_order = is_in_order(swapped);
    disordered += in_order ? 0 : 1;
    CHECK(check_history(swapped.ops, swapped.list).empty() == in_order);
  }
  CHECK(disordered > 100);
}

TEST_CASE("writes of one owner after the other, each under a greater epoch, are in order") {
  CHECK(check_owners({write(1, 3, "a", "a"), write(2, 1, "b", "b"), write(1, 3, "a", "a"),
                      write(1, 5, "b", "b")})
            .empty());
}

TEST_CASE("a write under an epoch that has passed is found") {
  CHECK(says(check_owners({write(1, 5, "b", "b"), write(1, 4, "a", "a")}), "under epoch 4 after"));
}

TEST_CASE("a write by a node that does not own the shard is found") {
  CHECK(says(check_owners({write(1, 5, "b", "a")}), "written by a while b owned it"));
}

TEST_CASE("an epoch of two owners is found") {
  CHECK(says(check_owners({write(1, 5, "a", "a"), write(1, 5, "b", "b")}), "was a's"));
}
