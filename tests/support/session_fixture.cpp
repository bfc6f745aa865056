#include "tests/support/session_fixture.hpp"

#include "messages/id.hpp"

#include <doctest/doctest.h>

namespace troupe::test {

session_fixture::session_fixture() {
  set_log_level(log_level::off);
  model_router_options models;
  auto& any = models.upstreams.emplace_back();
  any.name = "fake";
  auto& small = models.models.emplace_back();
  small.name = "small";
  small.vocabulary = "words";
  small.context_window_tokens = 100;
  models.clock = clock;
  options.host = host;
  auto& session = options.session;
  session.store = troupe::spawn(host, fake_store, data);
  session.upstream = troupe::spawn(host, fake_upstream, upstream);
  session.tokenizer = troupe::spawn(host, fake_tokenizer, tokenizer);
  session.router = troupe::spawn(host, model_router, models);
  session.clock = clock;
  session.alarms = alarms::make(host, std::chrono::nanoseconds{1});
  session.default_model = "gpt-4o";
}

session_fixture::~session_fixture() {
  kill_region();
  data->held.clear();
  // Timers keep the region's memory, and with it its handles: the fakes are ended by name.
  caf::anon_send_exit(options.session.store, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(options.session.upstream, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(options.session.tokenizer, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(options.session.router, caf::exit_reason::user_shutdown);
  run();
}

void session_fixture::kill_region() {
  if (!region)
    return;
  caf::anon_send_exit(region, caf::exit_reason::user_shutdown);
  region = nullptr;
  run();
}

void session_fixture::start_region() {
  kill_region();
  // A new life: nothing is shared with the one before.
  options.session.counters = std::make_shared<session_counters>();
  region = troupe::spawn(host, session_region, options);
  run();
}

std::string session_fixture::conversation(const std::function<void(v1::Conversation&)>& change) {
  v1::Conversation conversation;
  conversation.set_id(new_id());
  conversation.set_created_us(clock->now_us());
  if (change)
    change(conversation);
  data->conversations[conversation.id()] = conversation;
  return conversation.id();
}

v1::PostMessage session_fixture::message(const std::string& conversation_id,
                                         const std::string& text) const {
  v1::PostMessage post;
  post.mutable_context()->set_request_id("request");
  post.set_conversation_id(conversation_id);
  post.set_kind(v1::POST_KIND_MESSAGE);
  if (!text.empty())
    post.add_parts()->mutable_text()->set_text(text);
  return post;
}

caf::expected<TurnAccepted> session_fixture::post(const v1::PostMessage& message) {
  return ask<TurnAccepted>(region, PostMessage{message});
}

std::string session_fixture::post(const std::string& conversation_id, const std::string& text) {
  auto accepted = post(message(conversation_id, text));
  if (!accepted)
    FAIL("refused: " << describe(accepted.error()));
  return (*accepted)->turn_id();
}

later<TurnAccepted> session_fixture::post_later(const v1::PostMessage& message) {
  return ask_later<TurnAccepted>(region, PostMessage{message});
}

caf::expected<Turn> session_fixture::subscribe(const std::string& conversation_id,
                                               const std::string& turn_id, std::int64_t after_seq,
                                               const reading_ptr& into) {
  v1::SubscribeTurn query;
  query.set_conversation_id(conversation_id);
  query.set_turn_id(turn_id);
  query.set_after_seq(after_seq);
  turn_sink_actor sink = troupe::spawn(host, reader, into);
  return ask<Turn>(region, SubscribeTurn{query}, sink);
}

reading_ptr session_fixture::read(const std::string& conversation_id, const std::string& turn_id,
                                  std::int64_t after_seq) {
  auto into = std::make_shared<reading>();
  auto turn = subscribe(conversation_id, turn_id, after_seq, into);
  if (!turn)
    FAIL("not to be read: " << describe(turn.error()));
  return into;
}

caf::expected<Turn> session_fixture::stop(const std::string& conversation_id,
                                          const std::string& turn_id) {
  v1::StopTurn command;
  command.set_conversation_id(conversation_id);
  command.set_turn_id(turn_id);
  return ask<Turn>(region, StopTurn{command});
}

later<Turn> session_fixture::stop_later(const std::string& conversation_id,
                                        const std::string& turn_id) {
  v1::StopTurn command;
  command.set_conversation_id(conversation_id);
  command.set_turn_id(turn_id);
  return ask_later<Turn>(region, StopTurn{command});
}

std::string session_fixture::text_of(const v1::Message& message) {
  std::string text = message.role() == v1::ROLE_USER        ? "user:"
                     : message.role() == v1::ROLE_ASSISTANT ? "assistant:"
                     : message.role() == v1::ROLE_SYSTEM    ? "system:"
                                                            : "tool:";
  for (const auto& part : message.parts()) {
    text += part.text().text() + part.tool_result().content();
    if (part.has_tool_call())
      text += "call " + part.tool_call().name();
  }
  return text;
}

std::string session_fixture::branch(const std::string& conversation_id) const {
  std::string text;
  for (const auto& message : data->branch(data->conversations.at(conversation_id).leaf_id()))
    text += (text.empty() ? "" : " | ") + text_of(message);
  return text;
}

std::string session_fixture::texts(const v1::StartCompletion& request) {
  std::string text;
  for (const auto& message : request.messages())
    text += (text.empty() ? "" : " | ") + text_of(message);
  return text;
}

void session_fixture::release() { ask<StoreStatus>(options.session.store, GetStoreStatus{}); }

v1::RegionStatus session_fixture::status() {
  auto status = ask<RegionStatus>(region, GetRegionStatus{});
  return status ? **status : v1::RegionStatus{};
}

} // namespace troupe::test
