// Converts a rank file of tiktoken (lines of a token in base64 and its rank) to the binary form of
// vocabulary_file.hpp. Run by the build; the same input gives the same bytes.
#include "actors/tokenizer/tools/byte_trie.hpp"
#include "actors/tokenizer/vocabulary_file.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using namespace troupe::tokens;

std::string read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    throw std::runtime_error("cannot read " + path + ": run scripts/setup");
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::array<std::uint8_t, 32> sha256(const std::string& bytes) {
  std::array<std::uint8_t, 32> digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 failed");
  return digest;
}

void check_source(const std::string& name, const std::array<std::uint8_t, 32>& digest) {
  std::string hex;
  for (auto byte : digest)
    hex += fmt::format("{:02x}", byte);
  for (const auto& source : rank_sources) {
    if (source.name != name)
      continue;
    if (source.sha256 != hex)
      throw std::runtime_error(
          fmt::format("the rank file of {} has SHA-256 {}, and should have {}: remove "
                      "actors/tokenizer/vocabularies/node_modules and run scripts/setup",
                      name, hex, source.sha256));
    return;
  }
  throw std::runtime_error("no vocabulary is named " + name);
}

std::string decode_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  auto* out = reinterpret_cast<unsigned char*>(bytes.data());
  auto* in = reinterpret_cast<const unsigned char*>(text.data());
  if (text.size() % 4 != 0
      || EVP_DecodeBlock(out, in, static_cast<int>(text.size())) != static_cast<int>(bytes.size()))
    throw std::runtime_error("bad base64: " + std::string{text});
  auto padding = text.ends_with("==") ? 2u : text.ends_with("=") ? 1u : 0u;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

/// Tokens by id; an id without a token is empty.
std::vector<std::string> parse_ranks(const std::string& content) {
  std::vector<std::string> tokens;
  for (std::size_t at = 0; at < content.size();) {
    auto end = std::min(content.find('\n', at), content.size());
    std::string_view line{content.data() + at, end - at};
    at = end + 1;
    if (line.empty())
      continue;
    auto space = line.find(' ');
    token_id rank = 0;
    if (space == line.npos
        || std::from_chars(line.data() + space + 1, line.data() + line.size(), rank).ec
               != std::errc{}
        || rank >= file::whole_piece_only)
      throw std::runtime_error("bad line: " + std::string{line});
    if (rank >= tokens.size())
      tokens.resize(rank + 1);
    tokens[rank] = decode_base64(line.substr(0, space));
  }
  return tokens;
}

class converter {
public:
  explicit converter(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
    for (token_id id = 0; id < tokens_.size(); ++id)
      if (!tokens_[id].empty() && !id_of_.emplace(tokens_[id], id).second)
        throw std::runtime_error(fmt::format("token {} is there twice", id));
    for (int byte = 0; byte < 256; ++byte)
      if (!id_of_.contains(std::string(1, static_cast<char>(byte))))
        throw std::runtime_error(fmt::format("no token for the byte {}", byte));
    halves_.assign(tokens_.size(), {no_token, no_token});
    for (token_id id = 0; id < tokens_.size(); ++id)
      halves_[id] = last_merge(id);
  }

  void write(const std::string& path, const std::array<std::uint8_t, 32>& digest) const {
    auto pairs = pair_table();
    auto trie = make_trie();
    std::string text;
    std::vector<std::uint32_t> text_end;
    for (const auto& token : tokens_) {
      text += token;
      text_end.push_back(static_cast<std::uint32_t>(text.size()));
    }
    file::header header{};
    header.magic = file::magic;
    header.tokens = static_cast<std::uint32_t>(tokens_.size());
    header.nodes = static_cast<std::uint32_t>(trie.size());
    header.pairs_log2 = static_cast<std::uint32_t>(std::countr_zero(pairs.size()));
    header.text_bytes = static_cast<std::uint32_t>(text.size());
    header.source_sha256 = digest;
    std::ofstream out{path, std::ios::binary};
    out.write(reinterpret_cast<const char*>(&header), sizeof header);
    write_all(out, text_end);
    write_all(out, shorter());
    write_all(out, halves_);
    write_all(out, trie);
    write_all(out, pairs);
    out << text;
    if (!out.flush())
      throw std::runtime_error("cannot write " + path);
  }

private:
  template <class T>
  static void write_all(std::ostream& out, const std::vector<T>& values) {
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(T)));
  }

  token_id find(std::string_view bytes) const {
    auto found = id_of_.find(std::string{bytes});
    return found == id_of_.end() ? no_token : found->second;
  }

  /// Merges the token's bytes as the encoder of a text would, the pair of the least rank first and
  /// the leftmost of equals, and returns the merge that made it; no tokens if none does.
  file::halves last_merge(token_id id) const {
    const std::string& bytes = tokens_[id];
    if (bytes.size() < 2)
      return bytes.empty() ? file::halves{no_token, no_token} : file::halves{id, id};
    std::vector<std::size_t> starts(bytes.size() + 1);
    for (std::size_t i = 0; i < starts.size(); ++i)
      starts[i] = i;
    auto span = [&](std::size_t from, std::size_t to) {
      return find(std::string_view{bytes}.substr(starts[from], starts[to] - starts[from]));
    };
    while (starts.size() > 3) {
      auto least = no_token;
      std::size_t where = 0;
      for (std::size_t i = 0; i + 2 < starts.size(); ++i)
        if (auto merged = span(i, i + 2); merged < least) {
          least = merged;
          where = i;
        }
      if (least == no_token)
        return {no_token, no_token};
      starts.erase(starts.begin() + static_cast<std::ptrdiff_t>(where) + 1);
    }
    file::halves made{span(0, 1), span(1, 2)};
    // The encoder undoes merges from the last to the first by comparing ids.
    if (made.left >= id || made.right >= id)
      throw std::runtime_error(fmt::format("token {} is made of later tokens", id));
    return made;
  }

  bool made_by_merging(token_id id) const { return halves_[id].left != no_token; }

  std::vector<file::pair> pair_table() const {
    auto slots = std::bit_ceil(tokens_.size() + tokens_.size() / 4);
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

  std::vector<file::node> make_trie() const {
    std::vector<troupe::tokens::byte_trie::entry> entries;
    for (token_id id = 0; id < tokens_.size(); ++id)
      if (!tokens_[id].empty())
        entries.push_back({tokens_[id], made_by_merging(id) ? id : id | file::whole_piece_only});
    return byte_trie{std::move(entries)}.nodes();
  }

  /// Of each token, the longest token that begins it and is not it.
  std::vector<token_id> shorter() const {
    std::vector<token_id> result(tokens_.size(), no_token);
    for (token_id id = 0; id < tokens_.size(); ++id)
      for (auto size = tokens_[id].size(); size > 1 && result[id] == no_token; --size) {
        auto prefix = find(std::string_view{tokens_[id]}.substr(0, size - 1));
        if (prefix != no_token && made_by_merging(prefix))
          result[id] = prefix;
      }
    return result;
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, token_id> id_of_;
  std::vector<file::halves> halves_;
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: convert_vocabulary NAME IN.tiktoken OUT.vocab\n", stderr);
    return 2;
  }
  try {
    auto content = read_file(argv[2]);
    auto digest = sha256(content);
    check_source(argv[1], digest);
    converter{parse_ranks(content)}.write(argv[3], digest);
  } catch (const std::exception& e) {
    fmt::print(stderr, "convert_vocabulary: {}\n", e.what());
    return 1;
  }
  return 0;
}
