#include "actors/moderation/guard.hpp"

#include "actors/moderation/render.hpp"
#include "actors/moderation/stream_filter.hpp"
#include "messages/error.hpp"
#include "messages/id.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

namespace {

using moderation::action;
using moderation::hit;
using moderation::matcher;
using matcher_ptr = std::shared_ptr<const matcher>;

constexpr std::size_t hits_at_once = 1'000; // a text with more of them is looked at part by part
constexpr std::size_t part_bytes = 65'536;

struct shared_guard {
  explicit shared_guard(guard_options given) : options(std::move(given)) {}

  moderation_probe::way& way_of(v1::TextDirection direction) const {
    return direction == v1::TEXT_DIRECTION_MODEL ? options.probe->model : options.probe->user;
  }
  caf::error refusal() const { return make_error(ec::content_filtered, options.config.refusal); }

  const guard_options options;
};

using shared_guard_ptr = std::shared_ptr<const shared_guard>;

/// What was found in one text, on its way to the audit.
class hit_report {
public:
  hit_report(const shared_guard& guard, v1::TextDirection direction, const text_origin& origin) :
      guard_(guard), direction_(direction), origin_(origin) {}

  void add(const matcher& words, const hit& one, std::string_view text, std::size_t& told) {
    auto& probe = *guard_.options.probe;
    if (told == audited_hits_max) {
      probe.hits_unaudited.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    ++told;
    auto* out = hits_.add_hits();
    out->set_at_us(guard_.options.clock->now_us());
    out->set_id(new_id(out->at_us()));
    out->set_direction(direction_);
    out->set_action(std::string{name_of(one.act)});
    out->set_category(std::string{words.category(one.entry)});
    out->set_level(one.level);
    out->set_entry(std::string{words.text(one.entry)});
    out->set_text(std::string{text});
    if (const auto* part = words.part_of(one.entry)) {
      out->set_ruleset(part->name);
      out->set_ruleset_version(static_cast<std::int64_t>(part->version));
    }
    set_origin(*out);
  }

  /// Passes them on, unless too many wait already.
  void send() {
    auto count = hits_.hits_size();
    if (count == 0)
      return;
    auto& probe = *guard_.options.probe;
    auto waiting = probe.hits_waiting.fetch_add(count, std::memory_order_relaxed) + count;
    if (waiting > guard_.options.config.hits_buffer_max) {
      probe.hits_waiting.fetch_sub(count, std::memory_order_relaxed);
      probe.hits_dropped.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
      return;
    }
    guard_.options.audit(RecordModerationHits{std::move(hits_)});
  }

private:
  void set_origin(v1::ModerationHit& out) const {
    out.set_principal_id(origin_.principal_id);
    out.set_tenant_id(origin_.tenant_id);
    out.set_channel(origin_.channel);
    out.set_account(origin_.account);
    out.set_user_id(origin_.user_id);
    out.set_conversation_id(origin_.conversation_id);
    out.set_turn_id(origin_.turn_id);
    out.set_request_id(origin_.request_id);
  }

  const shared_guard& guard_;
  v1::TextDirection direction_;
  const text_origin& origin_;
  v1::RecordModerationHits hits_;
};

class guarded_stream final : public guarded_text {
public:
  guarded_stream(shared_guard_ptr guard, matcher_ptr words, v1::TextDirection direction,
                 const text_origin& origin) :
      guard_(std::move(guard)),
      words_(std::move(words)),
      direction_(direction),
      origin_(origin),
      filter_(words_, words_->audience_of(origin.tenant_id, origin.channel), {true, &texts_}) {
    guard_->way_of(direction_).texts.fetch_add(1, std::memory_order_relaxed);
  }

  caf::error push(std::string_view piece, std::string& out) override {
    guard_->way_of(direction_).bytes.fetch_add(piece.size(), std::memory_order_relaxed);
    while (!piece.empty() && !blocked_) {
      auto part = piece.substr(0, part_bytes);
      piece.remove_prefix(part.size());
      filter_.push(part, out, hits_);
      take_hits();
    }
    return verdict();
  }

  caf::error finish(std::string& out) override {
    if (!blocked_) {
      filter_.finish(out, hits_);
      take_hits();
    }
    return verdict();
  }

  std::size_t held_bytes() const override { return filter_.held_bytes(); }
  bool changed() const { return changed_; }

private:
  void take_hits() {
    if (hits_.empty())
      return;
    hit_report report{*guard_, direction_, origin_};
    auto& way = guard_->way_of(direction_);
    for (std::size_t i = 0; i < hits_.size(); ++i) {
      report.add(*words_, hits_[i], texts_[i], told_);
      blocked_ = blocked_ || hits_[i].act == action::block;
      if (hits_[i].act >= action::mask && !std::exchange(changed_, true))
        way.changed.fetch_add(hits_[i].act == action::block ? 0 : 1, std::memory_order_relaxed);
    }
    if (blocked_)
      way.blocked.fetch_add(1, std::memory_order_relaxed);
    hits_.clear();
    texts_.clear();
    report.send();
  }

  caf::error verdict() const { return blocked_ ? guard_->refusal() : caf::error{}; }

  shared_guard_ptr guard_;
  matcher_ptr words_;
  v1::TextDirection direction_;
  text_origin origin_;
  std::vector<hit> hits_;
  std::vector<std::string> texts_; // what stood at each of them
  moderation::stream_filter filter_;
  std::size_t told_ = 0;
  bool changed_ = false;
  bool blocked_ = false;
};

class guard final : public text_guard {
public:
  explicit guard(guard_options options) :
      shared_(std::make_shared<const shared_guard>(std::move(options))) {}

  bool watches(v1::TextDirection direction, text_way way) const noexcept override {
    const auto& config = shared_->options.config;
    return shared_->options.watch->any() && (way == text_way::conversation || config.api)
           && (direction == v1::TEXT_DIRECTION_MODEL ? config.model_text : config.user_text);
  }

  caf::expected<std::optional<std::string>> check(std::string_view text,
                                                  v1::TextDirection direction,
                                                  const text_origin& origin) const override {
    const auto& words = *shared_->options.watch->get();
    auto found =
        words.find(text, words.audience_of(origin.tenant_id, origin.channel), hits_at_once);
    if (found.truncated)
      return check_by_parts(text, direction, origin);
    auto& way = shared_->way_of(direction);
    way.texts.fetch_add(1, std::memory_order_relaxed);
    way.bytes.fetch_add(text.size(), std::memory_order_relaxed);
    if (found.hits.empty())
      return std::optional<std::string>{};
    auto gravest = action::log;
    hit_report report{*shared_, direction, origin};
    std::size_t told = 0;
    for (const auto& one : found.hits) {
      gravest = std::max(gravest, one.act);
      report.add(words, one, text.substr(one.begin, one.end - one.begin), told);
    }
    report.send();
    if (gravest < action::mask)
      return std::optional<std::string>{};
    (gravest == action::block ? way.blocked : way.changed).fetch_add(1, std::memory_order_relaxed);
    if (gravest == action::block)
      return shared_->refusal();
    return std::optional<std::string>{moderation::rendered(words, text, found.hits)};
  }

  std::unique_ptr<guarded_text> open(v1::TextDirection direction,
                                     const text_origin& origin) const override {
    return std::make_unique<guarded_stream>(shared_, shared_->options.watch->get(), direction,
                                            origin);
  }

private:
  caf::expected<std::optional<std::string>> check_by_parts(std::string_view text,
                                                           v1::TextDirection direction,
                                                           const text_origin& origin) const {
    guarded_stream stream{shared_, shared_->options.watch->get(), direction, origin};
    std::string out;
    auto refused = stream.push(text, out);
    if (!refused)
      refused = stream.finish(out);
    if (refused)
      return refused;
    if (!stream.changed())
      return std::optional<std::string>{};
    return std::optional<std::string>{std::move(out)};
  }

  shared_guard_ptr shared_;
};

} // namespace

text_guard_ptr make_text_guard(guard_options options) {
  return std::make_shared<const guard>(std::move(options));
}

} // namespace troupe
