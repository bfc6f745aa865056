#include "tests/support/fake_store.hpp"

#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <set>

namespace troupe::test {

namespace {

using self_ptr = self_pointer<store_actor, fake_store_state>;

bool final_status(v1::TurnStatus status) {
  return status == v1::TURN_STATUS_FINISHED || status == v1::TURN_STATUS_STOPPED
         || status == v1::TURN_STATUS_FAILED;
}

caf::error missing(std::string what) { return make_error(ec::not_found, std::move(what)); }

void add_message(fake_store_data& d, const v1::Message& message) {
  if (d.messages.emplace(message.id(), message).second) {
    d.message_order.push_back(message.id());
    auto& conversation = d.conversations[message.conversation_id()];
    conversation.set_message_count(conversation.message_count() + 1);
  }
}

// Everything is checked before anything is written.
caf::expected<TurnStored> accept(fake_store_data& d, const v1::AcceptTurn& command) {
  const auto& turn = command.turn();
  v1::TurnStored stored;
  if (!command.dedupe_key().empty() && d.dedupe.contains(command.dedupe_key())) {
    stored.set_turn_id(d.dedupe[command.dedupe_key()]);
    stored.set_message_id(d.turns[stored.turn_id()].message_id());
    stored.set_duplicate(true);
    return TurnStored{stored};
  }
  bool creates = command.has_create_if_missing();
  if (!d.conversations.contains(turn.conversation_id()) && !creates)
    return missing("no such conversation");
  if (turn.id().empty() || d.turns.contains(turn.id()))
    return make_error(ec::conflict, "the turn exists");
  std::set<std::string> coming;
  for (const auto& message : command.messages()) {
    if (message.conversation_id() != turn.conversation_id() || message.id().empty())
      return make_error(ec::invalid_argument, "a message of another conversation");
    if (d.messages.contains(message.id()))
      return make_error(ec::conflict, "the message exists");
    coming.insert(message.id());
  }
  if (!coming.contains(turn.message_id()) && !d.messages.contains(turn.message_id()))
    return missing("no such message");
  if (!command.leaf_id().empty() && !coming.contains(command.leaf_id())
      && !d.messages.contains(command.leaf_id()))
    return missing("no such leaf");
  if (creates)
    d.conversations.emplace(turn.conversation_id(), command.create_if_missing());
  for (const auto& message : command.messages())
    add_message(d, message);
  d.turns[turn.id()] = turn;
  if (!command.dedupe_key().empty())
    d.dedupe[command.dedupe_key()] = turn.id();
  if (!command.leaf_id().empty())
    d.conversations[turn.conversation_id()].set_leaf_id(command.leaf_id());
  ++d.writes;
  stored.set_turn_id(turn.id());
  stored.set_message_id(turn.message_id());
  return TurnStored{stored};
}

caf::expected<TurnStored> advance(fake_store_data& d, const v1::AdvanceTurn& command) {
  const auto& turn = command.turn();
  auto at = d.turns.find(turn.id());
  if (at == d.turns.end() || !d.conversations.contains(turn.conversation_id()))
    return missing("no such turn");
  v1::TurnStored stored;
  stored.set_turn_id(turn.id());
  stored.set_message_id(turn.message_id());
  if (final_status(at->second.status())) {
    if (at->second.status() == turn.status() && at->second.reply_id() == turn.reply_id())
      return TurnStored{stored};
    return make_error(ec::conflict, "the turn has ended");
  }
  std::set<std::string> coming;
  for (const auto& message : command.messages())
    coming.insert(message.id());
  if (!command.leaf_id().empty() && !coming.contains(command.leaf_id())
      && !d.messages.contains(command.leaf_id()))
    return missing("no such leaf");
  at->second = turn;
  for (const auto& message : command.messages())
    add_message(d, message);
  auto& conversation = d.conversations[turn.conversation_id()];
  if (!command.leaf_id().empty())
    conversation.set_leaf_id(command.leaf_id());
  if (!command.title().empty())
    conversation.set_title(command.title());
  if (command.has_usage())
    d.ledger.emplace(command.usage().request_id(), command.usage());
  for (const auto& row : command.outbox())
    d.outbox.emplace(row.id(), row);
  ++d.writes;
  return TurnStored{stored};
}

caf::expected<SessionLoaded> load_branch(fake_store_data& d, const std::string& conversation_id,
                                         const std::string& leaf_id, std::int32_t messages_max,
                                         std::int64_t bytes_max) {
  auto at = d.conversations.find(conversation_id);
  if (at == d.conversations.end())
    return missing("no such conversation");
  v1::SessionLoaded loaded;
  *loaded.mutable_conversation() = at->second;
  if (!leaf_id.empty()) {
    auto leaf = d.messages.find(leaf_id);
    if (leaf == d.messages.end() || leaf->second.conversation_id() != conversation_id)
      return missing("no such message");
    auto branch = d.branch(leaf_id);
    std::size_t first = branch.size();
    std::int64_t bytes = 0;
    while (first > 0 && (messages_max <= 0 || branch.size() - first < std::size_t(messages_max))) {
      bytes += static_cast<std::int64_t>(branch[first - 1].ByteSizeLong());
      if (bytes_max > 0 && bytes > bytes_max && first < branch.size())
        break;
      --first;
    }
    loaded.set_truncated(first > 0);
    for (auto i = first; i < branch.size(); ++i)
      *loaded.add_messages() = branch[i];
  }
  for (const auto& turn : d.unfinished())
    if (turn.conversation_id() == conversation_id)
      *loaded.add_unfinished() = turn;
  return SessionLoaded{std::move(loaded)};
}

caf::expected<Conversation> update(fake_store_data& d, const v1::UpdateConversation& x) {
  auto at = d.conversations.find(x.conversation_id());
  if (at == d.conversations.end())
    return missing("no such conversation");
  auto& c = at->second;
  if (x.has_leaf_id() && !x.leaf_id().empty() && !d.messages.contains(x.leaf_id()))
    return missing("no such message");
  if (x.has_title())
    c.set_title(x.title());
  if (x.has_system_prompt())
    c.set_system_prompt(x.system_prompt());
  if (x.has_model())
    c.set_model(x.model());
  if (x.has_params_json())
    c.set_params_json(x.params_json());
  if (x.has_tools_json())
    c.set_tools_json(x.tools_json());
  if (x.has_leaf_id())
    c.set_leaf_id(x.leaf_id());
  ++d.writes;
  return Conversation{c};
}

caf::expected<Done> remove(fake_store_data& d, const v1::DeleteConversation& x) {
  if (d.conversations.erase(x.conversation_id()) == 0)
    return missing("no such conversation");
  std::erase_if(d.messages,
                [&](const auto& m) { return m.second.conversation_id() == x.conversation_id(); });
  std::erase_if(d.turns,
                [&](const auto& t) { return t.second.conversation_id() == x.conversation_id(); });
  std::erase_if(d.message_order, [&](const auto& id) { return !d.messages.contains(id); });
  ++d.writes;
  return Done{};
}

caf::expected<Conversation> create(fake_store_data& d, const v1::CreateConversation& x) {
  auto [at, made] = d.conversations.emplace(x.conversation().id(), x.conversation());
  if (!made)
    return make_error(ec::conflict, "the conversation exists");
  ++d.writes;
  return Conversation{at->second};
}

caf::expected<ConversationPage> list(fake_store_data& d, const v1::ListConversations& x) {
  v1::ConversationPage page;
  for (const auto& [id, conversation] : d.conversations)
    if (x.owner_id().empty() || conversation.owner_id() == x.owner_id())
      *page.add_conversations() = conversation;
  return ConversationPage{std::move(page)};
}

caf::expected<MessagePage> messages(fake_store_data& d, const v1::ListMessages& x) {
  auto at = d.conversations.find(x.conversation_id());
  if (at == d.conversations.end())
    return missing("no such conversation");
  v1::MessagePage page;
  if (x.all_branches()) {
    for (const auto& id : d.message_order)
      if (d.messages[id].conversation_id() == x.conversation_id())
        *page.add_messages() = d.messages[id];
  } else {
    for (auto& message : d.branch(x.leaf_id().empty() ? at->second.leaf_id() : x.leaf_id()))
      *page.add_messages() = std::move(message);
  }
  return MessagePage{std::move(page)};
}

caf::expected<TurnPage> unfinished(fake_store_data& d, const v1::ListUnfinishedTurns& x) {
  v1::TurnPage page;
  for (const auto& [id, turn] : d.turns)
    if (!final_status(turn.status()) && id > x.after_id()
        && (x.limit() <= 0 || page.turns_size() < x.limit()))
      *page.add_turns() = turn;
  return TurnPage{std::move(page)};
}

caf::expected<OutboxRows> claim(fake_store_data& d, const v1::ClaimOutbox& x) {
  v1::OutboxRows rows;
  for (auto& [id, row] : d.outbox)
    if (row.status() == v1::OUTBOX_STATUS_PENDING && row.next_attempt_us() <= x.now_us()
        && (x.channel().empty() || row.to().channel() == x.channel())
        && (x.account().empty() || row.to().account() == x.account())
        && (x.limit() <= 0 || rows.rows_size() < x.limit())) {
      row.set_next_attempt_us(x.claim_until_us());
      row.set_attempts(row.attempts() + 1);
      *rows.add_rows() = row;
    }
  return OutboxRows{std::move(rows)};
}

caf::expected<Done> settle(fake_store_data& d, const v1::SettleOutbox& x) {
  auto at = d.outbox.find(x.id());
  if (at == d.outbox.end())
    return missing("no such row");
  at->second.set_status(x.status());
  at->second.set_next_attempt_us(x.next_attempt_us());
  at->second.set_error(x.error());
  return Done{};
}

caf::expected<Done> record_usage(fake_store_data& d, const v1::RecordUsage& x) {
  for (const auto& record : x.records())
    d.ledger.emplace(record.request_id(), record);
  return Done{};
}

caf::expected<UsagePage> list_usage(fake_store_data& d, const v1::ListUsage&) {
  v1::UsagePage page;
  for (const auto& [id, record] : d.ledger)
    *page.add_records() = record;
  page.set_count(page.records_size());
  return UsagePage{std::move(page)};
}

template <class Map, class Answer>
caf::expected<Answer> get(const Map& map, const std::string& id) {
  auto at = map.find(id);
  if (at == map.end())
    return missing("not there: " + id);
  return Answer{at->second};
}

template <class Answer, class Work>
caf::result<Answer> run(self_ptr self, const fake_store_ptr& data, std::string_view name,
                        Work work) {
  auto refused = make_error(ec::store_unavailable, "the store was told to fail");
  std::scoped_lock lock{data->mutex};
  ++data->calls[std::string{name}];
  switch (data->conduct_of ? data->conduct_of(name) : conduct::normal) {
    case conduct::refuse:
      return refused;
    case conduct::lose_answer:
      work(*data);
      return refused;
    case conduct::hold: {
      auto promise = self->template make_response_promise<Answer>();
      data->held.push_back([promise, work, data]() mutable {
        auto result = work(*data);
        if (result)
          promise.deliver(std::move(*result));
        else
          promise.deliver(std::move(result.error()));
      });
      return promise;
    }
    case conduct::swallow:
      work(*data);
      return self->template make_response_promise<Answer>();
    case conduct::ignore:
      return self->template make_response_promise<Answer>();
    default:
      return work(*data);
  }
}

} // namespace

std::vector<v1::Message> fake_store_data::branch(const std::string& leaf_id) const {
  std::vector<v1::Message> newest_first;
  for (auto at = messages.find(leaf_id); at != messages.end();
       at = messages.find(at->second.parent_id()))
    newest_first.push_back(at->second);
  return {newest_first.rbegin(), newest_first.rend()};
}

std::vector<v1::Turn> fake_store_data::unfinished() const {
  std::vector<v1::Turn> found;
  for (const auto& [id, turn] : turns)
    if (!final_status(turn.status()))
      found.push_back(turn);
  return found;
}

#define TROUPE_FAKE(Request, Answer, work)                                                         \
  [self, data](const Request& x) -> caf::result<Answer> {                                          \
    return run<Answer>(self, data, #Request,                                                       \
                       [x](fake_store_data& d) -> caf::expected<Answer> { return work; });         \
  }

store_actor::behavior_type fake_store(self_ptr self, fake_store_ptr data) {
  auto unsupported = make_error(ec::unsupported, "the fake store keeps no keys");
  return {
      TROUPE_FAKE(CreateConversation, Conversation, create(d, *x)),
      TROUPE_FAKE(
          GetConversation, Conversation,
          (get<decltype(d.conversations), Conversation>(d.conversations, x->conversation_id()))),
      TROUPE_FAKE(ListConversations, ConversationPage, list(d, *x)),
      TROUPE_FAKE(UpdateConversation, Conversation, update(d, *x)),
      TROUPE_FAKE(DeleteConversation, Done, remove(d, *x)),
      TROUPE_FAKE(ListMessages, MessagePage, messages(d, *x)),
      TROUPE_FAKE(AcceptTurn, TurnStored, accept(d, *x)),
      TROUPE_FAKE(AdvanceTurn, TurnStored, advance(d, *x)),
      TROUPE_FAKE(GetTurn, Turn, (get<decltype(d.turns), Turn>(d.turns, x->turn_id()))),
      TROUPE_FAKE(ListUnfinishedTurns, TurnPage, unfinished(d, *x)),
      TROUPE_FAKE(LoadSession, SessionLoaded,
                  load_branch(d, x->conversation_id(),
                              d.conversations.contains(x->conversation_id())
                                  ? d.conversations[x->conversation_id()].leaf_id()
                                  : std::string{},
                              x->max_messages(), x->max_bytes())),
      TROUPE_FAKE(
          LoadBranch, SessionLoaded,
          load_branch(d, x->conversation_id(), x->leaf_id(), x->max_messages(), x->max_bytes())),
      TROUPE_FAKE(ClaimOutbox, OutboxRows, claim(d, *x)),
      TROUPE_FAKE(SettleOutbox, Done, settle(d, *x)),
      [unsupported](const CreateApiKey&) -> caf::result<ApiKeyCreated> { return unsupported; },
      [unsupported](const ListApiKeys&) -> caf::result<ApiKeyPage> { return unsupported; },
      [unsupported](const RevokeApiKey&) -> caf::result<Done> { return unsupported; },
      [unsupported](const Authorize&) -> caf::result<Principal> { return unsupported; },
      TROUPE_FAKE(RecordUsage, Done, record_usage(d, *x)),
      TROUPE_FAKE(ListUsage, UsagePage, list_usage(d, *x)),
      [data](const GetStoreStatus&) {
        for (auto& go_on : std::exchange(data->held, {}))
          go_on();
        v1::StoreStatus status;
        status.set_backend("fake");
        status.set_writable(true);
        return StoreStatus{std::move(status)};
      },
  };
}

#undef TROUPE_FAKE

} // namespace troupe::test
