// The tokenizer's short ways to a piece's tokens, against merging pair by pair.
#include "actors/tokenizer/encoding.hpp"

#include <doctest/doctest.h>

#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

using namespace troupe::tokens;

namespace {

/// Merges the pair of the least rank first, as tiktoken says it.
class merging {
public:
  explicit merging(std::string_view name) :
      info_(*find_vocabulary(name)), encoding_(shared().find(name)) {
    for (token_id id = 0; id < tokens_max; ++id)
      if (auto text = encoding_->text_of(id))
        ids_.emplace(*text, id);
  }

  const encoding& fast() const { return *encoding_; }

  std::vector<token_id> encode(std::string_view text) const {
    std::vector<token_id> all;
    for (std::size_t at = 0; at < text.size();) {
      auto end = piece_end(info_.pattern, text, at);
      merge(text.substr(at, end - at), all);
      at = end;
    }
    return all;
  }

private:
  static library& shared() {
    static library vocabularies_here;
    return vocabularies_here;
  }

  token_id find(std::string_view bytes) const {
    auto found = ids_.find(bytes);
    return found == ids_.end() ? no_token : found->second;
  }

  void merge(std::string_view piece, std::vector<token_id>& all) const {
    if (auto whole = find(piece); whole != no_token)
      return all.push_back(whole);
    std::vector<std::size_t> cuts(piece.size() + 1);
    for (std::size_t i = 0; i < cuts.size(); ++i)
      cuts[i] = i;
    auto part = [&](std::size_t i, std::size_t parts) {
      return find(piece.substr(cuts[i], cuts[i + parts] - cuts[i]));
    };
    for (;;) {
      auto least = no_token;
      std::size_t best = 0;
      for (std::size_t i = 0; i + 2 < cuts.size(); ++i)
        if (auto rank = part(i, 2); rank < least) {
          least = rank;
          best = i;
        }
      if (least == no_token)
        break;
      cuts.erase(cuts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
      all.push_back(part(i, 1));
  }

  const vocabulary_info& info_;
  std::shared_ptr<const encoding> encoding_;
  std::unordered_map<std::string_view, token_id> ids_;
};

void append(std::string& text, std::uint32_t code_point) {
  text += static_cast<char>(0xe0 | code_point >> 12);
  text += static_cast<char>(0x80 | (code_point >> 6 & 0x3f));
  text += static_cast<char>(0x80 | (code_point & 0x3f));
}

/// Characters of three bytes: those of a sentence, that merge with each other, and any others.
std::string random_wide_text(std::mt19937_64& random) {
  static const char32_t common[] =
      U"的一是不了人我在有他这中大来上国们到说时要就出会可也你对生能而子"
      U"，。、！《》のをはにがでてとしたすますカタラスン가이다는에을";
  std::string text;
  for (auto left = 1 + random() % 30; left > 0; --left) {
    switch (random() % 12) {
      case 0:
        append(text, static_cast<std::uint32_t>(0x4e00 + random() % 0x5200));
        break;
      case 1:
        append(text, static_cast<std::uint32_t>(0x800 + random() % 0xf800));
        break;
      case 2:
        text += std::string_view{" a1\n-\xe4\xb8\xff"}.substr(random() % 8, 1);
        break;
      default:
        append(text, common[random() % (std::size(common) - 1)]);
    }
  }
  return text;
}

/// Words around the sixteen bytes that are looked at together, and what may stand beside them.
std::string random_words(std::mt19937_64& random) {
  static const char* const between[] = {" ", "'", "'s", "'LL ", "\n", "  ",
                                        ".", "_", "7",  "é",    "中"};
  std::string text;
  for (auto words = 1 + random() % 6; words > 0; --words) {
    text += between[random() % std::size(between)];
    auto upper = random() % 4;
    for (auto left = random() % 19; left > 0; --left)
      text += static_cast<char>((random() % 4 < upper ? 'A' : 'a') + random() % 26);
  }
  return text;
}

} // namespace

TEST_CASE("characters of three bytes have the tokens that merging pair by pair comes to") {
  std::mt19937_64 random{20'261'127};
  for (auto name : {"cl100k_base", "o200k_base", "r50k_base"}) {
    merging reference{name};
    for (int i = 0; i < 3'000; ++i) {
      auto text = random_wide_text(random);
      INFO(name, ": ", text);
      REQUIRE(reference.fast().encode(text) == reference.encode(text));
    }
  }
}

TEST_CASE("words of any length have the pieces and tokens that merging pair by pair comes to") {
  std::mt19937_64 random{18};
  for (auto name : {"cl100k_base", "o200k_base", "r50k_base"}) {
    merging reference{name};
    for (int i = 0; i < 3'000; ++i) {
      auto text = random_words(random);
      INFO(name, ": ", text);
      REQUIRE(reference.fast().encode(text) == reference.encode(text));
    }
  }
}
