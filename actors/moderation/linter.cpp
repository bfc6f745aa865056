#include "actors/moderation/linter.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

namespace troupe::moderation {

namespace {

// Words that most conversations have. Longer lists are texts: they are given to the linter as such.
constexpr std::string_view everyday_words = "我们 你们 他们 她们 自己 大家 别人 什么 怎么 为什么 "
                                            "哪里 这里 那里 这个 那个 这些 那些 这样 那样 "
                                            "今天 明天 昨天 现在 以前 以后 时候 时间 上午 下午 "
                                            "晚上 早上 今年 去年 明年 已经 正在 一直 经常 "
                                            "可以 可能 应该 需要 必须 能够 希望 觉得 认为 知道 "
                                            "明白 喜欢 看到 听到 告诉 帮助 使用 开始 结束 "
                                            "继续 发现 进行 出现 成为 因为 所以 但是 如果 虽然 "
                                            "而且 或者 还是 不是 没有 只有 就是 都是 也是 "
                                            "工作 学习 学生 老师 学校 公司 朋友 家人 孩子 父母 "
                                            "先生 小姐 中国 北京 上海 国家 社会 世界 城市 "
                                            "问题 事情 东西 方法 原因 结果 情况 关系 意思 生活 "
                                            "电话 手机 电脑 网络 微信 信息 数据 文件 系统 "
                                            "开发 测试 服务 用户 价格 免费 购买 销售 市场 经济 "
                                            "政府 人民 领导 新闻 历史 文化 教育 医院 医生 "
                                            "非常 特别 比较 最后 第一 很多 一些 一个 一下 一起 "
                                            "一样 所有 其他 重要 主要 不同 新的 好的 谢谢 "
                                            "about after again also always another because been "
                                            "before being between both call came can come "
                                            "could day did different does done down each even "
                                            "every find first for from get give good great had "
                                            "has have her here him his home house how into its "
                                            "just know large last left like line little long "
                                            "look made make man many may mean men might more most "
                                            "move much must name need never new not now "
                                            "number off old one only other our out over own part "
                                            "people place point program public read right "
                                            "same say school see set she should show small some "
                                            "state still such system take tell than that the "
                                            "their them then there these they thing think this "
                                            "those three time turn two under use user very "
                                            "want water way well went were what when where which "
                                            "while who will with without word work world "
                                            "would write year you young your";

std::string quoted(std::string_view text) { return "\"" + std::string{text} + "\""; }

/// What matching sees of a text, with a mark for what kind of thing it is.
std::u32string seen(std::string_view text, fold_set folds) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size();) {
    auto [code_point, bytes] = character_at(text, at);
    auto c = folded(code_point, folds);
    auto kind = kind_of(c);
    if (!folds.has(fold::symbols) || kind == character_kind::other)
      result += c;
    at += bytes;
  }
  return result;
}

bool is_ascii(const std::u32string& text) {
  return std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
}

class linter {
public:
  linter(const lexicon& words, const matcher_options& options) : words_(words), options_(options) {}

  std::vector<lint> run(std::string_view ordinary) {
    std::vector<problem> problems;
    auto machine = matcher::make(words_, options_, problems);
    for (auto& one : problems) {
      unusable_.insert(one.entry);
      add(lint_kind::unusable, one.entry, std::move(one.text));
    }
    look_at_each();
    look_at_equals();
    look_at_allowed();
    look_in(*machine, ordinary.substr(0, ordinary_bytes_max));
    std::stable_sort(found_.begin(), found_.end(), [](const lint& a, const lint& b) {
      return std::tie(a.entry, a.kind) < std::tie(b.entry, b.kind);
    });
    if (found_.size() > lints_max)
      found_.resize(lints_max);
    return std::move(found_);
  }

private:
  void add(lint_kind kind, std::size_t entry, std::string text) {
    if (entry < words_.entries.size())
      text = quoted(words_.entries[entry].text) + ": " + text;
    found_.push_back({kind, entry, std::move(text)});
  }

  bool is_word(std::size_t i) const {
    return words_.entries[i].kind == entry_kind::word && !unusable_.contains(i);
  }

  std::size_t count() const { return std::min(words_.entries.size(), entries_max); }

  void look_at_each() {
    std::set<std::u32string> everyday;
    for (std::size_t at = 0; at < everyday_words.size();) {
      auto end = std::min(everyday_words.find(' ', at), everyday_words.size());
      everyday.insert(seen(everyday_words.substr(at, end - at), options_.folds));
      at = end + 1;
    }
    for (std::size_t i = 0; i < count(); ++i) {
      if (!is_word(i))
        continue;
      auto text = seen(words_.entries[i].text, options_.folds);
      if (everyday.contains(text))
        add(lint_kind::everyday, i,
            "it is an everyday word: use a longer one, or level and log only");
      if (text.size() == 1)
        add(lint_kind::too_short, i, "it is one character: use a word");
      else if (is_ascii(text) && text.size() <= border_characters_max && !options_.word_borders)
        add(lint_kind::too_short, i, "it is found within longer words: switch word borders on");
    }
  }

  // Words that are the same to the matcher, in the same place.
  void look_at_equals() {
    using key = std::tuple<std::u32string, std::string_view, std::string_view>;
    std::map<key, std::size_t> first;
    for (std::size_t i = 0; i < count(); ++i) {
      const auto& one = words_.entries[i];
      if (unusable_.contains(i))
        continue;
      auto text = one.kind == entry_kind::pattern
                      ? std::u32string(1, U'\0') + seen(one.text, fold_set::none())
                      : seen(one.text, options_.folds);
      auto [at, fresh] = first.try_emplace(key{std::move(text), one.tenant, one.channel}, i);
      if (fresh)
        continue;
      const auto& other = words_.entries[at->second];
      auto of = "entry " + std::to_string(at->second) + " (" + quoted(other.text) + ")";
      if ((one.kind == entry_kind::allowed) != (other.kind == entry_kind::allowed))
        add(lint_kind::contradiction, i,
            "it is allowed and not allowed, see " + of + ": remove one");
      else if (one.act != other.act || one.level != other.level || one.category != other.category
               || one.replacement != other.replacement)
        add(lint_kind::contradiction, i, "it says something else than " + of + ": remove one");
      else
        add(lint_kind::duplicate, i, "it is the same as " + of + ": remove one");
    }
  }

  void look_at_allowed() {
    lexicon forbidden;
    for (std::size_t i = 0; i < count(); ++i)
      if (!unusable_.contains(i) && words_.entries[i].kind != entry_kind::allowed)
        forbidden.entries.push_back(words_.entries[i]);
    if (forbidden.entries.size() == count())
      return;
    std::vector<problem> ignored;
    auto machine = matcher::make(forbidden, options_, ignored);
    for (std::size_t i = 0; i < count(); ++i) {
      const auto& one = words_.entries[i];
      if (one.kind == entry_kind::allowed && !unusable_.contains(i)
          && machine->find(one.text, machine->audience_of(one.tenant, one.channel), 1).hits.empty())
        add(lint_kind::idle, i, "nothing would be found within it: it can be removed");
    }
  }

  void look_in(const matcher& machine, std::string_view ordinary) {
    if (ordinary.empty())
      return;
    std::unordered_map<std::uint32_t, std::size_t> often;
    std::size_t characters = 0;
    for (auto c : ordinary)
      characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    constexpr std::size_t at_once = 1u << 20;
    for (std::size_t at = 0; at < ordinary.size(); at += at_once)
      for (const auto& one : machine.find(ordinary.substr(at, at_once), {}, at_once).hits)
        ++often[one.entry];
    for (auto [entry, times] : often)
      if (entry < count() && times > std::max<std::size_t>(1, characters / everyday_characters))
        add(lint_kind::everyday, entry,
            "it is found " + std::to_string(times)
                + " times in the ordinary text: use a longer "
                  "word, or allow those around it");
  }

  const lexicon& words_;
  const matcher_options& options_;
  std::set<std::size_t> unusable_;
  std::vector<lint> found_;
};

} // namespace

std::string_view name_of(lint_kind kind) noexcept {
  constexpr std::array<std::string_view, 6> names{"unusable",  "too_short",     "everyday",
                                                  "duplicate", "contradiction", "idle"};
  return names[static_cast<std::size_t>(kind)];
}

std::vector<lint> linted(const lexicon& words, const matcher_options& options,
                         std::string_view ordinary) {
  return linter{words, options}.run(ordinary);
}

} // namespace troupe::moderation
