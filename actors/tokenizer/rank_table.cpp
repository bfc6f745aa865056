#include "actors/tokenizer/rank_table.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

namespace troupe::tokens {

namespace {

struct open_file {
  explicit open_file(const char* path) : fd(::open(path, O_RDONLY | O_CLOEXEC)) {}
  ~open_file() {
    if (fd >= 0)
      ::close(fd);
  }
  int fd;
};

// Pieces from this length on remember which tokens may stand together: repeats ask the same often.
constexpr std::size_t long_piece_bytes = 64;
constexpr std::size_t neighbours_log2 = 12;
constexpr std::uint64_t together = std::uint64_t{1} << 63;

std::size_t expected_bytes(const file::header& h) {
  return sizeof(file::header)
         + std::size_t{h.tokens} * (sizeof(std::uint32_t) + sizeof(token_id) + sizeof(file::halves))
         + std::size_t{h.nodes} * sizeof(file::node)
         + (std::size_t{1} << h.pairs_log2) * sizeof(file::pair) + h.text_bytes;
}

} // namespace

rank_table::rank_table(const std::filesystem::path& path) {
  auto refuse = [&](const char* why) {
    throw std::runtime_error("the vocabulary " + path.string() + " " + why
                             + ": build Troupe again, or point TROUPE_SHARE to its share folder");
  };
  open_file file{path.c_str()};
  struct stat status {};
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0)
    refuse("cannot be read");
  data_bytes_ = static_cast<std::size_t>(status.st_size);
  if (data_bytes_ < sizeof(file::header))
    refuse("is cut short");
  auto* mapped = ::mmap(nullptr, data_bytes_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapped == MAP_FAILED)
    refuse("cannot be mapped into memory");
  data_ = static_cast<const std::byte*>(mapped);
  header_ = reinterpret_cast<const file::header*>(data_);
  auto good = header_->magic == file::magic && header_->pairs_log2 > 0 && header_->pairs_log2 < 32
              && expected_bytes(*header_) == data_bytes_;
  if (!good) {
    ::munmap(mapped, data_bytes_);
    refuse("is of another version, or damaged");
  }
  const auto* at = data_ + sizeof(file::header);
  auto section = [&]<class T>(const T*& pointer, std::size_t count) {
    pointer = reinterpret_cast<const T*>(at);
    at += count * sizeof(T);
  };
  section(text_end_, header_->tokens);
  section(shorter_, header_->tokens);
  section(halves_, header_->tokens);
  section(nodes_, header_->nodes);
  section(pairs_, std::size_t{1} << header_->pairs_log2);
  section(text_, header_->text_bytes);
}

rank_table::~rank_table() { ::munmap(const_cast<std::byte*>(data_), data_bytes_); }

std::string_view rank_table::text_of(token_id id) const noexcept {
  if (id >= header_->tokens)
    return {};
  auto start = id == 0 ? 0 : text_end_[id - 1];
  return {text_ + start, text_end_[id] - start};
}

std::size_t rank_table::bytes_of(token_id id) const noexcept {
  return text_end_[id] - (id == 0 ? 0 : text_end_[id - 1]);
}

rank_table::match rank_table::longest_match(std::string_view text) const noexcept {
  match found;
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto child = nodes_[node].first_child ^ static_cast<std::uint8_t>(text[i]);
    if (nodes_[child].parent != node)
      return found;
    node = child;
    auto token = nodes_[node].token;
    if (token == no_token)
      continue;
    if (i + 1 == text.size())
      found.whole = true;
    else if (token & file::whole_piece_only)
      continue;
    found.token = token;
  }
  return found;
}

token_id rank_table::merged(token_id left, token_id right) const noexcept {
  auto mask = (std::size_t{1} << header_->pairs_log2) - 1;
  auto slot = file::pair_slot(left, right, header_->pairs_log2);
  while (pairs_[slot].left != no_token) {
    if (pairs_[slot].left == left && pairs_[slot].right == right)
      return pairs_[slot].merged;
    slot = (slot + 1) & mask;
  }
  return no_token;
}

// Merging the bytes of both tokens gives just them, if it never takes a merge across their border.
// So undo their merges, the latest first (ids grow with time): whenever the two halves at the
// border have a merge of their own, it must not come before the merge that was undone last. Of
// equal ranks the left one comes first.
bool rank_table::may_stand_together(token_id left, token_id right) const noexcept {
  auto undone = no_token; // a merge across the border comes too early if it is below this
  for (;;) {
    if (merged(left, right) < undone)
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

// A direct-mapped memory of answers: both ids in the lower 63 bits of an entry, the answer above.
bool rank_table::recall_neighbours(token_id left, token_id right, scratch& memory) const noexcept {
  auto key = static_cast<std::uint64_t>(left) << 32 | right;
  auto& entry = memory.neighbours[file::pair_slot(left, right, neighbours_log2)];
  if ((entry & ~together) != key)
    entry = key | (may_stand_together(left, right) ? together : 0);
  return (entry & together) != 0;
}

// The encoding is the one sequence of tokens in which all neighbours may stand together. Take the
// longest token at each place, a shorter one when it may not follow the one before, and go back
// when none may. A place from which the text's end was not reached is not tried again: that makes
// the time linear.
void rank_table::backtrack(std::string_view piece, token_id first, scratch& memory) const {
  auto& tokens = memory.tokens;
  auto& failed = memory.failed;
  failed.assign(piece.size() + 1, false);
  auto remember = piece.size() >= long_piece_bytes;
  if (remember && memory.neighbours.empty())
    memory.neighbours.resize(std::size_t{1} << neighbours_log2, ~std::uint64_t{0});
  std::size_t at = 0;
  auto next = first;
  while (at < piece.size()) {
    auto token = next;
    auto fits = [&] {
      if (failed[at + bytes_of(token)])
        return false;
      if (tokens.empty())
        return true;
      return remember ? recall_neighbours(tokens.back(), token, memory)
                      : may_stand_together(tokens.back(), token);
    };
    while (token != no_token && !fits())
      token = shorter_[token];
    if (token != no_token) {
      tokens.push_back(token);
      at += bytes_of(token);
      next = longest_match(piece.substr(at)).token;
      if (next != no_token && next & file::whole_piece_only)
        next = shorter_[next & ~file::whole_piece_only];
      continue;
    }
    if (tokens.empty())
      throw std::logic_error("a vocabulary without an encoding of every text");
    failed[at] = true;
    next = tokens.back();
    tokens.pop_back();
    at -= bytes_of(next);
  }
}

std::span<const token_id> rank_table::encode(std::string_view piece, scratch& memory) const {
  memory.tokens.clear();
  auto [token, whole] = longest_match(piece);
  if (whole)
    memory.tokens.push_back(token & ~file::whole_piece_only);
  else
    backtrack(piece, token, memory);
  return memory.tokens;
}

} // namespace troupe::tokens
