// Replacing a lexicon that is in use. Runs under ThreadSanitizer too, as unit/moderation_threads.
#include "actors/moderation/live_matcher.hpp"
#include "actors/moderation/stream_filter.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace troupe::moderation;

TEST_CASE(
    "while words come and go, what stays is found in every text, and what is replaced is freed") {
  auto make = [](int round) {
    lexicon words{"live", static_cast<std::uint64_t>(round), {}};
    words.entries.push_back({.text = "留下"});
    for (int i = 0; i < 50; ++i)
      words.entries.push_back({.text = "词" + std::to_string(round * 7 + i)});
    std::vector<problem> problems;
    return matcher::make(words, {}, problems);
  };
  live_matcher live{make(0)};
  std::atomic<bool> ends{false};
  std::atomic<int> missed{0}, searched{0};
  auto use = [&] {
    matcher_view view{live};
    while (!ends) {
      auto found = view.get()->find("他说留下来。词7，词12。").hits;
      stream_filter filter{live.get()};
      std::string out;
      std::vector<hit> hits;
      filter.push("请留", out, hits);
      filter.push("下", out, hits);
      filter.finish(out, hits);
      missed += found.empty() || found[0].begin != 6 || hits.empty();
      ++searched;
    }
  };
  std::thread first{use}, second{use};
  for (int round = 1; round <= 200 || searched < 1'000; ++round)
    live.replace(make(round));
  ends = true;
  first.join();
  second.join();
  CHECK(missed == 0);
  CHECK(live.collect() == 0);
}
