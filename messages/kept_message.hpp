// A protobuf message that is put away while nobody needs it.
#pragma once

#include "messages/thin_string.hpp"

#include <memory>
#include <stdexcept>
#include <string>

namespace troupe {

/// A message that can be packed: serialised it takes a fraction of its parsed size. It is unpacked
/// by its next use.
template <class Message>
class kept_message {
public:
  kept_message() : open_(std::make_unique<Message>()) {}
  kept_message(Message message) : open_(std::make_unique<Message>(std::move(message))) {}

  Message& operator*() { return unpacked(); }
  const Message& operator*() const { return unpacked(); }
  Message* operator->() { return &unpacked(); }
  const Message* operator->() const { return &unpacked(); }

  /// A copy; what is packed stays so.
  Message copy() const { return open_ ? *open_ : parsed(); }

  void pack() {
    if (!open_)
      return;
    packed_ = open_->SerializeAsString();
    open_.reset();
  }

private:
  Message& unpacked() const {
    if (!open_) {
      open_ = std::make_unique<Message>(parsed());
      packed_.clear();
    }
    return *open_;
  }

  Message parsed() const {
    Message message;
    if (!message.ParseFromArray(packed_.view().data(), static_cast<int>(packed_.view().size())))
      throw std::logic_error("a packed message cannot be read");
    return message;
  }

  mutable std::unique_ptr<Message> open_;
  mutable thin_string packed_;
};

} // namespace troupe
