// Every typed actor of Troupe, a comment a message. Whoever holds one of these handles needs to
// know nothing else of the actor: implementations live in actors/, gateway/ and cluster/.
//
// Every query and command answers with its result or with an error of category `ec`.
// Every remote or queued request is sent with a finite timeout.
#pragma once

#include "messages/types.hpp"

#include <caf/mailbox_element.hpp>
#include <caf/replies_to.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

// clang-format off
namespace troupe {

using caf::reacts_to;
template <class... Ts>
using replies_to = caf::replies_to<Ts...>;

/// An interface with a timer of its own: `with_timer<session_actor>::behavior_type session(...)`
/// takes `const Tick&` as well, and its handle converts to `session_actor`.
template <class Handle>
using with_timer = typename Handle::template extend<reacts_to<Tick>>;

/// Reads the events of one turn: an SSE connection, a terminal, a peer node.
using turn_sink_actor = caf::typed_actor<
    // The next events, in order. Nothing is answered: a sink that cannot keep up closes itself.
    reacts_to<TurnEvents>>;

/// Reads the events of one completion.
using completion_sink_actor = caf::typed_actor<
    // The next events, in order; the last one is finished or failed.
    reacts_to<CompletionEvents>>;

/// The store: SQL behind a pool of workers. Writes are grouped into commits and answered once
/// durable.
using store_actor = caf::typed_actor<
    // Conversations.
    replies_to<CreateConversation>::with<Conversation>,
    replies_to<GetConversation>::with<Conversation>,
    replies_to<ListConversations>::with<ConversationPage>,
    replies_to<UpdateConversation>::with<Conversation>,
    replies_to<DeleteConversation>::with<Done>,
    replies_to<ListMessages>::with<MessagePage>,
    // Turns: accepted with their message and dedupe key; advanced with their reply and outbox rows.
    replies_to<AcceptTurn>::with<TurnStored>,
    replies_to<AdvanceTurn>::with<TurnStored>,
    replies_to<GetTurn>::with<Turn>,
    replies_to<ListUnfinishedTurns>::with<TurnPage>,
    // What a session needs in memory: its conversation, the newest of a branch, what is unfinished.
    replies_to<LoadSession>::with<SessionLoaded>,
    replies_to<LoadBranch>::with<SessionLoaded>,
    // The outbox: rows due are claimed for a while, sent, and settled.
    replies_to<ClaimOutbox>::with<OutboxRows>,
    replies_to<SettleOutbox>::with<Done>,
    // API keys.
    replies_to<CreateApiKey>::with<ApiKeyCreated>,
    replies_to<ListApiKeys>::with<ApiKeyPage>,
    replies_to<RevokeApiKey>::with<Done>,
    replies_to<Authorize>::with<Principal>,
    // The ledger. A request id that is there already is left alone.
    replies_to<RecordUsage>::with<Done>,
    replies_to<ListUsage>::with<UsagePage>,
    // Health.
    replies_to<GetStoreStatus>::with<StoreStatus>>;

/// The store again, as the text services see it. Writes are grouped and answered as the others are.
using text_store_actor = caf::typed_actor<
    // Rulesets: lexicons and sets of keyword rules, with every version of their items.
    replies_to<CreateRuleset>::with<Ruleset>,
    replies_to<UpdateRuleset>::with<Ruleset>,
    replies_to<DeleteRuleset>::with<Done>,
    replies_to<GetRuleset>::with<Ruleset>,
    replies_to<ListRulesets>::with<RulesetList>,
    replies_to<ChangeRuleset>::with<RulesetChanged>,
    replies_to<RestoreRuleset>::with<RulesetChanged>,
    replies_to<ListRulesetItems>::with<RulesetItemPage>,
    replies_to<ListRulesetVersions>::with<RulesetVersionPage>,
    replies_to<DiffRuleset>::with<RulesetDiff>,
    // What moderation found, and how often keywords came. An id that is there already is left
    // alone.
    replies_to<RecordModerationHits>::with<Done>,
    replies_to<ListModerationHits>::with<ModerationHitPage>,
    replies_to<SaveKeywordCounts>::with<Done>,
    replies_to<LoadKeywordCounts>::with<KeywordCounts>>;

/// Knows API keys: a bounded cache before the store. Revocation takes effect at once on this node,
/// and on others as soon as they are told.
using keyring_actor = caf::typed_actor<
    // Who holds this key, if it is valid and has the scope; `unauthenticated` or `forbidden`
    // otherwise.
    replies_to<Authorize>::with<Principal>,
    replies_to<CreateApiKey>::with<ApiKeyCreated>,
    replies_to<ListApiKeys>::with<ApiKeyPage>,
    replies_to<RevokeApiKey>::with<Done>,
    // Another node revoked it: what is remembered of it holds no more.
    reacts_to<KeyRevoked>>;

/// Gathers usage records and writes them to the store in groups; holds them while the store is
/// away.
using ledger_actor = caf::typed_actor<
    // Takes the records; they are written within the grouping delay.
    reacts_to<RecordUsage>,
    // Answers once everything taken before it is durable.
    replies_to<RecordUsage, bool>::with<Done>,
    replies_to<ListUsage>::with<UsagePage>>;

/// One conversation: its history in memory and one turn at a time.
using session_actor = caf::typed_actor<
    // Answers once the message is durable; the turn runs afterwards, after those queued before it.
    replies_to<PostMessage>::with<TurnAccepted>,
    // Sends what the turn has had after `after_seq`, then what comes. An ended turn is replayed
    // from the store.
    replies_to<SubscribeTurn, turn_sink_actor>::with<Turn>,
    reacts_to<UnsubscribeTurn, turn_sink_actor>,
    // Ends the running turn and keeps the text so far; answers with the turn as it then is.
    replies_to<StopTurn>::with<Turn>,
    // Runs a turn that a node left unfinished.
    replies_to<ResumeTurn>::with<Done>,
    replies_to<GetConversation>::with<Conversation>,
    replies_to<UpdateConversation>::with<Conversation>,
    replies_to<DeleteConversation>::with<Done>,
    // Leaves memory if nothing is open; `conflict` otherwise.
    replies_to<Passivate>::with<Done>,
    // What it asked a model for.
    reacts_to<CompletionEvents>>;

/// Finds or starts the session of a conversation and passes messages on to it; takes idle ones out
/// of memory.
using session_region_actor = caf::typed_actor<
    // For one session, by conversation id.
    replies_to<PostMessage>::with<TurnAccepted>,
    replies_to<SubscribeTurn, turn_sink_actor>::with<Turn>,
    reacts_to<UnsubscribeTurn, turn_sink_actor>,
    replies_to<StopTurn>::with<Turn>,
    replies_to<ResumeTurn>::with<Done>,
    replies_to<GetConversation>::with<Conversation>,
    replies_to<UpdateConversation>::with<Conversation>,
    replies_to<DeleteConversation>::with<Done>,
    // For any conversation: read from the store, without waking a session.
    replies_to<CreateConversation>::with<Conversation>,
    replies_to<ListConversations>::with<ConversationPage>,
    replies_to<ListMessages>::with<MessagePage>,
    // Operators.
    replies_to<GetRegionStatus>::with<RegionStatus>,
    // No new turn; answers when the running ones ended or the deadline passed.
    replies_to<DrainRegion>::with<Done>>;

/// The tables that decide who is a member and who owns a shard. SQL on a connection of its own, so
/// that leases are renewed however busy the store is. Each message is one transaction.
using authority_actor = caf::typed_actor<
    // `conflict` when another process has the name and its lease has not ended.
    replies_to<JoinCluster>::with<ClusterJoined>,
    // `fenced` when this incarnation was declared dead or replaced.
    replies_to<RenewLease>::with<ClusterView>,
    replies_to<ChangeNodeState>::with<ClusterView>,
    replies_to<ReportSuspicions>::with<Done>,
    // The leader's; `not_owner` when another one leads.
    replies_to<DeclareDead>::with<ClusterView>,
    replies_to<AssignShards>::with<ClusterView>,
    replies_to<MoveShards>::with<ClusterView>,
    // An owner's.
    replies_to<HandOverShards>::with<ClusterView>,
    replies_to<GetCluster>::with<ClusterView>>;

/// Keeps this node's lease, tells who is a member, and decides for all when this node leads.
using membership_actor = caf::typed_actor<
    // From the links: a peer was heard, or is gone.
    reacts_to<PeerSeen>,
    reacts_to<PeerLost>,
    // The tables changed: they are read now.
    reacts_to<ShardsChanged>,
    // From the shards' region: these have no session in memory any more, their targets may have
    // them.
    replies_to<HandOverShards>::with<ClusterView>,
    // Hands everything over and leaves.
    replies_to<LeaveCluster>::with<Done>,
    // What this node knows now, without asking the tables.
    replies_to<GetCluster>::with<ClusterView>>;

/// What a node does for another. A link makes the other node's look like an actor of this one: its
/// answers are the other's, or `deadline_exceeded`, or `not_owner` when the link broke meanwhile.
using peer_actor = caf::typed_actor<
    replies_to<RemoteRequest>::with<RemoteAnswer>,
    // Of a subscription: its events go to the sink, which ends when there is a gap.
    replies_to<RemoteRequest, turn_sink_actor>::with<RemoteAnswer>>;

/// The links to all other nodes: one each, dialled by the node whose name comes first.
using links_actor = caf::typed_actor<
    // Who there is: dials those that are up, drops those that are not.
    reacts_to<ClusterView>,
    replies_to<GetLinks>::with<Links>>;

/// The region of all shards: passes what is for a session on to the shard's region here, or to the
/// node that owns it. Interface as the session region's, for whoever holds that.
using shard_region_actor = session_region_actor::extend<
    // News of the membership. A `ClusterView` without nodes: this node is fenced, everything ends.
    reacts_to<ClusterView>,
    // A link came up, or is gone.
    reacts_to<PeerSeen, peer_actor>,
    reacts_to<PeerLost>,
    // For a session, from another node: `not_owner` unless the shard is here with this epoch.
    replies_to<RemoteRequest>::with<RemoteAnswer>,
    replies_to<RemoteRequest, turn_sink_actor>::with<RemoteAnswer>>;

/// Chooses who serves a model, in which order.
using model_router_actor = caf::typed_actor<
    // The upstreams for a model, best first; `model_not_found` if none serves it.
    replies_to<GetRoute>::with<Route>,
    // What became of a try.
    reacts_to<ReportOutcome>,
    replies_to<ListModels>::with<ModelList>>;

/// Speaks to upstreams: one completion at a time each, with fail-over before the first event.
using upstream_actor = caf::typed_actor<
    // Starts it; its events go to the sink. Done means started, not answered.
    replies_to<StartCompletion, completion_sink_actor>::with<Done>,
    // Ends it and closes its upstream connection; no event follows.
    reacts_to<CancelCompletion>>;

/// Counts tokens: here, or at a node that has the time. Who holds it cannot tell.
using tokenizer_actor = caf::typed_actor<
    // Counts each text with the vocabulary named, or the model's.
    replies_to<CountTokens>::with<TokensCounted>>;

/// What else is done with tokens and character sets, for programs and people that ask.
using text_actor = caf::typed_actor<
    // Ids, places, cuts.
    replies_to<AnalyzeTokens>::with<TokensAnalyzed>,
    // A chat with what its model's form adds.
    replies_to<CountChatTokens>::with<ChatTokensCounted>,
    replies_to<ListVocabularies>::with<VocabularyList>,
    // From one encoding, form or script to another.
    replies_to<ConvertText>::with<TextConverted>,
    replies_to<DetectText>::with<TextDetected>>;

/// Owns a kind of rulesets: checks what goes into them, has the store keep it, and works by those
/// that are enabled. A change is answered once it is durable; this node works by it soon after, and
/// the others as soon as they are told or look by themselves.
using ruleset_actor = caf::typed_actor<
    replies_to<CreateRuleset>::with<Ruleset>,
    replies_to<UpdateRuleset>::with<Ruleset>,
    replies_to<DeleteRuleset>::with<Done>,
    replies_to<EditRuleset>::with<RulesetEdited>,
    replies_to<ImportRuleset>::with<RulesetEdited>,
    replies_to<RestoreRuleset>::with<RulesetChanged>,
    replies_to<ExportRuleset>::with<RulesetFile>,
    replies_to<LintRuleset>::with<RulesetLint>,
    replies_to<GetTextServiceStatus>::with<TextServiceStatus>,
    reacts_to<RulesetsChanged>>;

/// Finds sensitive words. Sessions and the API path use its matcher directly (messages/
/// text_guard.hpp); it makes that matcher, audits its hits, and answers who asks.
using moderation_actor = ruleset_actor::extend<
    replies_to<ModerateText>::with<TextModerated>,
    // From the guard: written in groups, counted, and dropped (and counted) beyond a bound.
    reacts_to<RecordModerationHits>>;

/// Answers keywords. Sessions use its rules directly, as a stage.
using keywords_actor = ruleset_actor::extend<
    replies_to<MatchKeywords>::with<KeywordsMatched>,
    replies_to<GetKeywordStatistics>::with<KeywordStatistics>,
    // Writes this node's counts now, whatever the message says: before the node ends.
    replies_to<SaveKeywordCounts>::with<Done>>;

/// A WebSocket of the gateway, as its channel sees it.
using socket_actor = caf::typed_actor<
    // Writes a text frame; a peer that does not read in time is closed.
    reacts_to<SendFrame>,
    reacts_to<CloseSocket>>;

/// One bot account of a platform: an adapter that knows its protocol.
using channel_actor = caf::typed_actor<
    // A peer dialled in; `unauthenticated` refuses it. Frames follow only after it is accepted.
    replies_to<SocketOpened, socket_actor>::with<SocketAccepted>,
    reacts_to<SocketFrame>,
    reacts_to<SocketClosed>,
    // Sends one row of the outbox and answers when the platform has it.
    replies_to<OutboundReply>::with<ReplyDelivered>>;

/// The way in of one bot account, the same for every platform: commands, the conversation of a
/// chat, one message of a chat at a time, retries while the node is busy.
using inbound_actor = caf::typed_actor<
    // A message that was addressed to the bot (its adapter applied the triggers). Answers once its
    // turn is durable, or with what to tell the user.
    replies_to<InboundMessage>::with<InboundHandled>>;

/// Delivers the outbox of every channel: claims rows due, hands them to the channel, settles them.
using outbox_actor = caf::typed_actor<
    // Rows may wait: look now instead of at the next poll.
    reacts_to<OutboxChanged>,
    // A channel account came up (or went: an empty handle) and takes deliveries from now on.
    reacts_to<OutboxChanged, channel_actor>>;

/// Watches the node's long-lived actors. An actor that failed too often to go on ends; the guardian
/// starts those that have a way to be started again (rule 12), and escalates for the others.
using guardian_actor = caf::typed_actor<
    // Another supervisor lost a child: counted and logged.
    reacts_to<ChildDied>>;

/// Owns the public HTTP server.
using gateway_actor = caf::typed_actor<
    replies_to<GetGatewayStatus>::with<GatewayStatus>,
    // Closes the listeners; answers when the last request ended
    // or the deadline passed.
    replies_to<StopIngress>::with<Done>>;

} // namespace troupe

#define TROUPE_ACTORS(X)                                                                           \
  X(turn_sink_actor)                                                                               \
  X(completion_sink_actor)                                                                         \
  X(store_actor)                                                                                   \
  X(text_store_actor)                                                                              \
  X(keyring_actor)                                                                                 \
  X(ledger_actor)                                                                                  \
  X(session_actor)                                                                                 \
  X(session_region_actor)                                                                          \
  X(model_router_actor)                                                                            \
  X(upstream_actor)                                                                                \
  X(tokenizer_actor)                                                                               \
  X(text_actor)                                                                                    \
  X(ruleset_actor)                                                                                 \
  X(moderation_actor)                                                                              \
  X(keywords_actor)                                                                                \
  X(socket_actor)                                                                                  \
  X(channel_actor)                                                                                 \
  X(outbox_actor)                                                                                  \
  X(gateway_actor)                                                                                 \
  X(guardian_actor)                                                                                \
  X(authority_actor)                                                                               \
  X(membership_actor)                                                                              \
  X(peer_actor)                                                                                    \
  X(links_actor)                                                                                   \
  X(shard_region_actor)

CAF_BEGIN_TYPE_ID_BLOCK(troupe, caf::first_custom_type_id)
#define TROUPE_ID(Name) CAF_ADD_TYPE_ID(troupe, (troupe::Name))
TROUPE_PAYLOADS(TROUPE_ID)
TROUPE_ACTORS(TROUPE_ID)
#undef TROUPE_ID
CAF_END_TYPE_ID_BLOCK(troupe)
// clang-format on

// What CAF makes of a type that travels is made once, in messages/instances.cpp, and not by every
// file that sends one.
#define TROUPE_MESSAGE(extern_, ...)                                                               \
  extern_ template class caf::detail::type_erased_value_impl<__VA_ARGS__>;                         \
  extern_ template class caf::detail::tuple_vals_impl<caf::detail::message_data, __VA_ARGS__>;     \
  extern_ template class caf::detail::tuple_vals_impl<caf::type_erased_tuple, __VA_ARGS__>;        \
  extern_ template class caf::detail::tuple_vals<__VA_ARGS__>;
#define TROUPE_EXTERN(Name) TROUPE_MESSAGE(extern, troupe::Name)
TROUPE_PAYLOADS(TROUPE_EXTERN)
TROUPE_MESSAGE(extern, std::string)
TROUPE_MESSAGE(extern, caf::error)
#undef TROUPE_EXTERN
