#include "actors/tokenizer/vocabulary_builder.hpp"

#include "actors/tokenizer/byte_trie.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace troupe::tokens {

namespace {

struct halves {
  token_id left = no_token, right = no_token;
};

/// Of a code point from U+0080 to U+FFFF.
std::string utf8_of(std::uint32_t code_point) {
  std::string bytes;
  auto put = [&](std::uint32_t byte) { bytes += static_cast<char>(byte); };
  if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
  } else {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3f));
  }
  put(0x80 | (code_point & 0x3f));
  return bytes;
}

/// The code point of three bytes that is whole at `at`, or 0.
std::uint32_t wide_code_point(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (at + 3 > text.size() || (byte(0) & 0xf0) != 0xe0 || (byte(1) & 0xc0) != 0x80
      || (byte(2) & 0xc0) != 0x80)
    return 0;
  auto value = (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
  return value < 0x800 ? 0 : value;
}

class builder {
public:
  explicit builder(const vocabulary_source& source) :
      source_(source), tokens_(source.tokens), halves_(source.tokens.size()) {
    check_tokens();
    if (source.merges.empty())
      find_halves();
    else
      take_halves();
  }

  std::vector<std::byte> build() const {
    auto entries = token_entries();
    auto trie = make_trie();
    auto pairs = pair_table();
    std::string text;
    for (const auto& token : tokens_)
      text += token;
    file::header header{};
    header.magic = file::magic;
    header.tokens = static_cast<std::uint32_t>(tokens_.size());
    header.nodes = static_cast<std::uint32_t>(trie.nodes().size());
    header.pairs_log2 = static_cast<std::uint32_t>(std::countr_zero(pairs.size()));
    header.text_bytes = static_cast<std::uint32_t>(text.size());
    header.source_sha256 = source_.sha256;
    auto wide = wide_bits(header.wide_log2);
    std::vector<std::byte> image;
    append(image, &header, 1);
    append(image, entries.data(), entries.size());
    append(image, trie.nodes().data(), trie.nodes().size());
    auto starts = make_starts(trie);
    append(image, starts.data(), starts.size());
    auto singles = make_singles();
    append(image, singles.data(), singles.size());
    append(image, pairs.data(), pairs.size());
    auto filter = filter_bits(header.pairs_log2);
    append(image, filter.data(), filter.size());
    append(image, wide.data(), wide.size());
    auto crossings = find_crossings();
    append(image, &crossings, 1);
    append(image, text.data(), text.size());
    return image;
  }

private:
  template <class T>
  static void append(std::vector<std::byte>& image, const T* values, std::size_t count) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values);
    image.insert(image.end(), bytes, bytes + count * sizeof(T));
  }

  static std::uint64_t key_of(token_id left, token_id right) {
    return static_cast<std::uint64_t>(left) << 32 | right;
  }

  token_id find(std::string_view bytes) const {
    auto found = id_of_.find(bytes);
    return found == id_of_.end() ? no_token : found->second;
  }

  void check_tokens() {
    if (tokens_.size() > tokens_max)
      throw std::runtime_error(fmt::format("it has more than {} tokens", tokens_max));
    std::size_t bytes = 0;
    id_of_.reserve(tokens_.size());
    for (token_id id = 0; id < tokens_.size(); ++id) {
      const auto& token = tokens_[id];
      bytes += token.size();
      if (token.size() > token_bytes_max)
        throw std::runtime_error(
            fmt::format("token {} is longer than {} bytes", id, token_bytes_max));
      if (!token.empty() && !id_of_.emplace(token, id).second)
        throw std::runtime_error(fmt::format("token {} is there twice", id));
    }
    if (bytes > std::numeric_limits<std::uint32_t>::max() / 2)
      throw std::runtime_error("its tokens are too long together");
    for (int byte = 0; byte < 256; ++byte) {
      auto letter = static_cast<char>(byte);
      auto id = find({&letter, 1});
      if (id == no_token)
        throw std::runtime_error(fmt::format("no token stands for the byte {}", byte));
      halves_[id] = {id, id};
    }
  }

  bool made_by_merging(token_id id) const { return halves_[id].left != no_token; }

  // Whether merging the bytes of both gives just them, by the merges that are known so far: the
  // rule of rank_table::may_stand_together.
  bool may_stand_together(token_id left, token_id right) const {
    auto undone = no_token;
    for (;;) {
      if (auto found = merged_.find(key_of(left, right));
          found != merged_.end() && found->second < undone)
        return false;
      auto left_half = halves_[left].right;
      auto right_half = halves_[right].left;
      auto left_is_byte = left_half == left;
      auto right_is_byte = right_half == right;
      if (left_is_byte && right_is_byte)
        return true;
      if (right_is_byte || (!left_is_byte && left > right)) {
        undone = left;
        left = left_half;
      } else {
        undone = right + 1;
        right = right_half;
      }
    }
  }

  // The merge is the one that makes the token when a text has its bytes, if the merges before it
  // leave just its two halves. No other merge of the token does then.
  void try_merge(token_id id, token_id left, token_id right) {
    if (!made_by_merging(left) || !made_by_merging(right) || !may_stand_together(left, right))
      return;
    halves_[id] = {left, right};
    merged_.emplace(key_of(left, right), id);
  }

  void find_halves() {
    for (token_id id = 0; id < tokens_.size(); ++id) {
      std::string_view bytes = tokens_[id];
      for (std::size_t cut = 1; cut < bytes.size() && !made_by_merging(id); ++cut) {
        auto left = find(bytes.substr(0, cut));
        auto right = find(bytes.substr(cut));
        if (left < id && right < id)
          try_merge(id, left, right);
      }
    }
  }

  void take_halves() {
    token_id last = 0;
    for (const auto& [left, right, merged] : source_.merges) {
      if (left >= tokens_.size() || right >= tokens_.size() || merged >= tokens_.size()
          || tokens_[merged] != tokens_[left] + tokens_[right])
        throw std::runtime_error(fmt::format("the merge that makes token {} makes none", merged));
      if (merged < last || (!is_byte(left) && left >= merged)
          || (!is_byte(right) && right >= merged))
        throw std::runtime_error(fmt::format(
            "the merge that makes token {} is out of order: merges must come as their tokens' ids",
            merged));
      last = merged;
      if (!made_by_merging(merged))
        try_merge(merged, left, right);
    }
  }

  bool is_byte(token_id id) const { return tokens_[id].size() == 1; }

  std::vector<file::token_entry> token_entries() const {
    std::vector<file::token_entry> entries;
    entries.reserve(tokens_.size());
    std::uint32_t end = 0;
    for (token_id id = 0; id < tokens_.size(); ++id) {
      end += static_cast<std::uint32_t>(tokens_[id].size());
      entries.push_back({end, no_token, halves_[id].left, halves_[id].right});
    }
    return entries;
  }

  std::vector<file::pair> pair_table() const {
    auto slots = std::bit_ceil(2 * merged_.size() + 64);
    std::vector<file::pair> table(slots, {no_token, no_token, no_token});
    auto log2 = static_cast<std::uint32_t>(std::countr_zero(slots));
    for (token_id id = 0; id < tokens_.size(); ++id) {
      if (tokens_[id].size() < 2 || !made_by_merging(id))
        continue;
      auto [left, right] = halves_[id];
      auto slot = file::pair_slot(left, right, log2);
      while (table[slot].left != no_token)
        slot = (slot + 1) & (slots - 1);
      table[slot] = {left, right, id};
    }
    return table;
  }

  byte_trie make_trie() const {
    std::vector<byte_trie::entry> entries;
    for (token_id id = 0; id < tokens_.size(); ++id) {
      if (made_by_merging(id))
        entries.push_back({tokens_[id], id});
      else if (source_.whole_pieces && !tokens_[id].empty())
        entries.push_back({tokens_[id], id | file::whole_piece_only});
    }
    return byte_trie{std::move(entries)};
  }

  static void set_bit(std::vector<std::uint64_t>& bits, std::size_t i) {
    bits[i / 64] |= std::uint64_t{1} << i % 64;
  }

  std::vector<std::uint64_t> filter_bits(std::uint32_t pairs_log2) const {
    std::vector<std::uint64_t> bits((std::size_t{1} << (pairs_log2 + file::filter_bits_log2)) / 64);
    for (const auto& [key, id] : merged_)
      set_bit(bits, file::filter_bit(static_cast<token_id>(key >> 32), static_cast<token_id>(key),
                                     pairs_log2));
    return bits;
  }

  std::vector<std::uint64_t> wide_bits(std::uint32_t& log2) const {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (const auto& token : tokens_)
      for (std::size_t at = 0; at + 6 <= token.size(); ++at)
        if (auto first = wide_code_point(token, at), second = wide_code_point(token, at + 3);
            first != 0 && second != 0)
          pairs.emplace_back(first, second);
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    auto size = std::clamp<std::size_t>(std::bit_ceil(16 * pairs.size()), 1 << 12, 1 << 20);
    log2 = static_cast<std::uint32_t>(std::countr_zero(size));
    std::vector<std::uint64_t> bits(size / 64);
    for (auto [first, second] : pairs)
      set_bit(bits, file::wide_bit(first, second, log2));
    return bits;
  }

  file::crossings find_crossings() const {
    file::crossings found{};
    auto continues = [](char byte) { return (byte & 0xc0) == 0x80; };
    auto leads = [](char byte) { return (byte & 0xf0) == 0xe0; };
    for (std::string_view token : tokens_)
      for (std::size_t cut = 1; cut < token.size(); ++cut) {
        auto left = token.substr(0, cut), right = token.substr(cut);
        auto left_whole = cut >= 3 && wide_code_point(left, cut - 3) != 0;
        auto right_whole = wide_code_point(right, 0) != 0;
        auto ends_one = cut <= 2 && std::all_of(left.begin(), left.end(), continues);
        auto begins_one = right.size() <= 2 && leads(right.front())
                          && std::all_of(right.begin() + 1, right.end(), continues);
        if ((left_whole || ends_one) && (right_whole || begins_one) && !(left_whole && right_whole))
          found[right.front() & 15] |= std::uint64_t{1} << (left.back() & 63);
      }
    return found;
  }

  std::vector<file::start> make_starts(const byte_trie& trie) const {
    std::vector<file::start> starts(0x10000, {0, 0, 0, 0});
    for (std::uint32_t code_point = 0x80; code_point < starts.size(); ++code_point) {
      auto& start = starts[code_point];
      auto length = 0u;
      for (auto byte : utf8_of(code_point)) {
        start.node = byte_trie::child(trie.nodes(), start.node, static_cast<std::uint8_t>(byte));
        if (start.node == 0)
          break;
        ++length;
        if (auto token = trie.nodes()[start.node].token; token < file::whole_piece_only) {
          start.token = token;
          start.bytes = length;
        }
      }
    }
    for (const auto& token : tokens_)
      if (token.size() > 3)
        if (auto first = wide_code_point(token, 0); first != 0 && wide_code_point(token, 3) == 0)
          starts[first].odd = 1;
    return starts;
  }

  token_id merged(token_id left, token_id right) const {
    auto found = merged_.find(key_of(left, right));
    return found == merged_.end() ? no_token : found->second;
  }

  std::vector<file::single> make_singles() const {
    std::vector<file::single> singles(0x10000, {0, 0, 0, 0});
    for (std::uint32_t code_point = 0x800; code_point < singles.size(); ++code_point) {
      std::vector<token_id> ids;
      for (auto byte : utf8_of(code_point))
        ids.push_back(find({&byte, 1}));
      for (;;) { // the pair of the least rank, the left one of equals
        std::size_t best = 0;
        auto least = no_token;
        for (std::size_t i = 0; i + 1 < ids.size(); ++i)
          if (auto made = merged(ids[i], ids[i + 1]); made < least) {
            least = made;
            best = i;
          }
        if (least == no_token)
          break;
        ids[best] = least;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
      }
      auto count = ids.size();
      ids.resize(3, 0);
      singles[code_point] = {ids[0], ids[1], ids[2], count};
    }
    return singles;
  }

  const vocabulary_source& source_;
  const std::vector<std::string>& tokens_;
  std::unordered_map<std::string_view, token_id> id_of_;
  std::unordered_map<std::uint64_t, token_id> merged_;
  std::vector<halves> halves_;
};

/// Of each token, the longest that begins it, is made by merging and is not it.
void fill_shorter(std::vector<std::byte>& image) {
  file::header header;
  std::memcpy(&header, image.data(), sizeof header);
  auto* entries = reinterpret_cast<file::token_entry*>(image.data() + sizeof header);
  const auto* nodes = reinterpret_cast<const file::node*>(entries + header.tokens);
  const auto* text =
      reinterpret_cast<const unsigned char*>(image.data() + image.size() - header.text_bytes);
  for (token_id id = 0; id < header.tokens; ++id) {
    auto begin = id == 0 ? 0 : entries[id - 1].text_end;
    std::uint32_t node = 0;
    for (auto at = begin; at + 1 < entries[id].text_end; ++at) {
      node = (nodes[node].link >> file::label_bits) ^ text[at];
      if ((nodes[node].link & file::no_label) != text[at])
        break;
      if (auto token = nodes[node].token; token < file::whole_piece_only)
        entries[id].shorter = token;
    }
  }
}

} // namespace

std::vector<std::byte> build_vocabulary(const vocabulary_source& source) {
  auto image = builder{source}.build();
  fill_shorter(image);
  return image;
}

} // namespace troupe::tokens
