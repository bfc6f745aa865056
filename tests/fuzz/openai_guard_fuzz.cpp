// Chunks of a streamed answer, a line each, through a guard: nothing goes on unseen.
#include "gateway/openai/answer_guard.hpp"
#include "messages/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace troupe;
using namespace troupe::gateway::openai;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Masks each `m`, holds back each `h` until something else comes, and blocks at a `b`.
class letters final : public guarded_text {
public:
  caf::error push(std::string_view piece, std::string& out) override {
    for (auto letter : piece) {
      if (blocked_ || letter == 'b') {
        blocked_ = true;
        return verdict();
      }
      if (letter == 'h') {
        ++held_;
        continue;
      }
      out.append(std::exchange(held_, 0), 'h');
      out += letter == 'm' ? '*' : letter;
    }
    return verdict();
  }
  caf::error finish(std::string& out) override {
    out.append(std::exchange(held_, 0), 'h');
    return verdict();
  }
  std::size_t held_bytes() const override { return held_; }

private:
  caf::error verdict() const {
    return blocked_ ? make_error(ec::content_filtered, "b") : caf::error{};
  }

  std::size_t held_ = 0;
  bool blocked_ = false;
};

class letter_guard final : public text_guard {
public:
  bool watches(v1::TextDirection, text_way) const noexcept override { return true; }
  caf::expected<std::optional<std::string>> check(std::string_view, v1::TextDirection,
                                                  const text_origin&) const override {
    return std::optional<std::string>{};
  }
  std::unique_ptr<guarded_text> open(v1::TextDirection, const text_origin&) const override {
    return std::make_unique<letters>();
  }
};

/// What a client reads of it has been seen.
void check_sent(std::string_view json) {
  stream_facts facts;
  std::string text;
  std::vector<choice_part> said;
  require(read_chunk(json, facts, text, said) != chunk_kind::malformed);
  for (const auto& part : said)
    require(part.text.find_first_of("mb") == part.text.npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view lines{reinterpret_cast<const char*>(data), size};
  answer_guard guard{std::make_shared<const letter_guard>(), {}};
  std::vector<std::string> instead;
  auto verdict = answer_guard::verdict::same;
  while (!lines.empty() && verdict != answer_guard::verdict::blocked) {
    auto json = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), json.size() + 1));
    stream_facts facts;
    std::string text;
    std::vector<choice_part> said;
    if (read_chunk(json, facts, text, said) != chunk_kind::content)
      continue;
    instead.clear();
    verdict = guard.take(json, said, instead);
    require((verdict == answer_guard::verdict::same) == instead.empty());
    if (instead.empty())
      check_sent(json);
    for (const auto& one : instead)
      check_sent(one);
  }
  instead.clear();
  if (verdict != answer_guard::verdict::blocked)
    guard.finish(instead);
  for (const auto& one : instead)
    check_sent(one);
  return 0;
}
