// Converts a rank file of tiktoken (lines of a token in base64 and its rank) to the binary form of
// vocabulary_file.hpp. Run by the build; the same input gives the same bytes.
#include "actors/tokenizer/vocabulary_builder.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
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
        || rank >= tokens_max)
      throw std::runtime_error("bad line: " + std::string{line});
    if (rank >= tokens.size())
      tokens.resize(rank + 1);
    tokens[rank] = decode_base64(line.substr(0, space));
  }
  return tokens;
}

void write_file(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream out{path, std::ios::binary};
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  if (!out.flush())
    throw std::runtime_error("cannot write " + path);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: convert_vocabulary NAME IN.tiktoken OUT.vocab\n", stderr);
    return 2;
  }
  try {
    auto content = read_file(argv[2]);
    vocabulary_source source;
    source.sha256 = sha256(content);
    check_source(argv[1], source.sha256);
    source.tokens = parse_ranks(content);
    write_file(argv[3], build_vocabulary(source));
  } catch (const std::exception& e) {
    fmt::print(stderr, "convert_vocabulary: {}\n", e.what());
    return 1;
  }
  return 0;
}
