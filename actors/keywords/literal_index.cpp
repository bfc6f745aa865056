#include "actors/keywords/literal_index.hpp"

#include <tuple>

namespace troupe::keywords {

literal_index literal_index::builder::build() {
  std::sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) {
    return std::tie(a.literal, a.what.rank) < std::tie(b.literal, b.what.rank);
  });
  literal_index made;
  for (const auto& e : entries_) {
    if (literals_.empty() || literals_.back() != e.literal) {
      literals_.push_back(e.literal);
      made.first_.push_back(static_cast<std::uint32_t>(made.postings_.size()));
      made.least_.push_back(e.what.rank);
      made.least_of_all_ = std::min(made.least_of_all_, e.what.rank);
      made.borders_.push_back(0);
    }
    if (e.what.whole_word)
      made.borders_.back() = own;
    if (e.is_posting)
      made.postings_.push_back(e.what);
  }
  made.first_.push_back(static_cast<std::uint32_t>(made.postings_.size()));
  made.trie_ = automaton{literals_};
  made.least_ending_ = made.least_;
  made.trie_.for_each_ending([&](std::uint32_t literal, std::uint32_t shorter) {
    if (shorter == automaton::no_literal)
      return;
    made.least_ending_[literal] = std::min(made.least_[literal], made.least_ending_[shorter]);
    if (made.borders_[shorter] != 0)
      made.borders_[literal] |= of_shorter;
  });
  made.first_.shrink_to_fit();
  made.postings_.shrink_to_fit();
  made.least_.shrink_to_fit();
  return made;
}

std::uint32_t literal_index::builder::literal_of(std::u32string_view literal) const {
  auto found = std::lower_bound(literals_.begin(), literals_.end(), literal);
  return static_cast<std::uint32_t>(found - literals_.begin());
}

std::size_t literal_index::bytes() const noexcept {
  return trie_.bytes() + borders_.capacity() + postings_.capacity() * sizeof(posting)
         + (first_.capacity() + least_.capacity() + least_ending_.capacity())
               * sizeof(std::uint32_t);
}

} // namespace troupe::keywords
