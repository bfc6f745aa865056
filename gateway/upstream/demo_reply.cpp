#include "gateway/upstream/demo_reply.hpp"

#include "gateway/upstream/endpoint.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::gateway {

namespace {

constexpr std::size_t quote_bytes_max = 120;
constexpr std::size_t token_bytes_max = 256; // a quote without spaces is one
constexpr std::int64_t tokens_max = 1'000'000;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

/// The bytes of the token at the start of a text that is not empty.
std::size_t token_length(std::string_view text) {
  std::size_t i = 0;
  if (!is_ascii(text[0])) {
    i = 1;
    while (i < text.size() && is_continuation(text[i]))
      ++i;
    return i;
  }
  while (i < text.size() && is_ascii(text[i]) && text[i] != ' ' && text[i] != '\n')
    ++i;
  while (i < text.size() && (text[i] == ' ' || text[i] == '\n'))
    ++i;
  return i;
}

/// The user's text on one line, cut short at a character's border.
std::string quote(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return {};
  text.remove_prefix(first);
  bool cut = text.size() > quote_bytes_max;
  if (cut) {
    auto end = quote_bytes_max;
    while (end > 0 && is_continuation(text[end]))
      --end;
    text = text.substr(0, end);
  }
  std::string line{text};
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  while (!line.empty() && line.back() == ' ')
    line.pop_back();
  return cut ? line + "…" : line;
}

/// True if Chinese characters are what the text is mostly written in.
bool is_chinese(std::string_view text) {
  std::size_t han = 0;
  std::size_t letters = 0;
  for (unsigned char c : text.substr(0, 400)) {
    han += c >= 0xe4 && c <= 0xe9 ? 1 : 0; // the lead bytes of U+4000 to U+9FFF
    letters += (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? 1 : 0;
  }
  return han > 0 && han * 3 >= letters;
}

template <class T>
void read_number(std::string_view query, std::string_view name, T max, T& into) {
  auto text = query_value(query, name);
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= 0 && value <= max)
    into = value;
}

} // namespace

demo_options demo_options_of(const config::upstream_section& section) {
  demo_options options;
  auto mark = section.base_url.find('?');
  if (mark == std::string::npos)
    return options;
  auto query = std::string_view{section.base_url}.substr(mark + 1);
  read_number(query, "tokens_per_s", 1e6, options.tokens_per_s);
  read_number(query, "tokens", tokens_max, options.tokens);
  read_number<std::int64_t>(query, "latency_ms", 600'000, options.latency_ms);
  return options;
}

demo_reply::demo_reply(std::string_view user_text, const demo_options& options,
                       std::int64_t max_tokens) :
    heard_(quote(user_text)),
    limit_(options.tokens),
    repeats_(options.tokens > 0),
    chinese_(is_chinese(heard_)) {
  heard_.shrink_to_fit();
  if (max_tokens > 0 && (limit_ == 0 || max_tokens < limit_)) {
    auto whole = limit_;
    if (whole == 0)
      for (std::size_t at = 0; at < size(); ++whole)
        at += token_length(some(at));
    cut_ = max_tokens < whole;
    limit_ = std::min(max_tokens, whole);
  }
}

demo_reply::pieces demo_reply::text() const {
  std::string_view again = repeats_ ? " " : "";
  if (chinese_)
    return {"你好！我是 Troupe 内置的演示回复，还没有配置任何模型服务。",
            "你说的是：「",
            heard_,
            "」。",
            "要与真正的模型对话，请设置环境变量 OPENAI_API_KEY（以及 OPENAI_BASE_URL）后重新启动，"
            "或在 troupe.yaml 的 upstreams 里添加一个。",
            again};
  bool quotes = !heard_.empty();
  return {"Hello! I am the demo built into Troupe: no model provider is configured yet, so this "
          "reply comes from no model. ",
          quotes ? "You wrote: \"" : "",
          heard_,
          quotes ? "\". " : "",
          "To talk to a real one, set OPENAI_API_KEY (and OPENAI_BASE_URL) and start Troupe again, "
          "or add it to upstreams in troupe.yaml.",
          again};
}

std::size_t demo_reply::size() const {
  std::size_t sum = 0;
  for (auto piece : text())
    sum += piece.size();
  return sum;
}

/// The text from `at` on, as far as its next token may go.
std::string demo_reply::some(std::size_t at) const {
  std::string out;
  for (auto piece : text()) {
    auto skip = std::min(at, piece.size());
    at -= skip;
    out += piece.substr(skip, token_bytes_max - out.size());
  }
  return out;
}

std::string demo_reply::next() {
  if (limit_ != 0 && given_ >= limit_)
    return {};
  if (at_ == size()) {
    if (!repeats_)
      return {};
    at_ = 0;
  }
  auto token = some(at_);
  token.resize(token_length(token));
  at_ += token.size();
  ++given_;
  return token;
}

std::string demo_reply::rest() {
  std::string all;
  for (auto token = next(); !token.empty(); token = next())
    all += token;
  return all;
}

v1::Usage demo_reply::usage(std::int64_t prompt_tokens) const {
  v1::Usage usage;
  usage.set_prompt_tokens(prompt_tokens);
  usage.set_completion_tokens(given_);
  usage.set_total_tokens(prompt_tokens + given_);
  return usage;
}

std::int64_t demo_reply::count_tokens(std::string_view text) {
  std::int64_t count = 0;
  for (; !text.empty(); ++count)
    text.remove_prefix(token_length(text));
  return count;
}

} // namespace troupe::gateway
