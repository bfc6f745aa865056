#include "actors/session/history.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>

namespace troupe {

void history::assign(const google::protobuf::RepeatedPtrField<v1::Message>& messages,
                     bool truncated) {
  packed_.clear();
  items_.clear();
  truncated_ = truncated;
  for (const auto& message : messages)
    append(message);
}

void history::append(const v1::Message& message) { pack(message, message.parent_id() != tip()); }

void history::pack(const v1::Message& message, bool with_parent) {
  const auto& id = message.id();
  if (id.size() > 0xffff)
    throw std::length_error("a message id of more than 64 kB");
  auto rest = message;
  rest.clear_id();
  rest.clear_conversation_id();
  if (!with_parent)
    rest.clear_parent_id();
  items_.push_back({static_cast<std::uint32_t>(packed_.size()), not_counted,
                    static_cast<std::uint8_t>(message.role())});
  packed_ += static_cast<char>(id.size() & 0xff);
  packed_ += static_cast<char>(id.size() >> 8);
  packed_ += id;
  rest.AppendToString(&packed_);
}

std::size_t history::end_of(std::size_t i) const noexcept {
  return i + 1 < items_.size() ? items_[i + 1].offset : packed_.size();
}

std::string_view history::id(std::size_t i) const noexcept {
  auto offset = items_[i].offset;
  auto size = static_cast<std::size_t>(static_cast<unsigned char>(packed_[offset]))
              | static_cast<std::size_t>(static_cast<unsigned char>(packed_[offset + 1])) << 8;
  return std::string_view{packed_}.substr(offset + 2, size);
}

std::string_view history::tip() const noexcept {
  return items_.empty() ? std::string_view{} : id(items_.size() - 1);
}

std::optional<std::size_t> history::index_of(std::string_view wanted) const noexcept {
  for (auto i = items_.size(); i-- > 0;)
    if (id(i) == wanted)
      return i;
  return std::nullopt;
}

v1::Message history::at(std::size_t i) const {
  v1::Message message;
  auto key = id(i);
  auto begin = items_[i].offset + 2 + key.size();
  if (!message.ParseFromArray(packed_.data() + begin, static_cast<int>(end_of(i) - begin)))
    throw std::logic_error("a packed message cannot be read");
  message.set_id(std::string{key});
  if (message.parent_id().empty() && i > 0)
    message.set_parent_id(std::string{id(i - 1)});
  return message;
}

bool history::rewind(std::string_view wanted) {
  if (wanted.empty()) {
    if (truncated_)
      return false;
    clear();
    return true;
  }
  auto i = index_of(wanted);
  if (!i)
    return false;
  packed_.resize(end_of(*i));
  items_.resize(*i + 1);
  return true;
}

void history::drop_front(std::size_t count) {
  if (count == 0)
    return;
  // The first one left no longer has its parent before it: it is packed again, with it.
  history left;
  left.vocabulary_ = vocabulary_;
  for (std::size_t i = count; i < items_.size(); ++i) {
    left.append(at(i));
    left.items_.back().tokens = items_[i].tokens;
  }
  left.truncated_ = true;
  *this = std::move(left);
}

void history::trim(std::size_t messages_max, std::size_t bytes_max) {
  std::size_t newest_question = 0;
  for (std::size_t i = 0; i < items_.size(); ++i)
    if (role(i) == v1::ROLE_USER)
      newest_question = i;
  std::size_t drop = items_.size() > messages_max ? items_.size() - messages_max : 0;
  while (drop < items_.size() && packed_.size() - items_[drop].offset > bytes_max)
    ++drop;
  drop_front(std::min(drop, newest_question));
}

void history::clear() {
  packed_.clear();
  items_.clear();
  truncated_ = false;
}

void history::drop_all() {
  clear();
  truncated_ = true;
}

void history::compact() {
  packed_.shrink_to_fit();
  items_.shrink_to_fit();
}

void history::use_vocabulary(std::string_view vocabulary) {
  auto hash = static_cast<std::uint32_t>(std::hash<std::string_view>{}(vocabulary));
  if (hash == vocabulary_)
    return;
  vocabulary_ = hash;
  for (auto& x : items_)
    x.tokens = not_counted;
}

} // namespace troupe
