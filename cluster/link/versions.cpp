#include "cluster/link/versions.hpp"

#include <google/protobuf/unknown_field_set.h>

#include <vector>

namespace troupe::link {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The parser accepts no deeper message.
constexpr int depth_max = 100;

bool looked_through(const Message& message, int depth) {
  const auto& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty())
    return true;
  if (depth == depth_max)
    return false;
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
      continue;
    if (!field->is_repeated()) {
      if (looked_through(reflection.GetMessage(message, field), depth + 1))
        return true;
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i)
      if (looked_through(reflection.GetRepeatedMessage(message, field, i), depth + 1))
        return true;
  }
  return false;
}

} // namespace

bool has_unknown_fields(const Message& message) { return looked_through(message, 0); }

bool is_unknown(const v1::RemoteAnswer& answer) {
  return answer.what_case() == v1::RemoteAnswer::WHAT_NOT_SET && !answer.has_failure()
         && !answer.GetReflection()->GetUnknownFields(answer).empty();
}

} // namespace troupe::link
