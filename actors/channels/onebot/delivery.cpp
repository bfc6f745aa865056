// Actions of the OneBot actor: requests with an echo, and answers sent piece by piece.
#include "actors/channels/core/pieces.hpp"
#include "actors/channels/onebot/normalise.hpp"
#include "actors/channels/onebot/onebot.hpp"
#include "actors/channels/onebot/ticks.hpp"

#include <charconv>

namespace troupe {

namespace {

constexpr std::size_t calls_max = 256;
constexpr std::size_t begun_max = 1'000;
constexpr int unconfirmed_max = 2;
constexpr std::int64_t retcode_bad_request = 1'400;
constexpr std::int64_t retcode_unknown_action = 1'404;

// Implementations on top of QQ's own client answer so when that did not confirm in time; the
// message has often been sent all the same.
bool says_timeout(std::string_view error) {
  return error.find("imeout") != std::string_view::npos
         || error.find("imed out") != std::string_view::npos
         || error.find("超时") != std::string_view::npos;
}

} // namespace

void onebot_state::request(const action_maker& make, std::chrono::milliseconds limit,
                           answer_handler done) {
  std::string socket_id;
  auto* via = api_link(&socket_id);
  if (via == nullptr)
    return done(make_error(ec::upstream_unavailable, "no OneBot peer is connected"));
  if (calls.size() >= calls_max)
    return done(make_error(ec::overloaded, "too many actions wait for their echo"));
  auto number = ++last_number;
  calls.emplace(number, call{std::move(socket_id), std::move(done)});
  v1::SendFrame frame;
  frame.set_text(make(echo_prefix + std::to_string(number)));
  self->send(via->socket, SendFrame{std::move(frame)});
  self->delayed_send(self, limit, make_tick(onebot_tick::echo_due, number));
  ++options.counts->sent;
}

void onebot_state::end_call(std::int64_t number, caf::expected<onebot11::action_answer> answer) {
  auto node = calls.extract(number);
  if (!node.empty())
    node.mapped().done(std::move(answer));
}

void onebot_state::on_answer(const onebot11::action_answer& answer) {
  std::string_view echo{answer.echo};
  if (!echo.starts_with(echo_prefix))
    return; // of a time before
  echo.remove_prefix(echo_prefix.size());
  std::int64_t number = 0;
  std::from_chars(echo.data(), echo.data() + echo.size(), number);
  if (!answer.ok && calls.count(number) != 0) {
    ++options.counts->failed;
    log_warn("onebot_action_failed", {{"account", options.section.account},
                                      {"retcode", answer.retcode},
                                      {"error", channels::clipped(answer.error, 300)}});
  }
  end_call(number, answer);
}

void onebot_state::say(const v1::ReplyAddress& to, const std::string& text) {
  auto message = onebot11::reply_segments(to, text, true);
  request([&](std::string_view echo) { return onebot11::send_action(to, message, echo); },
          std::chrono::milliseconds{options.section.echo_limit_ms},
          [this](const caf::expected<onebot11::action_answer>& answer) {
            if (!answer)
              log_info("onebot_notice_not_sent",
                       {{"account", options.section.account}, {"error", describe(answer.error())}});
          });
}

caf::result<ReplyDelivered> onebot_state::deliver(const OutboundReply& reply) {
  auto way = std::make_shared<delivery>();
  way->row = reply->row();
  const auto& parts = way->row.parts();
  way->image = parts.size() == 1 && !parts[0].image().url().empty();
  if (way->image)
    way->pieces = {parts[0].image().url()};
  else
    way->pieces = channels::split_answer(channels::plain_text(parts),
                                         static_cast<std::size_t>(options.section.reply_chars_max));
  if (auto node = begun.extract(way->row.id()); !node.empty())
    way->at = node.mapped();
  if (way->pieces.empty())
    return ReplyDelivered{}; // nothing that can be shown
  way->promise = self->make_response_promise<ReplyDelivered>();
  auto promise = way->promise;
  send_piece(way);
  return promise;
}

void onebot_state::send_piece(const delivery_ptr& way) {
  if (way->at.next >= way->pieces.size()) {
    if (way->at.uncertain)
      way->promise.deliver(make_error(ec::deadline_exceeded, "a part of it was not confirmed"));
    else {
      v1::ReplyDelivered delivered;
      delivered.set_platform_message_id(way->at.first_id);
      way->promise.deliver(ReplyDelivered{std::move(delivered)});
    }
    return;
  }
  bool first = way->at.next == 0 && way->row.part_index() == 0;
  const auto& piece = way->pieces[way->at.next];
  auto message = way->image ? onebot11::reply_image(way->row.to(), piece, first)
                            : onebot11::reply_segments(way->row.to(), piece, first);
  request(
      [&](std::string_view echo) { return onebot11::send_action(way->row.to(), message, echo); },
      std::chrono::milliseconds{options.section.echo_limit_ms},
      [this, way](const caf::expected<onebot11::action_answer>& answer) {
        piece_answered(way, answer);
      });
}

void onebot_state::piece_answered(const delivery_ptr& way,
                                  const caf::expected<onebot11::action_answer>& answer) {
  if (!answer) {
    auto code = info(answer.error()).code;
    if (code == ec::upstream_unavailable || code == ec::overloaded)
      return put_off(way, answer.error());
    return piece_unconfirmed(way, answer.error());
  }
  if (answer->ok) {
    if (way->at.first_id.empty())
      way->at.first_id = answer->message_id;
    way->unconfirmed = 0;
    ++way->at.next;
    return send_piece(way);
  }
  auto why = fmt::format("retcode {}: {}", answer->retcode, channels::clipped(answer->error, 300));
  if (says_timeout(answer->error))
    return piece_unconfirmed(way, make_error(ec::deadline_exceeded, why));
  if (answer->retcode == retcode_bad_request || answer->retcode == retcode_unknown_action)
    way->promise.deliver(make_error(ec::invalid_argument, why));
  else
    put_off(way, make_error(ec::upstream_rejected, why));
}

// It was written, so it is not written again. What comes after it still is.
void onebot_state::piece_unconfirmed(const delivery_ptr& way, const caf::error& err) {
  way->at.uncertain = true;
  ++way->at.next;
  bool more = way->at.next < way->pieces.size();
  if (more && api_link() == nullptr)
    return put_off(way, make_error(ec::upstream_unavailable, describe(err)));
  if (more && ++way->unconfirmed < unconfirmed_max)
    return send_piece(way);
  way->promise.deliver(make_error(ec::deadline_exceeded, describe(err)));
}

// The outbox hands the row over again; what was sent of it is remembered until then.
void onebot_state::put_off(const delivery_ptr& way, caf::error err) {
  if (way->at.next != 0) {
    if (begun.size() >= begun_max)
      begun.erase(begun.begin());
    begun[way->row.id()] = way->at;
  }
  way->promise.deliver(std::move(err));
}

} // namespace troupe
