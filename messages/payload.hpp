// A protobuf payload as an actor message: shared, immutable, cheap to copy.
#pragma once

#include <caf/error.hpp>
#include <caf/sec.hpp>
#include <google/protobuf/message_lite.h>

#include <concepts>
#include <memory>
#include <string>
#include <utility>

namespace troupe {

/// A shared, immutable protobuf message `P`. Copying costs a reference count; sending it to another
/// node serialises it once. A default-constructed payload is the empty message.
template <std::derived_from<google::protobuf::MessageLite> P>
class payload {
public:
  using proto_type = P;

  payload() = default;
  payload(P value) : ptr_(std::make_shared<P>(std::move(value))) {}
  payload(std::shared_ptr<const P> shared) : ptr_(std::move(shared)) {}

  const P& operator*() const noexcept { return ptr_ ? *ptr_ : P::default_instance(); }
  const P* operator->() const noexcept { return &**this; }

  const std::shared_ptr<const P>& shared() const noexcept { return ptr_; }

  /// The message itself: moved out when nobody else has it, else copied.
  P take() && {
    if (ptr_ == nullptr)
      return {};
    auto own = std::move(ptr_);
    // A payload that nobody shares was made by `std::make_shared<P>`: it is not const itself.
    if (own.use_count() == 1)
      return std::move(const_cast<P&>(*own));
    return *own;
  }

  friend bool operator==(const payload& x, const payload& y) {
    return x.ptr_ == y.ptr_ || x->SerializeAsString() == y->SerializeAsString();
  }

  /// CAF's customisation point. Bytes that are no `P` give `sec::invalid_argument`, never a throw.
  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, payload& x) {
    if constexpr (Inspector::reads_state) {
      std::string bytes = x->SerializeAsString();
      return f(bytes);
    } else {
      std::string bytes;
      if (auto err = f(bytes))
        return err;
      auto value = std::make_shared<P>();
      if (!value->ParseFromString(bytes))
        return caf::make_error(caf::sec::invalid_argument, "payload is not the expected message");
      x.ptr_ = std::move(value);
      return caf::none;
    }
  }

private:
  std::shared_ptr<const P> ptr_;
};

} // namespace troupe
