#include "actors/tokenizer/encoding.hpp"

#include "actors/tokenizer/unicode_classes.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace troupe::tokens {

namespace {

// What every special token begins with.
constexpr std::string_view special_mark = "<|";

/// `at`, or the start of the character that `at` lies inside of.
std::size_t character_border(std::string_view text, std::size_t at) {
  for (std::size_t back = 1; back <= 3 && back <= at; ++back)
    if (character_at(text, at - back).bytes > back)
      return at - back;
  return at;
}

} // namespace

encoding::encoding(const vocabulary_info& info, std::shared_ptr<const rank_table> ranks) :
    info_(info), ranks_(std::move(ranks)), specials_(special_tokens_of(info)) {}

const special_token* encoding::special_at(std::string_view text) const noexcept {
  auto found = std::find_if(specials_.begin(), specials_.end(), [&](const special_token& special) {
    return text.starts_with(special.text);
  });
  return found == specials_.end() ? nullptr : &*found;
}

// Calls sink(span of tokens) piece by piece until it returns false. Pieces never reach across a
// special token, and the split sees the text between two of them as a text of its own.
template <class Sink>
void encoding::for_each_piece(std::string_view text, specials mode, Sink&& sink) const {
  rank_table::scratch memory;
  auto plain = [&](std::string_view part) {
    for (std::size_t at = 0; at < part.size();) {
      auto end = piece_end(info_.pattern, part, at);
      if (!sink(ranks_->encode(part.substr(at, end - at), memory)))
        return false;
      at = end;
    }
    return true;
  };
  std::size_t start = 0;
  for (auto at = mode == specials::allowed ? text.find(special_mark) : text.npos; at != text.npos;
       at = text.find(special_mark, at)) {
    const auto* special = special_at(text.substr(at));
    if (special == nullptr) {
      at += special_mark.size();
      continue;
    }
    if (!plain(text.substr(start, at - start)) || !sink(std::span{&special->id, 1}))
      return;
    at += special->text.size();
    start = at;
  }
  plain(text.substr(start));
}

std::vector<token_id> encoding::encode(std::string_view text, specials mode) const {
  std::vector<token_id> ids;
  ids.reserve(text.size() / 4 + 8);
  for_each_piece(text, mode, [&](std::span<const token_id> piece) {
    ids.insert(ids.end(), piece.begin(), piece.end());
    return true;
  });
  return ids;
}

token_count encoding::count(std::string_view text, std::int64_t limit, specials mode) const {
  token_count result;
  for_each_piece(text, mode, [&](std::span<const token_id> piece) {
    result.tokens += static_cast<std::int64_t>(piece.size());
    result.limit_reached = limit > 0 && result.tokens > limit;
    return !result.limit_reached;
  });
  return result;
}

std::optional<std::string_view> encoding::text_of(token_id id) const noexcept {
  if (auto text = ranks_->text_of(id); !text.empty())
    return text;
  for (const auto& special : specials_)
    if (special.id == id)
      return special.text;
  return std::nullopt;
}

std::optional<std::string> encoding::decode(std::span<const token_id> ids) const {
  std::string text;
  for (auto id : ids) {
    auto part = text_of(id);
    if (!part)
      return std::nullopt;
    text += *part;
  }
  return text;
}

std::size_t encoding::truncate(std::string_view text, std::int64_t tokens_max) const {
  if (tokens_max <= 0)
    return 0;
  std::vector<std::size_t> ends; // of the first tokens, and of one more
  for_each_piece(text, specials::as_text, [&](std::span<const token_id> piece) {
    for (auto id : piece)
      if (static_cast<std::int64_t>(ends.size()) <= tokens_max)
        ends.push_back((ends.empty() ? 0 : ends.back()) + ranks_->text_of(id).size());
    return static_cast<std::int64_t>(ends.size()) <= tokens_max;
  });
  if (static_cast<std::int64_t>(ends.size()) <= tokens_max)
    return text.size();
  ends.pop_back();
  // A cut text may split otherwise than it did as a part of the whole: look, and give up more.
  while (!ends.empty()) {
    auto cut = character_border(text, ends.back());
    auto excess = count(text.substr(0, cut)).tokens - tokens_max;
    if (excess <= 0)
      return cut;
    ends.resize(ends.size() - std::min(ends.size(), static_cast<std::size_t>(excess)));
  }
  return 0;
}

library::library(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

std::shared_ptr<const rank_table> library::open_ranks(std::string_view name) {
  if (auto found = ranks_.find(name); found != ranks_.end())
    return found->second;
  auto file = std::string{name} + ".vocab";
  std::string searched;
  for (const auto& folder : folders_) {
    std::error_code ignored;
    if (std::filesystem::exists(folder / file, ignored)) {
      auto opened = std::make_shared<const rank_table>(folder / file);
      ranks_.emplace(name, opened);
      return opened;
    }
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  throw std::runtime_error("the vocabulary " + file + " is in none of these folders: " + searched
                           + "; set TROUPE_SHARE to the folder that has it");
}

std::shared_ptr<const encoding> library::find(std::string_view name) {
  const auto* info = find_vocabulary(name);
  if (info == nullptr)
    return nullptr;
  std::lock_guard lock{mutex_};
  if (auto found = encodings_.find(name); found != encodings_.end())
    return found->second;
  auto made = std::make_shared<const encoding>(*info, open_ranks(info->ranks));
  encodings_.emplace(name, made);
  return made;
}

std::vector<std::filesystem::path> library::default_folders() {
  std::vector<std::filesystem::path> folders;
  if (const char* share = std::getenv("TROUPE_SHARE"); share != nullptr && *share != '\0')
    folders.emplace_back(share);
  std::error_code failed;
  auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    // build/<preset>/troupe, /usr/bin/troupe and build/<preset>/tests/unit_tests, and deeper.
    for (int up = 0; up < 3 && program.has_relative_path(); ++up) {
      program = program.parent_path();
      folders.push_back(program / "share" / "troupe");
    }
  }
  return folders;
}

} // namespace troupe::tokens
