// A callable that is moved, not copied, and called at most once: completion handlers of
// coroutines.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace troupe::gateway {

template <class Signature>
class unique_call;

/// Holds a move-only callable; small ones (a coroutine's handler is) inside itself.
template <class... Args>
class unique_call<void(Args...)> {
public:
  unique_call() = default;

  template <class F> // NOLINTNEXTLINE(bugprone-forwarding-reference-overload): it says which
  requires(!std::is_same_v<std::decay_t<F>, unique_call>) unique_call(F&& f) {
    using held = std::decay_t<F>;
    if constexpr (sizeof(held) <= sizeof(storage_) && alignof(held) <= alignof(std::max_align_t)
                  && std::is_nothrow_move_constructible_v<held>) {
      new (&storage_) held(std::forward<F>(f));
      table_ = &inside<held>;
    } else {
      new (&storage_) held*(new held(std::forward<F>(f)));
      table_ = &outside<held>;
    }
  }

  unique_call(unique_call&& other) noexcept { take(other); }
  unique_call& operator=(unique_call&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~unique_call() { reset(); }

  explicit operator bool() const noexcept { return table_ != nullptr; }

  /// Empties this, then calls what it held.
  void operator()(Args... args) {
    unique_call self{std::move(*this)};
    self.table_->call(&self.storage_, std::forward<Args>(args)...);
  }

  void reset() noexcept {
    if (auto* table = std::exchange(table_, nullptr))
      table->destroy(&storage_);
  }

private:
  struct functions {
    void (*call)(void*, Args&&...);
    void (*move)(void*, void*) noexcept;
    void (*destroy)(void*) noexcept;
  };

  template <class F>
  static constexpr functions inside{
      [](void* p, Args&&... args) { std::move (*static_cast<F*>(p))(std::forward<Args>(args)...); },
      [](void* to, void* from) noexcept {
        new (to) F(std::move(*static_cast<F*>(from)));
        static_cast<F*>(from)->~F();
      },
      [](void* p) noexcept { static_cast<F*>(p)->~F(); }};

  template <class F>
  static constexpr functions outside{
      [](void* p, Args&&... args) {
        std::move (**static_cast<F**>(p))(std::forward<Args>(args)...);
      },
      [](void* to, void* from) noexcept { new (to) F*(*static_cast<F**>(from)); },
      [](void* p) noexcept { delete *static_cast<F**>(p); }};

  void take(unique_call& other) noexcept {
    table_ = std::exchange(other.table_, nullptr);
    if (table_ != nullptr)
      table_->move(&storage_, &other.storage_);
  }

  const functions* table_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[3 * sizeof(void*)];
};

} // namespace troupe::gateway
