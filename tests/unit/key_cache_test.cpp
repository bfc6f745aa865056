// What the keyring remembers, and when the writer commits: logic without actors.
#include "actors/account/key_cache.hpp"
#include "actors/store/gather.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const v1::Principal> principal(const std::string& id, std::int64_t expires_us = 0) {
  v1::Principal out;
  out.set_id(id);
  out.set_expires_us(expires_us);
  return std::make_shared<const v1::Principal>(std::move(out));
}

using result = key_cache::result;

} // namespace

TEST_CASE("a key cache keeps entries for their time, and no longer than the key is valid") {
  key_cache cache{{.entries_max = 10, .kept_us = 100, .unknown_kept_us = 10}};
  CHECK(cache.find("a", 0).what == result::miss);
  CHECK(cache.put("a", principal("1"), 0));
  CHECK(cache.put("b", principal("2", 50), 0));
  cache.put_unknown("c", 0);
  CHECK(cache.find("a", 99).principal->id() == "1");
  CHECK(cache.find("a", 100).what == result::miss);
  CHECK(cache.find("b", 49).what == result::known);
  CHECK(cache.find("b", 50).what == result::miss);
  CHECK(cache.find("c", 9).what == result::unknown);
  CHECK(cache.find("c", 10).what == result::miss);
  CHECK(cache.size() == 0);
}

TEST_CASE("a full key cache drops what was unused for longest, and guesses drop only guesses") {
  key_cache cache{{.entries_max = 4, .kept_us = 100, .unknown_kept_us = 100}};
  for (int i = 0; i < 4; ++i)
    cache.put(std::to_string(i), principal(std::to_string(i)), 0);
  cache.find("0", 1);
  cache.put("4", principal("4"), 1);
  CHECK(cache.find("0", 1).what == result::known);
  CHECK(cache.find("1", 1).what == result::miss);
  for (int i = 0; i < 1'000; ++i)
    cache.put_unknown("guess" + std::to_string(i), 1);
  CHECK(cache.find("0", 1).what == result::known);
  CHECK(cache.size() == 5);
}

TEST_CASE("a revoked key stays out, even if its look-up was under way") {
  key_cache cache{{.entries_max = 4, .kept_us = 100, .unknown_kept_us = 100}};
  cache.put("a", principal("1"), 0);
  cache.revoke("1");
  CHECK(cache.find("a", 1).what == result::miss);
  CHECK(!cache.put("a", principal("1"), 1));
  CHECK(cache.find("a", 1).what == result::unknown);
  CHECK(cache.put("a", principal("2"), 1));
}

TEST_CASE("a group waits for as many as came before it, but no longer than the delay") {
  commit_gather gather{5ms, 100};
  CHECK(gather.wait(1, 1, 0ms) == 0ms); // alone so far: at once
  gather.group_sent(10);
  CHECK(gather.wait(1, 1, 0ms) == 5ms);
  CHECK(gather.wait(9, 9, 2ms) == 3ms);
  CHECK(gather.wait(10, 10, 0ms) == 0ms);
  CHECK(gather.wait(1, 1, 5ms) == 0ms);
  CHECK(gather.wait(1, 1, 6ms) == 0ms);
  CHECK(gather.wait(2, 100, 0ms) == 0ms); // large ones fill it
  gather.group_sent(1);
  CHECK(gather.wait(1, 1, 0ms) == 0ms);
  commit_gather never{0ms, 100};
  never.group_sent(10);
  CHECK(never.wait(1, 1, 0ms) == 0ms);
}
