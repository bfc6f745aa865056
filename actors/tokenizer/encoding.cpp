#include "actors/tokenizer/encoding.hpp"

#include "actors/tokenizer/canonical_form.hpp"
#include "actors/tokenizer/split_machine.hpp"
#include "actors/tokenizer/tokenizer_json.hpp"
#include "messages/installed.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <limits>
#include <stdexcept>

namespace troupe::tokens {

namespace {

/// `at`, or the start of the character that `at` lies inside of.
std::size_t character_border(std::string_view text, std::size_t at) {
  for (std::size_t back = 1; back <= 3 && back <= at; ++back)
    if (character_at(text, at - back).bytes > back)
      return at - back;
  return at;
}

template <class... Handlers>
struct overloaded : Handlers... {
  using Handlers::operator()...;
};

// Said outright for clang 14, which deduces nothing for an aggregate.
template <class... Handlers>
overloaded(Handlers...) -> overloaded<Handlers...>;

// Collects tokens in a block, into which those of a slot are copied without a look at how many they
// are.
class token_list {
public:
  explicit token_list(std::size_t expected) { all_.reserve(expected); }

  [[gnu::always_inline]] bool operator()(const piece_slot& slot) {
    std::memcpy(block_.data() + used_, slot.ids, sizeof slot.ids);
    used_ += slot.count;
    if (used_ > block_.size() - piece_slot::ids_max) [[unlikely]]
      flush();
    return true;
  }

  bool operator()(std::span<const token_id> tokens) {
    if (used_ + tokens.size() > block_.size() - piece_slot::ids_max) {
      flush();
      all_.insert(all_.end(), tokens.begin(), tokens.end());
    } else {
      std::copy(tokens.begin(), tokens.end(), block_.data() + used_);
      used_ += tokens.size();
    }
    return true;
  }

  std::vector<token_id> all() && {
    flush();
    return std::move(all_);
  }

private:
  void flush() {
    all_.insert(all_.end(), block_.data(), block_.data() + used_);
    used_ = 0;
  }

  std::vector<token_id> all_;
  std::array<token_id, 512> block_;
  std::size_t used_ = 0;
};

std::vector<special_token> uncontrolled(const std::vector<special_token>& all) {
  std::vector<special_token> result;
  std::copy_if(all.begin(), all.end(), std::back_inserter(result),
               [](const special_token& token) { return !token.control; });
  return result;
}

} // namespace

encoding::encoding(vocabulary_parts made_of) :
    parts_(std::move(made_of)), added_(parts_.added), always_(uncontrolled(parts_.added)) {}

encoding::encoding(const vocabulary_info& info, std::shared_ptr<const rank_table> ranks) :
    encoding(vocabulary_parts{std::string{info.name}, info.pattern, false, std::move(ranks),
                              special_tokens_of(info)}) {}

// Calls special(token, where) and plain(text, where) for the parts of the text in order, until one
// of them returns false. What is plain is a text of its own for the split pattern.
template <class Special, class Plain>
void encoding::for_each_part(std::string_view text, specials mode, Special&& special,
                             Plain&& plain) const {
  const auto& added = mode == specials::allowed ? added_ : always_;
  std::size_t start = 0;
  while (auto found = added.next(text, start)) {
    auto [at, token] = *found;
    if (at > start && !plain(text.substr(start, at - start), start))
      return;
    if (!special(*token, at))
      return;
    start = at + token->text.size();
  }
  if (start < text.size())
    plain(text.substr(start), start);
}

// Calls sink(tokens) piece by piece; stops and returns false when it does. Of rank_table::encode it
// gets slots, too.
template <class Sink>
bool encoding::split_and_merge(std::string_view part, rank_table::scratch& memory,
                               Sink&& sink) const {
  const auto& ranks = *parts_.ranks;
  auto run = [&](auto end_of_piece) {
    splitter pieces{part};
    for (std::size_t at = 0; at < part.size();) {
      auto end = end_of_piece(pieces, at);
      if (!ranks.encode(part, at, end, memory, sink))
        return false;
      at = end;
    }
    return true;
  };
  switch (parts_.pattern) {
    case split_pattern::gpt2:
      return run([](const splitter& pieces, std::size_t at) { return pieces.gpt2(at); });
    case split_pattern::cl100k:
      return run([](const splitter& pieces, std::size_t at) { return pieces.cl100k(at); });
    case split_pattern::o200k:
      return run([](const splitter& pieces, std::size_t at) { return pieces.o200k(at); });
    case split_pattern::qwen:
      return run([](const splitter& pieces, std::size_t at) { return pieces.qwen(at); });
    case split_pattern::deepseek:
      return run([](const splitter& pieces, std::size_t at) { return pieces.deepseek(at); });
  }
  return true;
}

// Calls sink(span of tokens) piece by piece until it returns false.
template <class Sink>
void encoding::for_each_piece(std::string_view text, specials mode, Sink&& sink) const {
  rank_table::scratch memory{*parts_.ranks};
  for_each_part(
      text, mode,
      [&](const special_token& token, std::size_t) {
        return sink(std::span<const token_id>{&token.id, 1});
      },
      [&](std::string_view part, std::size_t) {
        if (!parts_.composed)
          return split_and_merge(part, memory, sink);
        canonical_form composed{part};
        return split_and_merge(composed.text(), memory, sink);
      });
}

// Calls sink(token_place) token by token until it returns false.
template <class Sink>
void encoding::for_each_place(std::string_view text, specials mode, Sink&& sink) const {
  rank_table::scratch memory{*parts_.ranks};
  auto plain = [&](std::string_view part, std::size_t start, auto source_of) {
    std::size_t at = 0;
    auto begin = start;
    auto place = [&](std::span<const token_id> piece) {
      for (auto id : piece) {
        at += parts_.ranks->text_of(id).size();
        auto end = start + source_of(at);
        if (!sink(token_place{id, begin, end}))
          return false;
        begin = end;
      }
      return true;
    };
    auto of_slots = overloaded{place, [&](const piece_slot& slot) {
                                 return place(std::span{slot.ids, slot.count});
                               }};
    return split_and_merge(part, memory, of_slots);
  };
  for_each_part(
      text, mode,
      [&](const special_token& token, std::size_t at) {
        return sink(token_place{token.id, at, at + token.text.size()});
      },
      [&](std::string_view part, std::size_t start) {
        if (!parts_.composed)
          return plain(part, start, [](std::size_t at) { return at; });
        canonical_form composed{part};
        std::size_t hint = 0;
        return plain(composed.text(), start,
                     [&](std::size_t at) { return composed.source_of(at, hint); });
      });
}

std::vector<token_id> encoding::encode(std::string_view text, specials mode) const {
  token_list ids{text.size() / 4 + 8};
  for_each_piece(text, mode, ids);
  return std::move(ids).all();
}

std::vector<token_place> encoding::encode_with_places(std::string_view text, specials mode) const {
  std::vector<token_place> places;
  for_each_place(text, mode, [&](const token_place& place) {
    places.push_back(place);
    return true;
  });
  return places;
}

token_count encoding::count(std::string_view text, std::int64_t limit, specials mode) const {
  token_count result;
  auto most = limit > 0 ? limit : std::numeric_limits<std::int64_t>::max();
  auto add = [&](std::size_t more) {
    result.tokens += static_cast<std::int64_t>(more);
    return result.tokens <= most;
  };
  auto counter = overloaded{[&](std::span<const token_id> piece) { return add(piece.size()); },
                            [&](const piece_slot& slot) { return add(slot.count); }};
  for_each_piece(text, mode, counter);
  result.limit_reached = result.tokens > most;
  return result;
}

std::optional<special_place> encoding::first_special(std::string_view text) const noexcept {
  std::size_t from = 0;
  while (auto found = added_.next(text, from)) {
    if (found->token->control)
      return special_place{found->at, found->token->text, found->token->id};
    from = found->at + found->token->text.size();
  }
  return std::nullopt;
}

std::optional<std::string_view> encoding::text_of(token_id id) const noexcept {
  if (auto text = parts_.ranks->text_of(id); !text.empty())
    return text;
  return added_.text_of(id);
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
  auto most = static_cast<std::size_t>(tokens_max);
  std::vector<std::size_t> ends; // of the first tokens, and of one more
  for_each_place(text, specials::as_text, [&](const token_place& place) {
    ends.push_back(place.end);
    return ends.size() <= most;
  });
  if (ends.size() <= most)
    return text.size();
  ends.pop_back();
  return longest_cut(text, 0, ends, most);
}

std::vector<std::size_t> encoding::split(std::string_view text, std::int64_t tokens_max) const {
  auto most = static_cast<std::size_t>(std::max<std::int64_t>(tokens_max, 1));
  std::vector<std::size_t> ends;
  for_each_place(text, specials::as_text, [&](const token_place& place) {
    ends.push_back(place.end);
    return true;
  });
  std::vector<std::size_t> cuts;
  std::size_t first = 0; // of the tokens that are not in a chunk yet
  for (std::size_t start = 0; start < text.size();) {
    auto last = std::min(ends.size(), first + std::min(most, ends.size()));
    auto cut = longest_cut(text, start, std::span{ends}.subspan(first, last - first), most);
    if (cut == start)
      cut += character_at(text, start).bytes;
    cuts.push_back(cut);
    start = cut;
    first = static_cast<std::size_t>(
        std::upper_bound(ends.begin() + static_cast<std::ptrdiff_t>(first), ends.end(), cut)
        - ends.begin());
  }
  return cuts;
}

// The last of the ends, moved to a character's border, up to which the text from `start` on has at
// most so many tokens; `start` if none. A cut text may split otherwise than it did as a part of the
// whole: then more is given up.
std::size_t encoding::longest_cut(std::string_view text, std::size_t start,
                                  std::span<const std::size_t> ends, std::size_t tokens_max) const {
  auto limit = static_cast<std::int64_t>(tokens_max);
  while (!ends.empty()) {
    auto cut = character_border(text, ends.back());
    if (cut <= start)
      return start;
    auto excess = count(text.substr(start, cut - start)).tokens - limit;
    if (excess <= 0)
      return cut;
    ends = ends.first(ends.size() - std::min(ends.size(), static_cast<std::size_t>(excess)));
  }
  return start;
}

library::library(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

std::shared_ptr<const rank_table> library::open_ranks(std::string_view name) {
  if (auto found = ranks_.find(name); found != ranks_.end())
    return found->second;
  auto file = std::string{name} + ".vocab";
  for (const auto& folder : folders_) {
    std::error_code ignored;
    if (std::filesystem::exists(folder / file, ignored)) {
      auto opened = std::make_shared<const rank_table>(folder / file);
      ranks_.emplace(name, opened);
      return opened;
    }
  }
  throw std::runtime_error("the vocabulary " + file + " is in none of these folders: "
                           + listed(folders_) + "; set TROUPE_SHARE to the folder that has it");
}

std::shared_ptr<const encoding> library::find(std::string_view name) {
  const auto* info = find_vocabulary(name);
  std::lock_guard lock{mutex_};
  if (auto found = encodings_.find(name); found != encodings_.end())
    return found->second;
  if (info == nullptr)
    return nullptr;
  auto made = std::make_shared<const encoding>(*info, open_ranks(info->ranks));
  encodings_.emplace(name, made);
  return made;
}

std::shared_ptr<const encoding> library::add(std::string name, const std::filesystem::path& file) {
  if (find_vocabulary(name) != nullptr)
    throw std::runtime_error("the name " + name + " is that of a built-in vocabulary");
  auto made = std::make_shared<const encoding>(load_tokenizer_json(name, file));
  std::lock_guard lock{mutex_};
  encodings_.insert_or_assign(std::move(name), made);
  return made;
}

std::vector<std::filesystem::path> library::default_folders() {
  return installed_folders("TROUPE_SHARE", "share/troupe");
}

} // namespace troupe::tokens
