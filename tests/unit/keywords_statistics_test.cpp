// Statistics beside exact counts, and the table of cool-downs.
#include "actors/keywords/cooldown.hpp"
#include "actors/keywords/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace troupe::keywords;

namespace {

constexpr std::int64_t hour_us = 3'600'000'000;
constexpr std::int64_t day_us = 24 * hour_us;
constexpr std::int64_t start_us = 20'000 * day_us; // midnight, UTC
constexpr std::int64_t always_us = 1'000'000 * day_us;

std::uint64_t seed() {
  const char* given = std::getenv("TROUPE_SEED");
  return given == nullptr ? 20'261'127 : std::strtoull(given, nullptr, 10);
}

using unit = statistics::unit;

/// Few are frequent, many are rare, as words are.
std::string zipf(std::mt19937_64& random, std::size_t keys) {
  auto even = std::uniform_real_distribution<double>{0, 1}(random);
  auto rank = std::pow(static_cast<double>(keys), even) - 1;
  return "k" + std::to_string(static_cast<int>(rank));
}

/// Every count is between its bounds.
template <class Truth>
void check_bounds(const space_saving& sketch, Truth& truth) {
  for (const auto& c : sketch.counters()) {
    CAPTURE(c.key);
    REQUIRE(truth[c.key] <= c.count);
    REQUIRE(truth[c.key] >= c.count - c.error);
  }
  for (const auto& [key, count] : truth)
    if (!sketch.find(key))
      REQUIRE(count <= sketch.absent_max());
}

} // namespace

TEST_CASE("counters are exact while there are enough of them") {
  std::mt19937_64 random{seed()};
  space_saving sketch{100};
  std::map<std::string, std::uint64_t> truth;
  for (int i = 0; i < 20'000; ++i) {
    auto key = zipf(random, 100);
    sketch.add(key);
    ++truth[key];
  }
  CHECK(sketch.absent_max() == (truth.size() < 100 ? 0 : sketch.counters().back().count));
  CHECK(sketch.size() == truth.size());
  for (const auto& c : sketch.counters()) {
    CHECK(c.count == truth[c.key]);
    CHECK(c.error == 0);
  }
}

TEST_CASE("with too few counters every count keeps its bounds, and the frequent keys are there") {
  INFO("TROUPE_SEED=", seed());
  std::mt19937_64 random{seed()};
  for (std::size_t counters : {1, 2, 7, 50}) {
    CAPTURE(counters);
    space_saving sketch{counters};
    std::map<std::string, std::uint64_t> truth;
    constexpr std::uint64_t total = 20'000;
    for (std::uint64_t i = 0; i < total; ++i) {
      auto key = zipf(random, 2'000);
      sketch.add(key);
      ++truth[key];
    }
    check_bounds(sketch, truth);
    CHECK(sketch.size() == counters);
    CHECK(sketch.absent_max() <= total / counters);
    for (const auto& [key, count] : truth)
      if (count > total / counters)
        CHECK(sketch.find(key));
  }
}

TEST_CASE("merged counters keep the bounds of both streams, and go on counting") {
  INFO("TROUPE_SEED=", seed());
  std::mt19937_64 random{seed()};
  for (int round = 0; round < 50; ++round) {
    std::map<std::string, std::uint64_t> truth;
    space_saving sum{20};
    for (int node = 0; node < 3; ++node) {
      space_saving part{static_cast<std::size_t>(5 + random() % 40)};
      for (auto left = random() % 1'000; left > 0; --left) {
        auto key = zipf(random, 5 + random() % 100);
        part.add(key);
        ++truth[key];
      }
      sum.merge(part);
      check_bounds(sum, truth);
    }
    for (int i = 0; i < 200; ++i) {
      auto key = zipf(random, 60);
      sum.add(key, 2);
      truth[key] += 2;
    }
    check_bounds(sum, truth);
    space_saving again{20};
    REQUIRE(again.restore(sum.counters(), sum.absent_max()));
    CHECK(again.counters() == sum.counters());
    CHECK(again.absent_max() == sum.absent_max());
  }
}

TEST_CASE("counters that make no sense are not restored") {
  space_saving sketch{5};
  sketch.add("kept");
  CHECK_FALSE(sketch.restore({{"a", 1, 0}, {"a", 1, 0}}, 0));
  CHECK_FALSE(sketch.restore({{"a", 0, 0}}, 0));
  CHECK_FALSE(sketch.restore({{"a", 1, 2}}, 0));
  CHECK_FALSE(sketch.restore({{"a", 1, 0}}, 2));
  CHECK(sketch.find("kept"));
}

TEST_CASE("statistics equal an exact count by hour, day and channel while they fit") {
  INFO("TROUPE_SEED=", seed());
  std::mt19937_64 random{seed()};
  statistics counted;
  std::map<std::int64_t, std::map<std::string, std::map<std::string, std::uint64_t>>> truth;
  const std::vector<std::string> channels{"onebot", "wecom", "web"};
  for (int i = 0; i < 20'000; ++i) {
    auto hour = static_cast<std::int64_t>(random() % 40);
    auto channel = channels[random() % 3];
    auto keyword = zipf(random, 100);
    auto within = static_cast<std::int64_t>(random() % hour_us);
    counted.record(keyword, channel, start_us + hour * hour_us + within);
    ++truth[hour][channel][keyword];
  }
  auto expected = [&](std::int64_t from, std::int64_t to, std::string_view channel) {
    std::map<std::string, std::uint64_t> sums;
    for (auto hour = from; hour < to; ++hour)
      for (const auto& [name, keywords] : truth[hour])
        if (channel.empty() || channel == name)
          for (const auto& [keyword, count] : keywords)
            sums[keyword] += count;
    return sums;
  };
  auto check = [&](unit of, std::int64_t from, std::int64_t to, std::string_view channel) {
    auto sums = expected(from, to, channel);
    auto top = counted.top(of, start_us + from * hour_us, start_us + to * hour_us, channel, 1'000);
    REQUIRE(top.size() == sums.size());
    for (std::size_t i = 0; i < top.size(); ++i) {
      REQUIRE(top[i].at_least == sums[top[i].keyword]);
      REQUIRE(top[i].at_most == sums[top[i].keyword]);
      REQUIRE((i == 0 || top[i - 1].at_most >= top[i].at_most));
    }
  };
  for (std::string_view channel : {"", "onebot", "web"}) {
    check(unit::hour, 0, 40, channel);
    check(unit::hour, 7, 8, channel);
    check(unit::day, 0, 24, channel);
    check(unit::day, 24, 48, channel);
  }
  std::uint64_t in_series = 0;
  for (const auto& p : counted.series(unit::hour, "k3", 0, always_us)) {
    CHECK(p.at_least == p.at_most);
    in_series += p.at_least;
  }
  CHECK(in_series == expected(0, 40, "")["k3"]);
  std::uint64_t total = 0;
  for (const auto& [channel, count] : counted.channels(unit::day, 0, always_us))
    total += count;
  CHECK(total == 20'000);
}

TEST_CASE("a hostile stream of different keywords and channels stays within bounds") {
  statistics_options options;
  options.counters_max = 64;
  options.hours_max = 4;
  options.days_max = 2;
  options.channels_max = 3;
  statistics counted{options};
  for (int i = 0; i < 50'000; ++i) {
    auto now = start_us + i * (20 * hour_us / 50'000);
    counted.record("x" + std::to_string(i) + std::string(200, 'y'), "c" + std::to_string(i % 500),
                   now);
    if (i % 10 == 0)
      counted.record("often", "c0", now);
  }
  CHECK(counted.top(unit::hour, 0, always_us, "", 1'000'000).size() <= 4 * 64);
  auto channels = counted.channels(unit::hour, 0, always_us);
  CHECK(channels.size() <= 4 * 4);
  CHECK(channels.count(std::string{statistics::other_channels}) == 1);
  for (const auto& f : counted.top(unit::hour, 0, always_us, "", 1'000'000))
    CHECK(f.keyword.size() <= options.name_bytes_max);
  auto top = counted.top(unit::hour, 0, always_us, "", 1);
  REQUIRE(top.size() == 1);
  CHECK(top[0].keyword == "often");
  CHECK(top[0].at_least <= 1'000); // four hours of 250
  CHECK(top[0].at_most >= 1'000);
  CHECK(counted.serialise().size() < 6 * 64 * 200);
}

TEST_CASE("bounds over several hours are the sums of those of each hour") {
  INFO("TROUPE_SEED=", seed());
  std::mt19937_64 random{seed()};
  statistics_options options;
  options.counters_max = 10;
  statistics counted{options};
  for (int i = 0; i < 5'000; ++i)
    counted.record(zipf(random, 60), i % 3 == 0 ? "web" : "wecom", start_us + i * hour_us / 1'000);
  auto top = counted.top(unit::hour, 0, always_us, "", 20);
  REQUIRE(top.size() > 5);
  for (const auto& f : top) {
    statistics::frequency sum{f.keyword, 0, 0};
    for (const auto& p : counted.series(unit::hour, f.keyword, 0, always_us)) {
      sum.at_least += p.at_least;
      sum.at_most += p.at_most;
    }
    CHECK(sum == f);
  }
}

TEST_CASE("the past is forgotten, what is late is counted as such, and days follow the offset") {
  statistics_options options;
  options.hours_max = 2;
  options.days_max = 1;
  options.utc_offset_min = 8 * 60;
  statistics counted{options};
  counted.record("a", "web", start_us);
  counted.record("a", "web", start_us + 15 * hour_us); // 23:00 of the same day there
  CHECK(counted.top(unit::hour, 0, always_us, "", 9)
        == std::vector{statistics::frequency{"a", 1, 1}});
  CHECK(counted.top(unit::day, 0, always_us, "", 9)
        == std::vector{statistics::frequency{"a", 2, 2}});
  CHECK(counted.series(unit::day, "a", 0, always_us).at(0).start_us == start_us - 8 * hour_us);
  counted.record("b", "web", start_us + 16 * hour_us); // the next day there
  CHECK(counted.top(unit::day, 0, always_us, "", 9)
        == std::vector{statistics::frequency{"b", 1, 1}});
  CHECK(counted.late() == 0);
  counted.record("c", "web", start_us);
  CHECK(counted.late() == 1);
  counted.record("z", "web", std::numeric_limits<std::int64_t>::max());
  counted.record("z", "web", std::numeric_limits<std::int64_t>::min());
  CHECK(counted.late() == 2);
}

TEST_CASE("what rises is a trend, what is steady is none") {
  statistics counted;
  auto at = [](int hour) { return start_us + hour * hour_us; };
  for (int hour = 0; hour < 30; ++hour) {
    for (int i = 0; i < 40; ++i)
      counted.record("steady", "web", at(hour));
    for (int i = 0; i < (hour >= 28 ? 20 : 1); ++i)
      counted.record("rising", "web", at(hour));
  }
  counted.record("once", "web", at(29));
  auto trends = counted.trends(at(29) + 1, 2, 24, 10);
  REQUIRE(trends.size() == 2);
  CHECK(trends[0].keyword == "rising");
  CHECK(trends[0].now == 40);
  CHECK(trends[0].expected == doctest::Approx(2));
  CHECK(trends[0].rise == doctest::Approx(41.0 / 3));
  CHECK(trends[1].keyword == "once");
  CHECK(counted.trends(at(29) + 1, 2, 24, 1).size() == 1);
}

TEST_CASE("a flood of different keywords makes no trend") {
  statistics_options options;
  options.counters_max = 32;
  statistics counted{options};
  for (int i = 0; i < 5'000; ++i)
    counted.record("x" + std::to_string(i), "web", start_us + 25 * hour_us);
  for (const auto& t : counted.trends(start_us + 25 * hour_us, 1, 24, 100))
    CHECK(t.now <= 1);
}

TEST_CASE("nodes' statistics add up, and survive being written and read") {
  INFO("TROUPE_SEED=", seed());
  std::mt19937_64 random{seed()};
  statistics whole;
  statistics sum;
  for (int node = 0; node < 3; ++node) {
    statistics part;
    for (int i = 0; i < 3'000; ++i) {
      auto keyword = zipf(random, 80);
      auto channel = "c" + std::to_string(random() % 3);
      auto now = start_us + static_cast<std::int64_t>(random() % (30 * hour_us));
      part.record(keyword, channel, now);
      whole.record(keyword, channel, now);
    }
    auto read = statistics::parse(part.serialise());
    REQUIRE(read);
    CHECK(read->serialise() == part.serialise());
    sum.merge(*read);
  }
  CHECK(sum.serialise() == whole.serialise());
}

TEST_CASE("channels beyond the bound are joined when merged, without losing a count") {
  statistics_options narrow;
  narrow.channels_max = 1;
  statistics sum{narrow};
  sum.record("k", "a", start_us);
  statistics other;
  other.record("k", "b", start_us);
  other.record("k", "c", start_us);
  other.record("m", "c", start_us);
  sum.merge(other);
  auto star = std::string{statistics::other_channels};
  CHECK(sum.channels(unit::hour, 0, always_us)
        == std::map<std::string, std::uint64_t>{{"a", 1}, {star, 3}});
  CHECK(sum.top(unit::hour, 0, always_us, star, 9)
        == std::vector{statistics::frequency{"k", 2, 2}, statistics::frequency{"m", 1, 1}});
  // Written and read they are the same, though * comes before a.
  auto read = statistics::parse(sum.serialise(), narrow);
  REQUIRE(read);
  CHECK(read->serialise() == sum.serialise());
}

TEST_CASE("text that is no statistics is refused") {
  statistics counted;
  counted.record("a", "web", start_us);
  auto good = counted.serialise();
  CHECK(statistics::parse(good));
  for (std::string bad : {"", "[]", "{}", "{\"version\":2,\"late\":0,\"hours\":[],\"days\":[]}",
                          "{\"version\":1,\"late\":-1,\"hours\":[],\"days\":[]}",
                          "{\"version\":1,\"late\":0,\"hours\":{},\"days\":[]}",
                          "{\"version\":1,\"late\":0,\"hours\":[7],\"days\":[]}"})
    CHECK_FALSE(statistics::parse(bad));
  for (std::size_t i = 0; i + 1 < good.size(); ++i)
    CHECK_FALSE(statistics::parse(good.substr(0, i)));
}

TEST_CASE("statistics that do not add up are refused") {
  auto hour = [](const std::string& rest) {
    return R"({"version":1,"late":0,"days":[],"hours":[{"number":5,"absent_max":1,)" + rest + "}]}";
  };
  CHECK(statistics::parse(hour(R"("total":3,"channels":{"a":2,"b":1},)"
                               R"("counters":[["a\u001fk",3,1],["b\u001fm",1,0]])")));
  for (const auto& bad : {
           // A total that is not the channels'.
           R"("total":4,"channels":{"a":2,"b":1},"counters":[])",
           R"("total":2,"channels":{"a":2,"b":1},"counters":[])",
           // More of a keyword, and of two, than came to the channel.
           R"("total":2,"channels":{"a":2},"counters":[["a\u001fk",4,1]])",
           R"("total":2,"channels":{"a":2},"counters":[["a\u001fk",2,0],["a\u001fm",1,0]])",
           // Of a channel where nothing came, and of none.
           R"("total":2,"channels":{"a":2},"counters":[["b\u001fk",1,1]])",
           R"("total":2,"channels":{"a":2},"counters":[["ak",1,0]])",
       }) {
    CAPTURE(bad);
    CHECK_FALSE(statistics::parse(hour(bad)));
  }
}

TEST_CASE("a rule rests after it was used, in its chat, for its user, or everywhere") {
  cooldowns resting;
  rule r;
  r.id = "r";
  r.cooldown_ms = 1'000;
  message_facts here;
  here.channel = "onebot";
  here.chat_id = "g1";
  here.user_id = "u1";
  auto elsewhere = here;
  elsewhere.chat_id = "g2";
  auto other_user = elsewhere;
  other_user.user_id = "u2";
  CHECK_FALSE(resting.rests(r, here));
  resting.start(r, here);
  CHECK(resting.rests(r, here));
  CHECK_FALSE(resting.rests(r, elsewhere));
  r.cooldown = cooldown_per::user;
  resting.start(r, here);
  CHECK(resting.rests(r, elsewhere));
  CHECK_FALSE(resting.rests(r, other_user));
  r.cooldown = cooldown_per::rule;
  resting.start(r, here);
  CHECK(resting.rests(r, other_user));
  here.now_us = 999'999;
  CHECK(resting.rests(r, here));
  here.now_us = 1'000'000;
  CHECK_FALSE(resting.rests(r, here));
  here.now_us = -10'000'000; // the clock was set back
  CHECK_FALSE(resting.rests(r, here));
  r.cooldown_ms = 0;
  here.now_us = 0;
  CHECK_FALSE(resting.rests(r, here));
}

TEST_CASE("the table of cool-downs is bounded, and forgets what ends first") {
  cooldowns resting{3};
  rule r;
  r.id = "r";
  message_facts m;
  std::vector<std::string> chats{"a", "b", "c", "d"};
  for (std::size_t i = 0; i < chats.size(); ++i) {
    m.chat_id = chats[i];
    r.cooldown_ms = i == 1 ? 1'000 : 5'000;
    resting.start(r, m);
  }
  CHECK(resting.size() == 3);
  r.cooldown_ms = 5'000;
  m.chat_id = "b";
  CHECK_FALSE(resting.rests(r, m));
  m.chat_id = "d";
  CHECK(resting.rests(r, m));
  m.now_us = 6'000'000;
  resting.start(r, m);
  CHECK(resting.size() == 1);
}
