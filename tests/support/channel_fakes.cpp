#include "tests/support/channel_fakes.hpp"

#include <caf/actor_system.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>

namespace troupe::test {

namespace {

caf::error next(std::deque<caf::error>& queue) {
  if (queue.empty())
    return {};
  auto err = std::move(queue.front());
  queue.pop_front();
  return err;
}

// A handler for a command that the stand-in does not know.
template <class Answer, class Query>
auto unsupported() {
  return [](const Query&) -> caf::result<Answer> {
    return make_error(ec::unsupported, "not part of this stand-in");
  };
}

caf::result<TurnAccepted> post(session_region_actor::pointer self, region_script& script,
                               const PostMessage& command) {
  ++script.requests;
  if (auto err = next(script.failures))
    return err;
  if (script.silent) {
    script.unanswered.push_back(self->make_response_promise<TurnAccepted>());
    return script.unanswered.back();
  }
  auto [it, fresh] = script.seen.try_emplace(command->dedupe_key());
  auto answer = it->second;
  if (fresh) {
    script.posts.push_back(*command);
    auto& id = command->conversation_id();
    if (command->has_create_if_missing())
      script.conversations.try_emplace(id, command->create_if_missing());
    else if (script.conversations.count(id) == 0) {
      script.posts.pop_back();
      script.seen.erase(it);
      return make_error(ec::not_found, "no such conversation");
    }
    it->second.set_conversation_id(id);
    it->second.set_turn_id("turn" + std::to_string(script.posts.size()));
    return TurnAccepted{it->second};
  }
  answer.set_duplicate(true);
  return TurnAccepted{answer};
}

caf::result<Conversation> create(region_script& script, const CreateConversation& command) {
  auto conversation = command->conversation();
  conversation.set_created_us(1'000 + static_cast<std::int64_t>(script.conversations.size()));
  if (!script.conversations.emplace(conversation.id(), conversation).second)
    return make_error(ec::conflict, "that id is taken");
  return Conversation{conversation};
}

caf::result<ConversationPage> list(region_script& script, const ListConversations& query) {
  if (auto err = next(script.list_failures))
    return err;
  v1::ConversationPage page;
  for (const auto& [id, conversation] : script.conversations)
    if (conversation.owner_id() == query->owner_id())
      *page.add_conversations() = conversation;
  return ConversationPage{page};
}

OutboxRows claim(outbox_table& table, const ClaimOutbox& command) {
  ++table.claims;
  std::vector<v1::OutboxRow*> due;
  for (auto& [id, row] : table.rows)
    if (row.status() == v1::OUTBOX_STATUS_PENDING && row.next_attempt_us() <= command->now_us()
        && row.to().channel() == command->channel() && row.to().account() == command->account())
      due.push_back(&row);
  std::sort(due.begin(), due.end(),
            [](auto* x, auto* y) { return x->created_us() < y->created_us(); });
  v1::OutboxRows answer;
  for (auto* row : due) {
    if (answer.rows_size() == command->limit())
      break;
    row->set_next_attempt_us(command->claim_until_us());
    row->set_attempts(row->attempts() + 1);
    *answer.add_rows() = *row;
  }
  return OutboxRows{answer};
}

caf::result<Done> settle(outbox_table& table, const SettleOutbox& command) {
  if (auto err = next(table.settle_failures))
    return err;
  auto it = table.rows.find(command->id());
  if (it == table.rows.end())
    return make_error(ec::not_found, "no such row");
  table.settled.push_back(*command);
  it->second.set_status(command->status());
  it->second.set_next_attempt_us(command->next_attempt_us());
  it->second.set_error(command->error());
  return Done{};
}

} // namespace

session_region_actor spawn_region(caf::actor_system& system,
                                  std::shared_ptr<region_script> script) {
  using behavior = session_region_actor::behavior_type;
  return system.spawn([script](session_region_actor::pointer self) -> behavior {
    return {
        [self, script](const PostMessage& command) { return post(self, *script, command); },
        [](const SubscribeTurn&, const turn_sink_actor&) -> caf::result<Turn> {
          return make_error(ec::unsupported);
        },
        [](const UnsubscribeTurn&, const turn_sink_actor&) {},
        [script](const StopTurn& command) {
          script->stops.push_back(*command);
          v1::Turn turn;
          turn.set_id(command->turn_id());
          turn.set_status(script->stop_status);
          return Turn{turn};
        },
        unsupported<Done, ResumeTurn>(),
        unsupported<Conversation, GetConversation>(),
        unsupported<Conversation, UpdateConversation>(),
        unsupported<Done, DeleteConversation>(),
        [script](const CreateConversation& command) { return create(*script, command); },
        [script](const ListConversations& query) { return list(*script, query); },
        unsupported<MessagePage, ListMessages>(),
        unsupported<RegionStatus, GetRegionStatus>(),
        unsupported<Done, DrainRegion>(),
    };
  });
}

v1::OutboxRow& outbox_table::add(const std::string& id, const v1::ReplyAddress& to,
                                 const std::string& text, std::int64_t created_us) {
  auto& row = rows[id];
  row.set_id(id);
  *row.mutable_to() = to;
  row.add_parts()->mutable_text()->set_text(text);
  row.set_turn_id(id);
  row.set_status(v1::OUTBOX_STATUS_PENDING);
  row.set_created_us(created_us);
  return row;
}

store_actor spawn_store(caf::actor_system& system, std::shared_ptr<outbox_table> table) {
  using behavior = store_actor::behavior_type;
  return system.spawn([table](store_actor::pointer) -> behavior {
    return {
        unsupported<Conversation, CreateConversation>(),
        unsupported<Conversation, GetConversation>(),
        unsupported<ConversationPage, ListConversations>(),
        unsupported<Conversation, UpdateConversation>(),
        unsupported<Done, DeleteConversation>(),
        unsupported<MessagePage, ListMessages>(),
        unsupported<TurnStored, AcceptTurn>(),
        unsupported<TurnStored, AdvanceTurn>(),
        unsupported<Turn, GetTurn>(),
        unsupported<TurnPage, ListUnfinishedTurns>(),
        unsupported<SessionLoaded, LoadSession>(),
        unsupported<SessionLoaded, LoadBranch>(),
        [table](const ClaimOutbox& command) -> caf::result<OutboxRows> {
          if (auto err = next(table->claim_failures))
            return err;
          return claim(*table, command);
        },
        [table](const SettleOutbox& command) { return settle(*table, command); },
        unsupported<ApiKeyCreated, CreateApiKey>(),
        unsupported<ApiKeyPage, ListApiKeys>(),
        unsupported<Done, RevokeApiKey>(),
        unsupported<Principal, Authorize>(),
        unsupported<Done, RecordUsage>(),
        unsupported<UsagePage, ListUsage>(),
        unsupported<StoreStatus, GetStoreStatus>(),
    };
  });
}

with_timer<channel_actor> spawn_channel(caf::actor_system& system,
                                        std::shared_ptr<channel_script> script) {
  using channel = with_timer<channel_actor>;
  return system.spawn([script](channel::pointer self) -> channel::behavior_type {
    return {
        [](const SocketOpened&, const socket_actor&) -> caf::result<SocketAccepted> {
          return make_error(ec::unsupported);
        },
        [](const SocketFrame&) {},
        [](const SocketClosed&) {},
        [self, script](const OutboundReply& reply) -> caf::result<ReplyDelivered> {
          script->delivered.push_back(reply->row());
          if (script->hold) {
            script->held.push_back(self->make_response_promise<ReplyDelivered>());
            return script->held.back();
          }
          if (auto err = next(script->outcomes))
            return err;
          return ReplyDelivered{};
        },
        [script](const Tick& which) {
          auto& promise = script->held.at(static_cast<std::size_t>(which->id()));
          if (auto err = next(script->outcomes))
            promise.deliver(err);
          else
            promise.deliver(ReplyDelivered{});
        },
    };
  });
}

socket_actor spawn_socket(caf::actor_system& system, std::shared_ptr<socket_script> script) {
  return system.spawn([script](socket_actor::pointer) -> socket_actor::behavior_type {
    return {
        [script](const SendFrame& frame) { script->frames.push_back(frame->text()); },
        [script](const CloseSocket& command) { script->closes.push_back(*command); },
    };
  });
}

outbox_actor spawn_outbox(caf::actor_system& system, std::shared_ptr<outbox_script> script) {
  return system.spawn([script](outbox_actor::pointer) -> outbox_actor::behavior_type {
    return {
        [script](const OutboxChanged& which) { script->changes.push_back(which->account()); },
        [script](const OutboxChanged& which, const channel_actor& channel) {
          auto change = which->account() + (channel ? "+" : "-");
          if (script->changes.empty() || script->changes.back() != change)
            script->changes.push_back(change);
        },
    };
  });
}

v1::ReplyAddress chat_address(bool group, const std::string& chat, const std::string& user,
                              const std::string& account) {
  v1::ReplyAddress address;
  address.set_channel("onebot");
  address.set_account(account);
  address.set_group(group);
  address.set_chat_id(chat);
  address.set_user_id(user);
  return address;
}

} // namespace troupe::test
