// What a session takes from others: payloads as CAF reads them from a peer's bytes, then the pure
// code that a session gives them to.
#include "actors/session/event_log.hpp"
#include "actors/session/history.hpp"
#include "actors/session/input.hpp"
#include "actors/session/window.hpp"
#include "messages/types.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <limits>

using namespace troupe;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

std::vector<char> envelope_of(std::string bytes) {
  std::vector<char> out;
  caf::binary_serializer sink{nullptr, out};
  require(!sink(bytes));
  return out;
}

/// The payload in an envelope, if there is one; it survives a hop to yet another node.
template <class Payload>
std::optional<Payload> receive(const std::vector<char>& envelope) {
  Payload read;
  caf::binary_deserializer source{nullptr, envelope};
  if (source(read))
    return std::nullopt;
  std::vector<char> sent;
  caf::binary_serializer sink{nullptr, sent};
  require(!sink(read));
  Payload again;
  caf::binary_deserializer next{nullptr, sent};
  require(!next(again) && again == read);
  return read;
}

void take_post(const v1::PostMessage& post, const input_limits& limits) {
  if (check_post(post, limits))
    return;
  v1::Message message;
  *message.mutable_parts() = post.parts();
  require(is_utf8(title_from(message)));
  auto merged = merge_params(post.create_if_missing().params_json(), post.params_json());
  input_limits wide; // two sets of parameters have become one
  wide.params_bytes_max = 1 << 24;
  require(merged.empty() || !check_params(merged, wide));
  require(max_tokens_of(merged) >= 0);
}

std::vector<window_item> items_of(const history& past) {
  std::vector<window_item> items;
  for (std::size_t i = 0; i < past.size(); ++i)
    items.push_back({past.role(i), tokens_at_most(past.at(i))});
  return items;
}

void take_history(const v1::SessionLoaded& loaded, FuzzedDataProvider& more) {
  for (const auto& message : loaded.messages())
    if (message.id().size() > 0xffff)
      return;
  history past;
  past.assign(loaded.messages(), loaded.truncated());
  require(past.size() == static_cast<std::size_t>(loaded.messages_size()));
  auto items = items_of(past);
  auto fixed = more.ConsumeIntegralInRange<std::int64_t>(0, 10'000);
  auto budget = prompt_budget(
      more.ConsumeIntegralInRange<std::int64_t>(0, 1 << 24), more.ConsumeIntegral<std::int32_t>(),
      more.ConsumeIntegral<std::int32_t>(), more.ConsumeIntegral<std::int64_t>());
  auto choice = choose_window(items, fixed, budget, !past.truncated());
  require(choice.first <= past.size() && (!choice.fits || choice.tokens <= budget));

  std::vector<v1::Message> sent;
  for (auto i = choice.first; i < past.size(); ++i)
    sent.push_back(past.at(i));
  prepare_for_model(sent);
  for (const auto& message : sent)
    require(!message.parts().empty() && countable_texts(message).size() < 1'000'000);

  past.trim(more.ConsumeIntegralInRange<std::size_t>(0, 16),
            more.ConsumeIntegralInRange<std::size_t>(0, 4'096));
  items_of(past);
  if (!past.empty()) {
    auto i = more.ConsumeIntegralInRange<std::size_t>(0, past.size() - 1);
    std::string id{past.id(i)};
    bool found = past.rewind(id);
    require(found ? past.tip() == id : id.empty());
  }
  past.compact();
  items_of(past);
}

std::string text_of(const v1::TurnEvents& batch) {
  std::string text;
  for (const auto& event : batch.events())
    text += event.delta().text() + event.delta().reasoning();
  return text;
}

void take_events(const v1::TurnEvents& events, FuzzedDataProvider& more) {
  event_log log{more.ConsumeIntegral<std::int32_t>()};
  for (auto event : events.events())
    log.add(event);
  std::string replayed;
  auto seq = log.last_seq() - events.events_size();
  for (const auto& batch : log.replay(seq, more.ConsumeIntegralInRange<std::size_t>(1, 4'096))) {
    replayed += text_of(batch);
    for (const auto& event : batch.events())
      require(std::exchange(seq, event.seq()) < event.seq());
  }
  require(replayed == text_of(events) && seq == log.last_seq());
  log.replay(more.ConsumeIntegral<std::int64_t>(), 100);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider more{data, size};
  auto kind = more.ConsumeIntegralInRange<int>(0, 15);
  input_limits limits;
  limits.message_bytes_max = more.ConsumeIntegralInRange<int>(0, 1 << 20);
  FuzzedDataProvider numbers{data, size};
  auto bytes = more.ConsumeRemainingBytesAsString();
  std::vector<char> envelope;
  if (kind >= 8) { // even the length in front of the payload is the peer's
    envelope.assign(bytes.begin(), bytes.end());
  } else {
    envelope = envelope_of(bytes);
  }
  switch (kind % 8) {
    case 0:
      if (auto x = receive<PostMessage>(envelope))
        take_post(**x, limits);
      break;
    case 1:
      if (auto x = receive<UpdateConversation>(envelope))
        check_update(**x, limits);
      break;
    case 2:
      if (auto x = receive<CreateConversation>(envelope))
        check_settings((*x)->conversation(), limits);
      break;
    case 3:
      if (auto x = receive<SessionLoaded>(envelope))
        take_history(**x, numbers);
      break;
    case 4:
      if (auto x = receive<TurnEvents>(envelope))
        take_events(**x, numbers);
      break;
    case 5:
      receive<CompletionEvents>(envelope);
      break;
    case 6:
      receive<ResumeTurn>(envelope);
      break;
    default:
      receive<SubscribeTurn>(envelope);
  }
  return 0;
}
