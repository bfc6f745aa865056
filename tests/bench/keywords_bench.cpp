// Keyword rules at work, one thread's CPU: keywords_bench [--rules N] [--seconds N]. Prints `figure
// NAME VALUE UNIT` lines; scripts/bench.d/keywords says what they are.
#include "actors/keywords/binary_fuse.hpp"
#include "actors/keywords/matcher.hpp"
#include "actors/keywords/statistics.hpp"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <new>
#include <random>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

using namespace troupe::keywords;

namespace {

std::size_t live_bytes = 0; // of everything made by new; this program has one thread

void* counted(void* made) {
  if (made == nullptr)
    std::abort();
  live_bytes += malloc_usable_size(made);
  return made;
}

void uncounted(void* made) {
  live_bytes -= malloc_usable_size(made);
  std::free(made);
}

} // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t align) {
  auto unit = static_cast<std::size_t>(align);
  return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* made) noexcept { uncounted(made); }
void operator delete(void* made, std::size_t) noexcept { uncounted(made); }
void operator delete(void* made, std::align_val_t) noexcept { uncounted(made); }
void operator delete(void* made, std::size_t, std::align_val_t) noexcept { uncounted(made); }

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void figure(const char* name, double value, const char* unit) {
  fmt::print("figure {} {:.4g} {}\n", name, value, unit);
}

/// How often a second `once(i)` is done, i going round below `count`; rounds of 64 at a time.
template <class Once>
double per_second(double seconds, std::size_t count, Once&& once) {
  auto start = cpu_seconds();
  double took = 0;
  std::size_t done = 0;
  do {
    for (int i = 0; i < 64; ++i)
      once(done++ % count);
    took = cpu_seconds() - start;
  } while (took < seconds);
  return static_cast<double>(done) / took;
}

// --- rules and messages as people write them ---

using strings = std::vector<std::string>;

const strings chinese{
    "怎么", "退款", "订单", "查询", "物流", "发货", "价格", "多少", "优惠", "活动", "会员", "积分",
    "账号", "密码", "登录", "注册", "手机", "号码", "绑定", "修改", "地址", "客服", "人工", "投诉",
    "建议", "时间", "营业", "今天", "明天", "天气", "北京", "上海", "广州", "深圳", "机器", "学习",
    "使用", "帮助", "功能", "设置", "关闭", "打开", "下载", "安装", "更新", "版本", "问题", "无法",
    "失败", "错误", "支付", "微信", "银行", "发票", "合同", "报名", "课程", "老师", "考试", "成绩",
    "我想", "请问", "可以", "的",   "了",   "吗",   "是",   "在",   "和",   "不"};
const strings english{
    "how",     "refund",   "order",   "status",  "track",    "shipping", "price",   "discount",
    "coupon",  "member",   "points",  "account", "password", "login",    "sign",    "phone",
    "number",  "change",   "address", "support", "human",    "agent",    "opening", "hours",
    "today",   "tomorrow", "weather", "london",  "paris",    "berlin",   "learn",   "use",
    "help",    "feature",  "setting", "close",   "open",     "download", "install", "update",
    "version", "problem",  "cannot",  "failed",  "error",    "payment",  "card",    "bank",
    "invoice", "contract", "course",  "teacher", "exam",     "score",    "I",       "the",
    "is",      "to",       "my",      "a",       "please",   "what",     "where",   "can"};

class writer {
public:
  std::string utf8(char32_t c) {
    return {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
            static_cast<char>(0x80 | (c & 63))};
  }

  /// A few words; of rules two in five have a name in them, of which there are many.
  std::string phrase(bool is_chinese, std::size_t words, std::size_t names_in_ten) {
    std::string text;
    for (std::size_t i = 0; i < words; ++i) {
      if (!is_chinese && i > 0)
        text += ' ';
      text += below(10) < names_in_ten && i + 1 == words ? name(is_chinese) : word(is_chinese);
    }
    return text;
  }

  std::string word(bool is_chinese) {
    const auto& words = is_chinese ? chinese : english;
    return words[below(words.size())];
  }

  std::string name(bool is_chinese) {
    if (!is_chinese)
      return fmt::format("{}{}", "ABCDEFGHKLMNPRST"[below(16)], below(100'000));
    return utf8(0x4E00 + static_cast<char32_t>(below(6'000)))
           + utf8(0x4E00 + static_cast<char32_t>(below(6'000)));
  }

  rule next_rule(std::size_t number) {
    auto is_chinese = below(2) == 0;
    rule r;
    r.id = fmt::format("rule-{}", number);
    auto draw = below(100);
    r.kind = draw < 50   ? rule_kind::exact
             : draw < 60 ? rule_kind::prefix
             : draw < 80 ? rule_kind::contains
             : draw < 90 ? rule_kind::all_words
                         : rule_kind::pattern;
    if (r.kind == rule_kind::all_words)
      r.words = {word(is_chinese), name(is_chinese)};
    else
      r.text = phrase(is_chinese, 2 + below(3), r.kind == rule_kind::contains ? 8 : 5);
    if (r.kind == rule_kind::pattern)
      r.text = (below(2) == 0 ? "*" : "") + r.text + "{what}";
    r.priority = static_cast<std::int32_t>(below(5));
    if (below(10) == 0)
      r.scope.channels = {"onebot"};
    if (below(20) == 0) {
      r.scope.hours = {{9 * 60, 18 * 60}};
      r.scope.zone = "Asia/Shanghai";
    }
    r.answers = {{"{user}: " + phrase(is_chinese, 12, 0), {}}};
    return r;
  }

  /// A tenth is what a rule waits for.
  std::string message(const std::vector<rule>& rules) {
    const auto& r = rules[below(rules.size())];
    auto is_chinese = below(2) == 0;
    if (below(10) == 0 && r.kind != rule_kind::pattern && r.kind != rule_kind::all_words)
      return r.text;
    return phrase(is_chinese, 2 + below(10), 2);
  }

  std::size_t below(std::size_t n) { return random_() % n; }

private:
  std::mt19937_64 random_{20'261'127};
};

message_facts facts(const std::string& text) {
  message_facts m;
  m.text = text;
  m.channel = "wecom";
  m.now_us = 1'790'000'000'000'000;
  return m;
}

// --- what bots do without an index ---

bool fits(const rule& r, const std::string& text) {
  switch (r.kind) {
    case rule_kind::exact:
      return text == r.text;
    case rule_kind::prefix:
      return text.starts_with(r.text);
    case rule_kind::contains:
      return text.find(r.text) != text.npos;
    case rule_kind::all_words:
      return std::all_of(r.words.begin(), r.words.end(),
                         [&](const std::string& word) { return text.find(word) != text.npos; });
    case rule_kind::pattern:
      return text.find(r.text.substr(r.text.front() == '*' ? 1 : 0, 6)) != text.npos;
  }
  return false;
}

void measure_rules(std::size_t count, double seconds) {
  writer random;
  std::vector<rule> rules;
  while (rules.size() < count)
    rules.push_back(random.next_rule(rules.size()));
  strings messages;
  for (int i = 0; i < 20'000; ++i)
    messages.push_back(random.message(rules));
  folder{{}}; // its table is the process's, and made once
  auto before = live_bytes;
  auto copy = rules;
  auto start = cpu_seconds();
  auto compiled = matcher::compile(std::move(copy)).rules;
  auto build_ms = (cpu_seconds() - start) * 1e3;
  if (compiled == nullptr)
    std::exit(1);
  auto memory = static_cast<double>(live_bytes - before);
  matcher::scratch scratch;
  std::size_t found = 0;
  for (const auto& text : messages)
    found += compiled->best(facts(text), scratch).found ? 1 : 0;
  auto rate = per_second(seconds, messages.size(), [&](std::size_t i) {
    found += compiled->best(facts(messages[i]), scratch).found ? 1 : 0;
  });
  std::size_t in_scan = 0;
  auto scan = per_second(seconds, messages.size(), [&](std::size_t i) {
    for (const auto& r : rules)
      in_scan += fits(r, messages[i]) ? 1 : 0;
  });
  fmt::print("{} rules; a message takes {:.2f} us, a loop over the rules {:.0f} us ({} hits)\n",
             compiled->size(), 1e6 / rate, 1e6 / scan, found + in_scan);
  figure("keywords_lookups_per_s", rate, "1/s");
  figure("keywords_memory_mb", memory / 1e6, "MB");
  figure("keywords_index_mb", static_cast<double>(compiled->index_bytes()) / 1e6, "MB");
  figure("keywords_build_ms", build_ms, "ms");
  figure("keywords_vs_scan", rate / scan, "ratio");
}

void measure_exact(std::size_t count, double seconds) {
  writer random;
  folder fold{{}};
  std::vector<std::pair<std::u32string, rule_rank>> texts;
  std::unordered_map<std::u32string, rule_rank> map;
  for (rule_rank rank = 0; rank < count; ++rank) {
    texts.emplace_back(fold_points(random.phrase(rank % 2 == 0, 3, 8), fold), rank);
    map.emplace(texts.back());
  }
  std::vector<std::u32string> asked; // one in ten is there
  for (int i = 0; i < 50'000; ++i)
    asked.push_back(i % 10 == 0 ? texts[random.below(count)].first
                                : fold_points(random.phrase(i % 2 == 0, 4, 8), fold));
  exact_index index{texts, matcher_options{}.bloom_bits_per_key};
  std::size_t found = 0;
  auto filtered = per_second(seconds, asked.size(),
                             [&](std::size_t i) { found += index.find(asked[i]).size(); });
  auto unfiltered = per_second(seconds, asked.size(), [&](std::size_t i) {
    found += index.find_unfiltered(asked[i]).size();
  });
  auto mapped = per_second(seconds, asked.size(), [&](std::size_t i) {
    found += map.find(asked[i]) == map.end() ? 0 : 1;
  });
  fmt::print("whole texts: {:.0f} ns, {:.0f} ns without the filter, {:.0f} ns by a map ({} hits)\n",
             1e9 / filtered, 1e9 / unfiltered, 1e9 / mapped, found);
  figure("exact_vs_unordered_map", filtered / mapped, "ratio");
  figure("exact_filter_gain", filtered / unfiltered, "ratio");
}

template <class Filter>
double false_positives(const Filter& filter, std::size_t probes) {
  std::mt19937_64 random{99};
  std::size_t passed = 0;
  for (std::size_t i = 0; i < probes; ++i)
    passed += filter.may_contain(random()) ? 1 : 0;
  return static_cast<double>(passed) / static_cast<double>(probes);
}

void measure_filters(std::size_t count, double seconds) {
  constexpr std::size_t probes = 20'000'000;
  std::mt19937_64 random{1};
  std::vector<std::uint64_t> keys(count);
  for (auto& key : keys)
    key = random();
  blocked_bloom bloom{count};
  for (auto key : keys)
    bloom.insert(key);
  auto fuse = binary_fuse::build(keys, 1);
  if (!fuse)
    std::exit(1);
  auto bloom_rate = false_positives(bloom, probes);
  auto fuse_rate = false_positives(*fuse, probes);
  std::size_t passed = 0;
  auto bloom_per_s = per_second(
      seconds, count, [&](std::size_t i) { passed += bloom.may_contain(keys[i] + 1) ? 1 : 0; });
  auto fuse_per_s = per_second(
      seconds, count, [&](std::size_t i) { passed += fuse->may_contain(keys[i] + 1) ? 1 : 0; });
  auto bits = [&](const auto& f) {
    return static_cast<double>(f.bytes()) * 8 / static_cast<double>(count);
  };
  fmt::print(
      "Bloom: {:.2f} bits a key, {:.4f} % pass, {:.1f} ns; fuse: {:.2f} bits a key, {:.4f} % "
      "pass, {:.1f} ns, {} tries ({} passed)\n",
      bits(bloom), bloom_rate * 100, 1e9 / bloom_per_s, bits(*fuse), fuse_rate * 100,
      1e9 / fuse_per_s, fuse->tries(), passed);
  figure("bloom_fpr_vs_theory", bloom_rate / bloom.expected_false_positives(), "ratio");
  figure("fuse_fpr_vs_theory", fuse_rate / binary_fuse::expected_false_positives(), "ratio");
}

void measure_statistics() {
  constexpr std::int64_t hour_us = 3'600'000'000;
  constexpr int hours = 24 * 40; // more than are kept
  constexpr int an_hour = 1'500;
  auto before = live_bytes;
  statistics counted;
  auto start = cpu_seconds();
  std::string keyword;
  for (int i = 0; i < hours * an_hour; ++i) {
    keyword = fmt::format("a keyword that nobody wrote before, the number {}", i);
    counted.record(keyword, i % 2 == 0 ? "onebot" : "wecom", i * (hour_us / an_hour));
  }
  auto took = cpu_seconds() - start;
  figure("statistics_memory_kib", static_cast<double>(live_bytes - before) / 1024, "KiB");
  figure("statistics_records_per_s", hours * an_hour / took, "1/s");
}

} // namespace

int main(int argc, char** argv) {
  std::size_t count = 100'000;
  double seconds = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string{argv[i]} == "--rules")
      count = std::strtoull(argv[i + 1], nullptr, 10);
    else if (std::string{argv[i]} == "--seconds")
      seconds = std::atof(argv[i + 1]);
  }
  if (count == 0 || seconds <= 0) {
    fmt::print(stderr, "usage: keywords_bench [--rules N] [--seconds N]\n");
    return 2;
  }
  measure_rules(count, seconds);
  measure_exact(count, seconds);
  measure_filters(count, seconds);
  measure_statistics();
}
