// A lexicon made ready: finds its words, patterns and built-in forms in texts.
#pragma once

#include "actors/moderation/automaton.hpp"
#include "actors/moderation/detectors.hpp"
#include "actors/moderation/entry.hpp"
#include "actors/moderation/folding.hpp"
#include "actors/moderation/pinyin.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

/// What is done about a detector's hits.
struct detector_policy {
  bool on = false;
  std::string category;
  std::uint8_t level = 1;
  action act = action::mask;
  std::string replacement;
};

struct matcher_options {
  fold_set folds = fold_set::all();
  /// Latin words of up to three characters, and numbers, are found only where they stand alone.
  bool word_borders = true;
  std::array<detector_policy, detectors_count> detectors; // by `detector`
};

/// One place where something was found.
struct hit {
  std::uint64_t begin = 0, end = 0; // bytes of the original text, at borders of characters
  std::uint32_t entry = 0;          // index in the lexicon; or `first_detector` and on
  std::uint8_t level = 0;
  action act = action::log;
  fold_set folds; // that were needed to see it

  friend bool operator==(const hit&, const hit&) = default;
};

inline constexpr std::uint32_t first_detector = 0xffff'fff0;

/// What was found in a text: by the beginning, then the longer first.
struct findings {
  std::vector<hit> hits;
  bool truncated = false; // there are more than the limit, or the text is longer than allowed
};

inline constexpr std::size_t hits_max_by_default = 10'000;
inline constexpr std::size_t find_bytes_max = 1u << 30;

/// Immutable and thread-safe: one may serve every thread while the next one is made.
class matcher {
public:
  /// Makes a matcher of what can be used of the lexicon, and tells in `problems` what cannot be and
  /// why. Takes some 0.1 s for 60,000 entries: not on a request's way.
  static std::shared_ptr<const matcher> make(const lexicon& words, const matcher_options& options,
                                             std::vector<problem>& problems);

  /// The numbers of a tenant and a channel. Entries of other ones are not found for them; names
  /// that no entry has are 0.
  audience audience_of(std::string_view tenant, std::string_view channel) const;

  /// Everything in a whole text of any bytes. Hits within an allowed word are left out. Takes time
  /// linear in the text, but for words of a kind that hits everywhere.
  findings find(std::string_view text, audience to = {},
                std::size_t hits_max = hits_max_by_default) const;

  std::string_view name() const noexcept { return name_; }
  std::uint64_t version() const noexcept { return version_; }
  /// The lexicon that an entry is of, of those that were put together; null: of none.
  const lexicon_part* part_of(std::uint32_t entry) const noexcept;
  const matcher_options& options() const noexcept { return options_; }
  /// There is nothing that it could find.
  bool empty() const noexcept;
  std::size_t memory_bytes() const noexcept;

  /// Of an entry or a detector; empty if there is none of this number.
  std::string_view text(std::uint32_t entry) const noexcept;
  std::string_view category(std::uint32_t entry) const noexcept;
  std::string_view replacement(std::uint32_t entry) const noexcept;

private:
  friend class stream_filter;
  class maker;

  struct record {
    std::uint32_t text_at = 0, replacement_at = 0;
    std::uint16_t text_bytes = 0, replacement_bytes = 0, category = 0;
    std::uint8_t level = 0;
    action act = action::log;
    entry_kind kind = entry_kind::word;
  };

  /// Where a scan of a text that comes in pieces stands, of each part of the matcher.
  struct progress {
    static constexpr std::size_t unused = std::string_view::npos;
    std::size_t words_at = 0, exact_at = unused, sound_at = unused, detectors_at = unused;
    piece_context words;
    scan_context exact;
    bool sound_after_latin = false;
    char detectors_after = 0;
    std::size_t least() const noexcept {
      return std::min(std::min(words_at, exact_at), std::min(sound_at, detectors_at));
    }
  };
  enum class source : std::uint8_t { words, exact, sound, detectors };
  struct raw_hit {
    found what;
    source from;
  };

  /// At a text's beginning.
  progress beginning() const noexcept;
  /// Goes on with `text` as far as it is known, or until about `hits_max` hits were added.
  void scan(std::string_view text, progress& at, bool final, audience to, std::size_t hits_max,
            std::vector<found>& memory, std::vector<raw_hit>& hits) const {
    auto before = at.words.before;
    auto base = at.words_at;
    at.words_at += words_.scan(text.substr(base), before, final, to, hits_max, memory);
    at.words = {
        .before = before, .after = before, .read_to = static_cast<std::uint32_t>(at.words_at)};
    for (auto& one : memory) {
      one.begin += base;
      one.end += base;
    }
    scan_rest(text, at, final, to, hits_max, memory, hits);
  }
  /// The same for the words of a text that goes on, but for those in `memory`, which are not hits
  /// yet: `automaton::scan_piece`. Without effect, and false, if that does not do for this text.
  bool scan_piece(std::string_view text, progress& at, audience to,
                  std::vector<found>& memory) const {
    auto passed = words_.scan_piece(text, at.words, to, memory);
    if (passed == automaton::not_scanned)
      return false;
    at.words_at = passed;
    return true;
  }
  /// Then there is nothing to do but this.
  bool nothing_else(const std::vector<found>& memory) const noexcept {
    return memory.empty() && has_words_only_;
  }
  void scan_rest(std::string_view text, progress& at, bool final, audience to, std::size_t hits_max,
                 std::vector<found>& memory, std::vector<raw_hit>& hits) const {
    add(memory, source::words, 0, hits);
    if (!has_words_only_)
      scan_others(text, at, final, to, hits_max, memory, hits);
  }
  void scan_others(std::string_view text, progress& at, bool final, audience to,
                   std::size_t hits_max, std::vector<found>& memory,
                   std::vector<raw_hit>& hits) const;
  // Moves them; none is left in `some`.
  static void add(std::vector<found>& some, source from, std::size_t base,
                  std::vector<raw_hit>& hits);
  static bool before(const raw_hit& a, const raw_hit& b) noexcept;
  bool is_allowed(const raw_hit& one) const noexcept;
  /// `bytes` is the text of the hit; offsets count from `base`.
  hit made(const raw_hit& one, std::string_view bytes, std::uint64_t base) const;
  fold_set folds_of(const raw_hit& one, std::string_view bytes) const;

  std::string name_;
  std::uint64_t version_ = 0;
  std::vector<lexicon_part> parts_;
  matcher_options options_;
  automaton words_; // with all folds
  automaton exact_; // words of symbols: without seeing through symbols and repeats
  pinyin_index sound_;
  detector_set detectors_;
  bool has_words_only_ = false;
  std::vector<record> records_;
  std::string texts_;
  std::vector<std::string> categories_;
  std::vector<std::string> tenants_, channels_; // sorted; the number is the index and one
};

} // namespace troupe::moderation
