// What comes of a node of another version: messages with more in them than this one knows. Pure.
#pragma once

#include "troupe/v1/cluster.pb.h"

#include <google/protobuf/message.h>

namespace troupe::link {

/// Whether there are fields anywhere in it that this version does not know. They are kept, and
/// travel on with the message.
bool has_unknown_fields(const google::protobuf::Message& message);

/// An answer of a kind that this version does not know; an empty one is none.
bool is_unknown(const v1::RemoteAnswer& answer);

} // namespace troupe::link
