#include "actors/tokenizer/tokenizer_json.hpp"

#include "actors/tokenizer/byte_letters.hpp"
#include "actors/tokenizer/vocabulary_builder.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace troupe::tokens {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

struct known_pattern {
  std::string_view expression;
  split_pattern pattern;
};

// As the files spell them.
constexpr known_pattern known_patterns[] = {
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
     R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::qwen},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
     R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::cl100k},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
     R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
     R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::o200k},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
     split_pattern::gpt2},
};

constexpr std::string_view deepseek_patterns[] = {
    R"(\p{N}{1,3})",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^)"
    "\r\n"
    R"(\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[)"
    "\r\n"
    R"(]*|\s*[)"
    "\r\n"
    R"(]+|\s+(?!\S)|\s+)",
};

[[noreturn]] void refuse(const std::string& why) { throw std::runtime_error(why); }

/// The member if it is there and not null.
std::optional<element> find(const element& from, std::string_view key) {
  element found;
  if (from.at_key(key).get(found) != simdjson::SUCCESS || found.is_null())
    return std::nullopt;
  return found;
}

template <class T>
T get(const element& from, std::string_view key, std::string_view where) {
  T value;
  element found;
  if (from.at_key(key).get(found) != simdjson::SUCCESS || found.get(value) != simdjson::SUCCESS)
    refuse(fmt::format("{} has no {}, or it is of another type than it should be", where, key));
  return value;
}

bool flag(const element& from, std::string_view key) {
  auto found = find(from, key);
  bool value = false;
  if (found && found->get(value) != simdjson::SUCCESS)
    refuse(fmt::format("{} is neither true nor false", key));
  return value;
}

std::string_view type_of(const element& part, std::string_view where) {
  return get<std::string_view>(part, "type", where);
}

/// The parts of a Sequence, or the part itself.
std::vector<element> parts_of(const element& part, std::string_view list, std::string_view where) {
  if (type_of(part, where) != "Sequence")
    return {part};
  std::vector<element> parts;
  for (auto one : get<array>(part, list, where))
    parts.push_back(one);
  return parts;
}

bool wants_nfc(const element& document) {
  auto normalizer = find(document, "normalizer");
  if (!normalizer)
    return false;
  auto composed = false;
  for (const auto& part : parts_of(*normalizer, "normalizers", "normalizer")) {
    if (type_of(part, "normalizer") != "NFC")
      refuse(fmt::format("its normalizer is {}, and only NFC is supported",
                         type_of(part, "normalizer")));
    composed = true;
  }
  return composed;
}

std::string_view expression_of(const element& split) {
  if (get<std::string_view>(split, "behavior", "Split") != "Isolated" || flag(split, "invert"))
    refuse("its Split does something else than to isolate what matches");
  return get<std::string_view>(get<element>(split, "pattern", "Split"), "Regex", "pattern");
}

split_pattern pattern_of(const std::vector<std::string_view>& expressions) {
  if (std::equal(expressions.begin(), expressions.end(), std::begin(deepseek_patterns),
                 std::end(deepseek_patterns)))
    return split_pattern::deepseek;
  if (expressions.size() == 1)
    for (const auto& known : known_patterns)
      if (known.expression == expressions.front())
        return known.pattern;
  refuse("its split pattern is not among those that are supported (of GPT-2, cl100k, o200k, Qwen "
         "and DeepSeek)");
}

// Some splits, and then the bytes as letters.
split_pattern find_pattern(const element& document) {
  auto given = find(document, "pre_tokenizer");
  if (!given)
    refuse("it has no pre_tokenizer: it is not of the byte-level kind");
  std::vector<std::string_view> expressions;
  auto byte_level = false;
  for (const auto& part : parts_of(*given, "pretokenizers", "pre_tokenizer")) {
    auto type = type_of(part, "pre_tokenizer");
    if (byte_level || (type != "Split" && type != "ByteLevel"))
      refuse(fmt::format("its pre_tokenizer has {} where it is not supported", type));
    if (type == "Split") {
      expressions.push_back(expression_of(part));
      continue;
    }
    byte_level = true;
    if (flag(part, "add_prefix_space"))
      refuse("its pre_tokenizer adds a space before the text, which is not supported");
    if (!find(part, "use_regex") || flag(part, "use_regex"))
      expressions.push_back(known_patterns[3].expression);
  }
  if (!byte_level)
    refuse("its pre_tokenizer has no ByteLevel: it is not of the byte-level kind");
  return pattern_of(expressions);
}

void check_model(const element& model) {
  if (auto type = find(model, "type"); type && type_of(model, "model") != "BPE")
    refuse(fmt::format("its model is {}, and only BPE is supported", type_of(model, "model")));
  for (auto key : {"continuing_subword_prefix", "end_of_word_suffix", "unk_token"})
    if (auto found = find(model, key)) {
      std::string_view text;
      if (found->get(text) != simdjson::SUCCESS || !text.empty())
        refuse(fmt::format("its model has a {}, which is not supported", key));
    }
  if (flag(model, "byte_fallback"))
    refuse("its model falls back to bytes: it is not of the byte-level kind");
  double dropout = 0;
  if (auto found = find(model, "dropout"); found && (found->get(dropout) != 0 || dropout != 0))
    refuse("its model leaves out merges by chance (dropout)");
}

std::vector<special_token> read_added(const element& document, bool composed) {
  std::vector<special_token> added;
  if (!find(document, "added_tokens"))
    return added;
  std::unordered_set<std::string_view> texts;
  std::unordered_set<std::uint64_t> ids;
  for (auto one : get<array>(document, "added_tokens", "it")) {
    auto id = get<std::uint64_t>(one, "id", "an added token");
    auto text = get<std::string_view>(one, "content", "an added token");
    if (added.size() >= added_tokens_max)
      refuse(fmt::format("it has more than {} added tokens", added_tokens_max));
    if (text.empty() || text.size() > added_token_bytes_max || id >= tokens_max)
      refuse(fmt::format("the added token {} is empty or too long, or its id too large", id));
    if (!texts.insert(text).second || !ids.insert(id).second)
      refuse(fmt::format("the added token {} is there twice", id));
    for (auto key : {"single_word", "lstrip", "rstrip"})
      if (flag(one, key))
        refuse(fmt::format("the added token {} wants {}, which is not supported", text, key));
    if (composed && flag(one, "normalized"))
      refuse(fmt::format("the added token {} is looked for in the normal form, which is not "
                         "supported",
                         text));
    added.push_back({std::string{text}, static_cast<token_id>(id), flag(one, "special")});
  }
  return added;
}

class model_reader {
public:
  model_reader(const element& model, const std::vector<special_token>& added) {
    std::unordered_set<token_id> added_ids;
    for (const auto& token : added)
      added_ids.insert(token.id);
    read_vocabulary(get<object>(model, "vocab", "model"), added_ids);
    read_merges(get<array>(model, "merges", "model"));
    source_.whole_pieces = flag(model, "ignore_merges");
  }

  vocabulary_source& source() noexcept { return source_; }

private:
  void read_vocabulary(const object& vocab, const std::unordered_set<token_id>& added) {
    ids_.reserve(vocab.size());
    // Ids may have gaps, but not so many that a small file takes much memory.
    auto ids_max = std::min<std::size_t>(tokens_max, 4 * vocab.size() + added_tokens_max);
    for (auto [letters, value] : vocab) {
      std::uint64_t id = 0;
      if (value.get(id) != simdjson::SUCCESS || id >= ids_max)
        refuse(fmt::format("the id of {} is no number, or too large", letters));
      if (!ids_.emplace(letters, static_cast<token_id>(id)).second)
        refuse(fmt::format("{} is in its vocab twice", letters));
      if (id >= source_.tokens.size())
        source_.tokens.resize(id + 1);
      auto bytes = bytes_of_letters(letters);
      if (!bytes && !added.contains(static_cast<token_id>(id)))
        refuse(fmt::format("{} in its vocab is not in letters that stand for bytes", letters));
      if (!source_.tokens[id].empty() || (bytes && bytes->empty()))
        refuse(fmt::format("the id {} is there twice, or its token is empty", id));
      if (bytes)
        source_.tokens[id] = *std::move(bytes);
    }
  }

  void read_merges(const array& merges) {
    source_.merges.reserve(merges.size());
    for (auto one : merges) {
      auto [left, right] = halves_of(one);
      joined_.assign(left).append(right);
      auto l = ids_.find(left), r = ids_.find(right), m = ids_.find(joined_);
      if (l == ids_.end() || r == ids_.end() || m == ids_.end())
        refuse(fmt::format("the merge of {} and {} has no token", left, right));
      source_.merges.push_back({l->second, r->second, m->second});
    }
    if (source_.merges.empty())
      refuse("its model has no merges");
  }

  // Older files have them as one text with a space between.
  static std::pair<std::string_view, std::string_view> halves_of(const element& merge) {
    std::string_view left, right;
    array both;
    if (merge.get(both) == simdjson::SUCCESS) {
      if (both.size() != 2 || both.at(0).get(left) != simdjson::SUCCESS
          || both.at(1).get(right) != simdjson::SUCCESS)
        refuse("one of its merges is not of two texts");
      return {left, right};
    }
    if (merge.get(left) != simdjson::SUCCESS)
      refuse("one of its merges is not of two texts");
    auto space = left.find(' ');
    if (space == left.npos || left.find(' ', space + 1) != left.npos)
      refuse("one of its merges is not of two texts");
    return {left.substr(0, space), left.substr(space + 1)};
  }

  vocabulary_source source_;
  std::unordered_map<std::string_view, token_id> ids_; // by their letters
  std::string joined_;
};

std::string read(const std::filesystem::path& file) {
  std::error_code status;
  auto refuse_file = [&](const std::string& why) {
    refuse(fmt::format("cannot read the vocabulary {}: {}", file.string(), why));
  };
  if (std::filesystem::is_directory(file, status))
    refuse_file("it is a folder");
  std::ifstream in{file, std::ios::binary};
  if (!in)
    refuse_file(std::generic_category().message(errno));
  std::string content;
  std::vector<char> buffer(1 << 16);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    content.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (content.size() > tokenizer_json_bytes_max)
      refuse_file(fmt::format("it is larger than {} bytes", tokenizer_json_bytes_max));
  }
  return content;
}

} // namespace

vocabulary_parts parse_tokenizer_json(std::string name, std::string_view content) {
  if (content.size() > tokenizer_json_bytes_max)
    refuse(fmt::format("it is larger than {} bytes", tokenizer_json_bytes_max));
  simdjson::dom::parser parser{tokenizer_json_bytes_max + simdjson::SIMDJSON_PADDING};
  element document;
  if (auto error = parser.parse(content.data(), content.size()).get(document))
    refuse(fmt::format("it is not JSON: {}", simdjson::error_message(error)));
  if (!document.is_object())
    refuse("it is not an object");
  vocabulary_parts result;
  result.name = std::move(name);
  result.composed = wants_nfc(document);
  result.pattern = find_pattern(document);
  auto model = get<element>(document, "model", "it");
  check_model(model);
  result.added = read_added(document, result.composed);
  model_reader reader{model, result.added};
  for (const auto& [text, id, control] : result.added)
    if (const auto& tokens = reader.source().tokens;
        id < tokens.size() && !tokens[id].empty() && tokens[id] != text)
      refuse(fmt::format("the added token {} has the id {} of another token", text, id));
  result.ranks = std::make_shared<const rank_table>(build_vocabulary(reader.source()));
  return result;
}

vocabulary_parts load_tokenizer_json(std::string name, const std::filesystem::path& file) {
  auto content = read(file);
  try {
    return parse_tokenizer_json(std::move(name), content);
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(
        fmt::format("the vocabulary {} cannot be used: {}", file.string(), e.what()));
  }
}

} // namespace troupe::tokens
