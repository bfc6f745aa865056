// Every payload that actors exchange: `troupe::X` wraps the protobuf message `troupe::v1::X`.
#pragma once

#include "messages/error.hpp"
#include "messages/payload.hpp"
#include "troupe/v1/account.pb.h"
#include "troupe/v1/channel.pb.h"
#include "troupe/v1/cluster.pb.h"
#include "troupe/v1/common.pb.h"
#include "troupe/v1/content.pb.h"
#include "troupe/v1/conversation.pb.h"
#include "troupe/v1/model.pb.h"
#include "troupe/v1/node.pb.h"
#include "troupe/v1/store.pb.h"

#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

/// X(Name) for every payload. Append only: a message keeps its place.
#define TROUPE_PAYLOADS(X)                                                                         \
  X(Done)                                                                                          \
  X(Conversation)                                                                                  \
  X(CreateConversation)                                                                            \
  X(GetConversation)                                                                               \
  X(ListConversations)                                                                             \
  X(ConversationPage)                                                                              \
  X(UpdateConversation)                                                                            \
  X(DeleteConversation)                                                                            \
  X(ListMessages)                                                                                  \
  X(MessagePage)                                                                                   \
  X(PostMessage)                                                                                   \
  X(TurnAccepted)                                                                                  \
  X(Turn)                                                                                          \
  X(SubscribeTurn)                                                                                 \
  X(UnsubscribeTurn)                                                                               \
  X(StopTurn)                                                                                      \
  X(TurnEvents)                                                                                    \
  X(Passivate)                                                                                     \
  X(ResumeTurn)                                                                                    \
  X(GetRegionStatus)                                                                               \
  X(RegionStatus)                                                                                  \
  X(DrainRegion)                                                                                   \
  X(GetRoute)                                                                                      \
  X(Route)                                                                                         \
  X(ReportOutcome)                                                                                 \
  X(ListModels)                                                                                    \
  X(ModelList)                                                                                     \
  X(StartCompletion)                                                                               \
  X(CancelCompletion)                                                                              \
  X(CompletionEvents)                                                                              \
  X(CountTokens)                                                                                   \
  X(TokensCounted)                                                                                 \
  X(CreateApiKey)                                                                                  \
  X(ApiKeyCreated)                                                                                 \
  X(ListApiKeys)                                                                                   \
  X(ApiKeyPage)                                                                                    \
  X(RevokeApiKey)                                                                                  \
  X(Authorize)                                                                                     \
  X(Principal)                                                                                     \
  X(RecordUsage)                                                                                   \
  X(ListUsage)                                                                                     \
  X(UsagePage)                                                                                     \
  X(AcceptTurn)                                                                                    \
  X(TurnStored)                                                                                    \
  X(AdvanceTurn)                                                                                   \
  X(LoadSession)                                                                                   \
  X(SessionLoaded)                                                                                 \
  X(LoadBranch)                                                                                    \
  X(ListUnfinishedTurns)                                                                           \
  X(TurnPage)                                                                                      \
  X(GetTurn)                                                                                       \
  X(ClaimOutbox)                                                                                   \
  X(OutboxRows)                                                                                    \
  X(SettleOutbox)                                                                                  \
  X(GetStoreStatus)                                                                                \
  X(StoreStatus)                                                                                   \
  X(InboundMessage)                                                                                \
  X(OutboundReply)                                                                                 \
  X(ReplyDelivered)                                                                                \
  X(OutboxChanged)                                                                                 \
  X(SocketOpened)                                                                                  \
  X(SocketAccepted)                                                                                \
  X(SocketFrame)                                                                                   \
  X(SocketClosed)                                                                                  \
  X(SendFrame)                                                                                     \
  X(CloseSocket)                                                                                   \
  X(GetGatewayStatus)                                                                              \
  X(GatewayStatus)                                                                                 \
  X(StopIngress)                                                                                   \
  X(ReloadConfig)                                                                                  \
  X(ConfigReloaded)                                                                                \
  X(ChildDied)                                                                                     \
  X(Tick)                                                                                          \
  X(InboundHandled)                                                                                \
  X(ClusterView)                                                                                   \
  X(JoinCluster)                                                                                   \
  X(ClusterJoined)                                                                                 \
  X(RenewLease)                                                                                    \
  X(ChangeNodeState)                                                                               \
  X(ReportSuspicions)                                                                              \
  X(DeclareDead)                                                                                   \
  X(AssignShards)                                                                                  \
  X(MoveShards)                                                                                    \
  X(HandOverShards)                                                                                \
  X(GetCluster)                                                                                    \
  X(LeaveCluster)                                                                                  \
  X(ShardsChanged)                                                                                 \
  X(PeerSeen)                                                                                      \
  X(PeerLost)                                                                                      \
  X(RemoteRequest)                                                                                 \
  X(RemoteAnswer)                                                                                  \
  X(RemoteEvents)                                                                                  \
  X(GetLinks)                                                                                      \
  X(Links)                                                                                         \
  X(KeyRevoked)

namespace troupe {
#define TROUPE_ALIAS(Name) using Name = payload<v1::Name>;
TROUPE_PAYLOADS(TROUPE_ALIAS)
#undef TROUPE_ALIAS
} // namespace troupe
