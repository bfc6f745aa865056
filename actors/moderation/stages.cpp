#include "actors/moderation/stages.hpp"

#include <utility>

namespace troupe {

namespace {

text_origin origin_of(const v1::ReplyAddress& address) {
  text_origin out;
  out.channel = address.channel();
  out.account = address.account();
  out.user_id = address.user_id();
  return out;
}

class user_texts final : public admit_stage {
public:
  explicit user_texts(text_guard_ptr guard) : guard_(std::move(guard)) {}

  std::string_view name() const override { return "moderation"; }

  void admit(const stage_context&, v1::PostMessage post, next go_on) const override {
    if (guard_->watches(v1::TEXT_DIRECTION_USER, text_way::conversation))
      if (auto refused = check(post)) {
        go_on(std::move(refused));
        return;
      }
    go_on(std::move(post));
  }

private:
  caf::error check(v1::PostMessage& post) const {
    auto origin = origin_of(post.reply_to());
    origin.principal_id = post.context().principal_id();
    origin.tenant_id = post.context().tenant_id();
    origin.request_id = post.context().request_id();
    origin.conversation_id = post.conversation_id();
    origin.turn_id = post.turn_id();
    for (auto& part : *post.mutable_parts()) {
      auto* text = part.has_text()          ? part.mutable_text()->mutable_text()
                   : part.has_tool_result() ? part.mutable_tool_result()->mutable_content()
                                            : nullptr;
      if (text == nullptr)
        continue;
      auto verdict = guard_->check(*text, v1::TEXT_DIRECTION_USER, origin);
      if (!verdict)
        return std::move(verdict.error());
      if (*verdict)
        *text = std::move(**verdict);
    }
    return {};
  }

  text_guard_ptr guard_;
};

class guarded_filter final : public stream_filter {
public:
  guarded_filter(std::unique_ptr<guarded_text> text, std::shared_ptr<stream_output> output) :
      text_(std::move(text)), output_(std::move(output)) {}

  void text(std::string_view piece) override {
    std::string out;
    auto refused = text_->push(piece, out);
    pass(out, std::move(refused), false);
  }

  void end() override {
    std::string out;
    auto refused = text_->finish(out);
    pass(out, std::move(refused), true);
  }

private:
  void pass(const std::string& out, caf::error refused, bool last) {
    auto output = output_; // this may be gone once the turn is told
    if (!out.empty())
      output->text(out);
    if (refused)
      output->block(std::move(refused));
    else if (last)
      output->end();
  }

  std::unique_ptr<guarded_text> text_;
  std::shared_ptr<stream_output> output_;
};

class model_texts final : public complete_stage {
public:
  explicit model_texts(text_guard_ptr guard) : guard_(std::move(guard)) {}

  std::string_view name() const override { return "moderation"; }

  std::unique_ptr<stream_filter> open(const stage_context&, const v1::Turn& turn,
                                      std::shared_ptr<stream_output> output) const override {
    return filter(turn, std::move(output));
  }

  std::unique_ptr<stream_filter>
  open_reasoning(const stage_context&, const v1::Turn& turn,
                 std::shared_ptr<stream_output> output) const override {
    return filter(turn, std::move(output));
  }

private:
  std::unique_ptr<stream_filter> filter(const v1::Turn& turn,
                                        std::shared_ptr<stream_output> output) const {
    if (!guard_->watches(v1::TEXT_DIRECTION_MODEL, text_way::conversation))
      return nullptr;
    auto origin = origin_of(turn.reply_to());
    origin.principal_id = turn.principal_id();
    origin.tenant_id = turn.tenant_id();
    origin.request_id = turn.request_id();
    origin.conversation_id = turn.conversation_id();
    origin.turn_id = turn.id();
    return std::make_unique<guarded_filter>(guard_->open(v1::TEXT_DIRECTION_MODEL, origin),
                                            std::move(output));
  }

  text_guard_ptr guard_;
};

} // namespace

void add_moderation_stages(turn_pipeline& pipeline, const text_guard_ptr& guard) {
  pipeline.admit.insert(pipeline.admit.begin(), std::make_shared<const user_texts>(guard));
  pipeline.complete.insert(pipeline.complete.begin(), std::make_shared<const model_texts>(guard));
}

} // namespace troupe
