// The sensitive words engine beside Hyperscan, in turns, one thread's CPU; and what a new lexicon
// costs those who match meanwhile. scripts/bench moderation makes the texts and runs it.
//
// usage: moderation_bench LEXICON ZH_CLEAN ZH_DIRTY EN [ROUNDS]
#include "actors/moderation/live_matcher.hpp"
#include "actors/moderation/stream_filter.hpp"

#include <fmt/format.h>
#include <hs/hs.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

using namespace troupe::moderation;

namespace {

constexpr std::size_t piece_bytes = 16;
constexpr std::size_t all_hits = std::size_t{1} << 40;

/// What this thread used of a processor: others on the machine do not disturb it.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

[[noreturn]] void fail(const std::string& why) {
  fmt::print(stderr, "moderation_bench: {}\n", why);
  std::exit(1);
}

std::string read_file(const char* path) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    fail(fmt::format("cannot read {}", path));
  return {std::istreambuf_iterator<char>{in}, {}};
}

lexicon read_lexicon(const char* path) {
  lexicon words{"bench", 1, {}};
  auto content = read_file(path);
  for (std::size_t at = 0; at < content.size();) {
    auto end = std::min(content.find('\n', at), content.size());
    if (end > at)
      words.entries.push_back({.text = content.substr(at, end - at)});
    at = end + 1;
  }
  return words;
}

/// The peer: every word as a literal, every end of one reported.
class hyperscan {
public:
  hyperscan(const lexicon& words, unsigned mode) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    std::vector<unsigned> flags(words.entries.size(), 0), ids;
    for (const auto& one : words.entries) {
      texts.push_back(one.text.data());
      sizes.push_back(one.text.size());
      ids.push_back(static_cast<unsigned>(ids.size()));
    }
    hs_compile_error_t* error = nullptr;
    auto began = cpu_seconds();
    if (hs_compile_lit_multi(texts.data(), flags.data(), ids.data(), sizes.data(),
                             static_cast<unsigned>(texts.size()), mode, nullptr, &database_, &error)
        != HS_SUCCESS)
      fail(fmt::format("Hyperscan: {}", error->message));
    build_seconds_ = cpu_seconds() - began;
    if (hs_alloc_scratch(database_, &scratch_) != HS_SUCCESS)
      fail("Hyperscan has no scratch");
  }
  hyperscan(const hyperscan&) = delete;
  hyperscan& operator=(const hyperscan&) = delete;
  ~hyperscan() {
    hs_free_scratch(scratch_);
    hs_free_database(database_);
  }

  double build_seconds() const { return build_seconds_; }

  std::size_t count(const std::string& text) const {
    std::size_t hits = 0;
    hs_scan(database_, text.data(), static_cast<unsigned>(text.size()), 0, scratch_, on_hit, &hits);
    return hits;
  }

  std::size_t count_in_pieces(const std::string& text) const {
    std::size_t hits = 0;
    hs_stream_t* stream = nullptr;
    hs_open_stream(database_, 0, &stream);
    for (std::size_t at = 0; at < text.size(); at += piece_bytes)
      hs_scan_stream(stream, text.data() + at,
                     static_cast<unsigned>(std::min(piece_bytes, text.size() - at)), 0, scratch_,
                     on_hit, &hits);
    hs_close_stream(stream, scratch_, on_hit, &hits);
    return hits;
  }

private:
  static int on_hit(unsigned, unsigned long long, unsigned long long, unsigned, void* hits) {
    ++*static_cast<std::size_t*>(hits);
    return 0;
  }

  hs_database_t* database_ = nullptr;
  hs_scratch_t* scratch_ = nullptr;
  double build_seconds_ = 0;
};

/// What a peer without folding needs before it: the folded text, and for each of its bytes where
/// that was.
class normaliser {
public:
  explicit normaliser(fold_set folds) : table_(0x10000) {
    for (char32_t c = 0; c < 0x10000; ++c) {
      auto to = folded(c, folds);
      auto skipped = folds.has(fold::symbols) && kind_of(to) != character_kind::other;
      append_utf8(table_[c].text, skipped || to >= 0x10000 ? 0 : to);
      table_[c].skipped = skipped;
    }
  }

  const std::string& operator()(const std::string& text) {
    out_.resize(text.size() + 8);
    where_.resize(text.size() + 8);
    std::size_t size = 0;
    for (std::size_t at = 0; at < text.size();) {
      auto [code_point, bytes] = character_at(text, at);
      if (code_point < 0x10000) {
        const auto& to = table_[code_point];
        if (!to.skipped)
          for (auto c : to.text) {
            where_[size] = static_cast<std::uint32_t>(at);
            out_[size++] = c;
          }
      }
      at += bytes;
    }
    out_.resize(size);
    return out_;
  }

private:
  struct folded_character {
    std::string text;
    bool skipped = false;
  };
  std::vector<folded_character> table_;
  std::string out_;
  std::vector<std::uint32_t> where_;
};

struct contest {
  std::vector<double> ours, theirs; // seconds
  std::size_t our_hits = 0, their_hits = 0;

  void round(const std::function<std::size_t()>& we, const std::function<std::size_t()>& they) {
    auto began = cpu_seconds();
    their_hits = they();
    auto between = cpu_seconds();
    our_hits = we();
    theirs.push_back(between - began);
    ours.push_back(cpu_seconds() - between);
  }
  double ratio() const { return median(theirs) / median(ours); }
  void tell(const char* name, std::size_t bytes) const {
    auto speed = [&](const std::vector<double>& seconds) {
      return static_cast<double>(bytes) / 1e6 / median(seconds);
    };
    fmt::print("{:28} {:7.1f} MB/s, Hyperscan {:7.1f}, hits {} and {}\n", name, speed(ours),
               speed(theirs), our_hits, their_hits);
    fmt::print("figure {} {:.3f} ratio\n", name, ratio());
  }
};

std::shared_ptr<const matcher> made(const lexicon& words, fold_set folds) {
  std::vector<problem> problems;
  matcher_options options;
  options.folds = folds;
  options.word_borders = false;
  auto machine = matcher::make(words, options, problems);
  if (!problems.empty())
    fail(fmt::format("{} entries cannot be used: {}", problems.size(), problems[0].text));
  return machine;
}

std::size_t count_in_pieces(const std::shared_ptr<const matcher>& machine,
                            const std::string& text) {
  stream_filter filter{machine};
  std::string out;
  std::vector<hit> hits;
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    out.clear();
    hits.clear();
    filter.push(std::string_view{text}.substr(at, piece_bytes), out, hits);
    count += hits.size();
  }
  hits.clear();
  filter.finish(out, hits);
  return count + hits.size();
}

void compare_builds(const lexicon& words, int rounds) {
  std::vector<double> ours, theirs;
  for (int i = 0; i < rounds; ++i) {
    theirs.push_back(hyperscan{words, HS_MODE_BLOCK}.build_seconds());
    auto began = cpu_seconds();
    auto machine = made(words, fold_set::all());
    ours.push_back(cpu_seconds() - began);
  }
  auto before = mallinfo2();
  auto machine = made(words, fold_set::all());
  auto after = mallinfo2();
  fmt::print("built in {:.3f} s, Hyperscan {:.3f} s\n", median(ours), median(theirs));
  fmt::print("figure moderation_build_vs_hyperscan {:.3f} ratio\n", median(ours) / median(theirs));
  fmt::print("figure moderation_memory_mb {:.1f} MB\n",
             static_cast<double>(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd)
                 / 1e6);
}

void compare_speed(const lexicon& words, const std::string& clean, const std::string& dirty,
                   const std::string& english, int rounds) {
  const auto folds = fold_set::all().without({fold::pinyin});
  hyperscan block{words, HS_MODE_BLOCK}, stream{words, HS_MODE_STREAM};
  auto plain = made(words, fold_set::none()), folding = made(words, folds);
  normaliser normalised{folds};
  contest zh_clean, zh_dirty, en, folded_zh, stream_zh;
  auto find = [](const matcher& machine, const std::string& text) {
    return machine.find(text, {}, all_hits).hits.size();
  };
  for (int i = 0; i < rounds; ++i) {
    zh_clean.round([&] { return find(*plain, clean); }, [&] { return block.count(clean); });
    zh_dirty.round([&] { return find(*plain, dirty); }, [&] { return block.count(dirty); });
    en.round([&] { return find(*plain, english); }, [&] { return block.count(english); });
    folded_zh.round([&] { return find(*folding, clean); },
                    [&] { return block.count(normalised(clean)); });
    stream_zh.round([&] { return count_in_pieces(plain, clean); },
                    [&] { return stream.count_in_pieces(clean); });
  }
  zh_clean.tell("moderation_vs_hyperscan_zh_clean", clean.size());
  zh_dirty.tell("moderation_vs_hyperscan_zh_dirty", dirty.size());
  en.tell("moderation_vs_hyperscan_en", english.size());
  folded_zh.tell("moderation_folded_vs_hyperscan_plus_fold_zh", clean.size());
  stream_zh.tell("moderation_stream16_vs_hyperscan_zh", clean.size());
  for (const auto* one : {&zh_clean, &zh_dirty, &en, &stream_zh})
    if (one->our_hits != one->their_hits)
      fail("without folding the two found different numbers of hits");
}

/// Messages of 200 bytes, each as a request: the most that one of them took of a processor, or, if
/// it waited for something, all its time. What others on the machine take is not counted.
double longest_request_ms(const live_matcher& live, const std::string& text,
                          const std::atomic<bool>& ends, std::size_t& requests) {
  auto waits = [] {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  };
  double longest = 0;
  matcher_view view{live};
  for (std::size_t at = 0; !ends; at = (at + 200) % (text.size() - 200), ++requests) {
    auto waited = waits();
    auto began = std::chrono::steady_clock::now();
    auto cpu_began = cpu_seconds();
    view.get()->find(std::string_view{text}.substr(at, 200));
    auto took = (cpu_seconds() - cpu_began) * 1e3;
    if (waits() != waited)
      took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
                 .count();
    longest = std::max(longest, took);
  }
  return longest;
}

/// Two threads of requests, while new lexicons come, or while as many are made and none comes.
double longest_pause_ms(const lexicon& words, const std::string& text, int swaps, bool replace) {
  live_matcher live{made(words, fold_set::all())};
  std::atomic<bool> ends{false};
  double longest[2] = {};
  std::size_t requests[2] = {};
  std::vector<std::thread> users;
  for (int i = 0; i < 2; ++i)
    users.emplace_back([&, i] { longest[i] = longest_request_ms(live, text, ends, requests[i]); });
  for (int i = 0; i < swaps; ++i) {
    auto next = made(words, fold_set::all());
    if (replace)
      live.replace(std::move(next));
  }
  ends = true;
  for (auto& user : users)
    user.join();
  auto most = std::max(longest[0], longest[1]);
  fmt::print("{} lexicons {} while {} requests ran: the longest took {:.3f} ms\n", swaps,
             replace ? "came" : "were made and did not come", requests[0] + requests[1], most);
  return most;
}

void measure_swaps(const lexicon& words, const std::string& text, int swaps) {
  longest_pause_ms(words, text, swaps, false);
  fmt::print("figure moderation_swap_max_pause_ms {:.3f} ms\n",
             longest_pause_ms(words, text, swaps, true));
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr, "usage: moderation_bench LEXICON ZH_CLEAN ZH_DIRTY EN [ROUNDS]\n");
    return 2;
  }
  auto rounds = argc > 5 ? std::max(std::atoi(argv[5]), 1) : 11;
  auto words = read_lexicon(argv[1]);
  auto clean = read_file(argv[2]), dirty = read_file(argv[3]), english = read_file(argv[4]);
  fmt::print("{} words\n", words.entries.size());
  compare_builds(words, 3);
  compare_speed(words, clean, dirty, english, rounds);
  measure_swaps(words, clean, 20);
}
