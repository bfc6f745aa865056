#include "actors/tokenizer/added_tokens.hpp"

#include <algorithm>

namespace troupe::tokens {

namespace {

std::vector<special_token> by_id(std::vector<special_token> tokens) {
  std::sort(tokens.begin(), tokens.end(),
            [](const special_token& x, const special_token& y) { return x.id < y.id; });
  return tokens;
}

byte_trie trie_of(const std::vector<special_token>& tokens) {
  std::vector<byte_trie::entry> entries;
  entries.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    entries.push_back({tokens[i].text, static_cast<token_id>(i)});
  return byte_trie{std::move(entries)};
}

} // namespace

added_tokens::added_tokens(std::vector<special_token> tokens) :
    tokens_(by_id(std::move(tokens))), trie_(trie_of(tokens_)) {
  for (const auto& token : tokens_) {
    auto first = static_cast<unsigned char>(token.text.front());
    begins_[first] = true;
    only_first_ = first;
  }
  if (std::count(begins_.begin(), begins_.end(), true) > 1)
    only_first_ = -1;
}

std::optional<std::string_view> added_tokens::text_of(token_id id) const noexcept {
  auto at = std::lower_bound(tokens_.begin(), tokens_.end(), id,
                             [](const special_token& x, token_id y) { return x.id < y; });
  if (at == tokens_.end() || at->id != id)
    return std::nullopt;
  return at->text;
}

std::optional<added_tokens::found> added_tokens::next(std::string_view text,
                                                      std::size_t from) const noexcept {
  if (tokens_.empty())
    return std::nullopt;
  for (auto at = from; at < text.size(); ++at) {
    if (only_first_ >= 0)
      at = std::min(text.find(static_cast<char>(only_first_), at), text.size());
    else
      while (at < text.size() && !begins_[static_cast<unsigned char>(text[at])])
        ++at;
    if (at == text.size())
      break;
    if (auto longest = trie_.longest(text.substr(at)); longest.bytes != 0)
      return found{at, &tokens_[longest.token]};
  }
  return std::nullopt;
}

} // namespace troupe::tokens
