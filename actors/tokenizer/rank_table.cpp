#include "actors/tokenizer/rank_table.hpp"

#include "actors/tokenizer/unicode_classes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <utility>

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

constexpr std::size_t code_points = 0x10000; // that have a start

/// The code point of two bytes that the text begins with, or 0 if it begins with something else.
std::uint32_t narrow_code_point(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.size() < 2 || byte(0) < 0xc2 || byte(0) >= 0xe0 || (byte(1) & 0xc0) != 0x80)
    return 0;
  return (byte(0) & 0x1fu) << 6 | (byte(1) & 0x3fu);
}

std::size_t expected_bytes(const file::header& h) {
  return sizeof(file::header) + std::size_t{h.tokens} * sizeof(file::token_entry)
         + std::size_t{h.nodes} * sizeof(file::node)
         + code_points * (sizeof(file::start) + sizeof(file::single))
         + (std::size_t{1} << h.pairs_log2) * sizeof(file::pair)
         + (std::size_t{1} << (h.pairs_log2 + file::filter_bits_log2)) / 8
         + (std::size_t{1} << h.wide_log2) / 8 + sizeof(file::crossings) + h.text_bytes;
}

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace

rank_table::rank_table(const std::filesystem::path& path) : serial_(next_serial()) {
  auto refuse = [&](const char* why) {
    throw std::runtime_error("the vocabulary " + path.string() + " " + why
                             + ": build Troupe again, or point TROUPE_SHARE to its share folder");
  };
  open_file file{path.c_str()};
  struct stat status {};
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0)
    refuse("cannot be read");
  auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes < sizeof(file::header))
    refuse("is cut short");
  auto* mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapped == MAP_FAILED)
    refuse("cannot be mapped into memory");
  header_ = static_cast<const file::header*>(mapped);
  auto good = header_->magic == file::magic && header_->pairs_log2 >= 6 && header_->pairs_log2 < 28
              && header_->wide_log2 >= 6 && header_->wide_log2 < 28
              && expected_bytes(*header_) == bytes;
  if (!good) {
    ::munmap(mapped, bytes);
    refuse("is of another version, or damaged");
  }
  mapped_ = static_cast<const std::byte*>(mapped);
  mapped_bytes_ = bytes;
  use(mapped_, bytes);
}

rank_table::rank_table(std::vector<std::byte> image) :
    serial_(next_serial()), image_(std::move(image)) {
  use(image_.data(), image_.size());
}

void rank_table::use(const std::byte* data, std::size_t bytes) {
  header_ = reinterpret_cast<const file::header*>(data);
  const auto* at = data + sizeof(file::header);
  auto section = [&]<class T>(const T*& pointer, std::size_t count) {
    pointer = reinterpret_cast<const T*>(at);
    at += count * sizeof(T);
  };
  section(entries_, header_->tokens);
  section(nodes_, header_->nodes);
  section(starts_, code_points);
  section(singles_, code_points);
  section(pairs_, std::size_t{1} << header_->pairs_log2);
  section(filter_, (std::size_t{1} << (header_->pairs_log2 + file::filter_bits_log2)) / 64);
  section(wide_, (std::size_t{1} << header_->wide_log2) / 64);
  section(crossings_, 1);
  text_ = reinterpret_cast<const char*>(data + bytes - header_->text_bytes);
}

rank_table::~rank_table() {
  if (mapped_ != nullptr)
    ::munmap(const_cast<std::byte*>(mapped_), mapped_bytes_);
}

std::string_view rank_table::text_of(token_id id) const noexcept {
  if (id >= header_->tokens)
    return {};
  auto start = id == 0 ? 0 : entries_[id - 1].text_end;
  return {text_ + start, entries_[id].text_end - start};
}

std::uint32_t rank_table::bytes_of(token_id id) const noexcept {
  return entries_[id].text_end - (id == 0 ? 0 : entries_[id - 1].text_end);
}

// A code point of two or three bytes is looked up at once, and of three mostly is all there is.
rank_table::match rank_table::longest_match(std::string_view text) const noexcept {
  match found;
  std::uint32_t node = 0;
  std::size_t i = 0;
  if (static_cast<unsigned char>(text[0]) >= 0x80) {
    auto wide = three_bytes_at(text, 0);
    auto code_point = wide != 0 ? wide : narrow_code_point(text);
    auto bytes = wide != 0 ? 3u : 2u;
    if (code_point != 0 && bytes < text.size()) {
      const auto& start = starts_[code_point];
      if (start.bytes != 0)
        found = {start.token, start.bytes};
      if (start.node == 0)
        return found;
      auto second = wide != 0 && start.odd == 0 ? three_bytes_at(text, 3) : 0;
      if (second != 0 && !file::bit_of(wide_, file::wide_bit(wide, second, header_->wide_log2)))
        return found;
      node = start.node;
      i = bytes;
    }
  }
  for (; i < text.size(); ++i) {
    auto byte = static_cast<std::uint8_t>(text[i]);
    auto child = nodes_[node].link >> file::label_bits ^ byte;
    const auto& reached = nodes_[child];
    if ((reached.link & file::no_label) != byte)
      return found;
    node = child;
    if (reached.token < file::whole_piece_only) {
      found.token = reached.token;
      found.bytes = static_cast<std::uint32_t>(i + 1);
    }
  }
  if (auto token = nodes_[node].token; token != no_token)
    found.whole = token & ~file::whole_piece_only;
  return found;
}

token_id rank_table::merged(token_id left, token_id right) const noexcept {
  if (!file::bit_of(filter_, file::filter_bit(left, right, header_->pairs_log2)))
    return no_token;
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
    auto left_half = entries_[left].right;
    auto right_half = entries_[right].left;
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

// The candidate, or the longest token that begins it, that may stand after `left`.
token_id rank_table::first_that_fits(token_id left, token_id candidate) const noexcept {
  while (candidate != no_token && left != no_token && !may_stand_together(left, candidate))
    candidate = entries_[candidate].shorter;
  return candidate;
}

// The encoding is the one sequence of tokens in which all neighbours may stand together. Take the
// longest token at each place, a shorter one when it may not follow the one before, and go back
// when none may. A place from which the text's end was not reached is not tried again: that makes
// the time linear.
void rank_table::backtrack(std::string_view piece, match next, scratch& memory) const {
  auto& tokens = memory.tokens;
  tokens.clear();
  memory.failed.clear();
  auto has_failed = [&](std::size_t at) {
    return !memory.failed.empty() && (memory.failed[at / 64] >> at % 64 & 1) != 0;
  };
  std::size_t at = 0;
  auto left = no_token;
  for (;;) {
    auto place = memory.thread.place_of(left, next.token);
    if (!place.known()) {
      auto fits = first_that_fits(left, next.token);
      place.set({fits, fits == next.token ? next.bytes : fits == no_token ? 0 : bytes_of(fits)});
    }
    auto fitting = place.get();
    auto token = fitting.fits == thread_memory::id_mask ? no_token : fitting.fits;
    auto bytes = fitting.bytes;
    while (token != no_token && has_failed(at + bytes)) {
      token = first_that_fits(left, entries_[token].shorter);
      bytes = token == no_token ? 0 : bytes_of(token);
    }
    while (token == no_token)
      token = go_back(piece.size(), at, left, bytes, memory);
    tokens.push_back(token);
    at += bytes;
    if (at == piece.size())
      return;
    left = token;
    next = longest_match(piece.substr(at));
  }
}

// Gives up the last token for a shorter one, and returns that; no_token if it has none that fits.
token_id rank_table::go_back(std::size_t size, std::size_t& at, token_id& left,
                             std::uint32_t& bytes, scratch& memory) const {
  auto& tokens = memory.tokens;
  if (tokens.empty())
    throw std::logic_error("a vocabulary without an encoding of every text");
  if (memory.failed.empty())
    memory.failed.resize(size / 64 + 1, 0);
  memory.failed[at / 64] |= std::uint64_t{1} << at % 64;
  auto token = tokens.back();
  tokens.pop_back();
  at -= bytes_of(token);
  left = tokens.empty() ? no_token : tokens.back();
  for (;;) {
    token = first_that_fits(left, entries_[token].shorter);
    if (token == no_token)
      return no_token;
    bytes = bytes_of(token);
    auto end = at + bytes;
    if ((memory.failed[end / 64] >> end % 64 & 1) == 0)
      return token;
  }
}

// The end of the part of a piece that begins at `begin`: no merge goes across it. Such ends are
// known only between two code points of three bytes.
std::size_t rank_table::end_of_part(std::string_view piece, std::size_t begin) const noexcept {
  auto at = begin;
  auto here = three_bytes_at(piece, at);
  for (;;) {
    at += here == 0 ? 1 : 3;
    if (at >= piece.size())
      return piece.size();
    auto next = three_bytes_at(piece, at);
    if (here != 0 && next != 0 && !merges_cross(here, next))
      return at;
    here = next;
  }
}

// A part's merges are its own, so its tokens are those of its bytes alone. It is remembered apart
// from a piece of the same bytes, which may be a token that merging does not make.
token_id* rank_table::encode_part(std::string_view piece, std::size_t begin, std::size_t end,
                                  scratch& memory, token_id* out) const {
  auto part = piece.substr(begin, end - begin);
  if (part.size() > piece_bytes_max) {
    backtrack(part, longest_match(part), memory);
    return std::copy(memory.tokens.begin(), memory.tokens.end(), out);
  }
  auto key = piece_key_of(piece, begin, part.size());
  key.high |= part_of_piece;
  auto& slot = memory.thread.slot_of(key);
  if (slot.key != key) {
    backtrack(part, longest_match(part), memory);
    if (!slot.set(key, memory.tokens))
      return std::copy(memory.tokens.begin(), memory.tokens.end(), out);
  }
  return std::copy_n(slot.ids, slot.count, out);
}

// Most of Chinese are single code points that no merge joins.
std::span<const token_id> rank_table::encode_parts(std::string_view piece, scratch& memory) const {
  auto& joined = memory.joined;
  if (joined.size() < piece.size() + 2)
    joined.resize(piece.size() + 2); // a token has a byte at least; two more may be written
  auto* out = joined.data();
  std::size_t at = 0;
  auto here = three_bytes_at(piece, 0);
  while (at < piece.size()) {
    auto next = here == 0 ? 0 : three_bytes_at(piece, at + 3);
    if (here != 0 && (next != 0 ? !merges_cross(here, next) : at + 3 == piece.size())) {
      auto tokens = singles_[here];
      out[0] = tokens.first;
      out[1] = tokens.second;
      out[2] = tokens.third;
      out += tokens.count;
      at += 3;
      here = next;
      continue;
    }
    auto end = end_of_part(piece, at);
    out = encode_part(piece, at, end, memory, out);
    at = end;
    here = three_bytes_at(piece, at);
  }
  return {joined.data(), out};
}

std::span<const token_id> rank_table::encode_anew(std::string_view piece, scratch& memory) const {
  auto may_have_parts = three_bytes_at(piece, 0) != 0 || three_bytes_at(piece, 1) != 0;
  if (may_have_parts && end_of_part(piece, 0) < piece.size())
    return encode_parts(piece, memory);
  auto first = longest_match(piece);
  if (first.whole != no_token)
    memory.tokens.assign(1, first.whole);
  else
    backtrack(piece, first, memory);
  return memory.tokens;
}

std::span<const token_id> rank_table::remember(std::string_view piece, const piece_key& key,
                                               piece_slot& slot, scratch& memory) const {
  auto tokens = encode_anew(piece, memory);
  slot.set(key, tokens);
  return tokens;
}

} // namespace troupe::tokens
