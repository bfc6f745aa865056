#include "messages/id.hpp"
#include "persistence/commands/check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::persistence {

namespace {

constexpr std::size_t title_bytes_max = 1'024;
constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t text_bytes_max = 1'048'576;

void check_fields(const v1::Conversation& x) {
  need_text(x.title(), title_bytes_max, "title");
  need_text(x.model(), name_bytes_max, "model");
  need_text(x.system_prompt(), text_bytes_max, "system_prompt");
  need_text(x.params_json(), text_bytes_max, "params_json");
  need_text(x.tools_json(), text_bytes_max, "tools_json");
}

} // namespace

std::optional<v1::Conversation>
add_conversation(database& db, const v1::CreateConversation& command, const command_env& env) {
  auto out = command.conversation();
  if (out.id().empty())
    out.set_id(new_id(env.now_us));
  need_id(out.id(), "conversation.id");
  if (out.owner_id().empty())
    out.set_owner_id(command.context().principal_id());
  need_id_or_none(out.owner_id(), "conversation.owner_id");
  need_text(out.session_key(), key_length_max, "session_key");
  check_fields(out);
  if (out.created_us() == 0)
    out.set_created_us(env.now_us);
  if (out.updated_us() == 0)
    out.set_updated_us(out.created_us());
  out.clear_leaf_id();
  out.set_message_count(0);
  if (!db.conversations().insert(out))
    return std::nullopt;
  return out;
}

failure conversation_taken(std::string_view id) {
  return {ec::conflict,
          fmt::format("a conversation with the id {} or its session key exists already", id)};
}

v1::Conversation create_conversation(database& db, const v1::CreateConversation& command,
                                     const command_env& env) {
  auto made = add_conversation(db, command, env);
  if (!made)
    throw conversation_taken(command.conversation().id());
  return std::move(*made);
}

v1::Conversation get_conversation(database& db, const v1::GetConversation& query,
                                  const command_env&) {
  return need_conversation(db, query.conversation_id(), query.context());
}

v1::ConversationPage list_conversations(database& db, const v1::ListConversations& query,
                                        const command_env&) {
  auto limit = page_limit(query.limit(), 50, 200);
  need_id_or_none(query.owner_id(), "owner_id");
  need_text(query.query(), name_bytes_max, "query");
  const auto& owner = query.owner_id().empty() ? query.context().principal_id() : query.owner_id();
  auto rows = db.conversations().list(owner, query.query(), read_cursor(query.cursor()), limit + 1);
  v1::ConversationPage out;
  if (rows.size() > static_cast<std::size_t>(limit)) {
    rows.pop_back();
    out.set_next_cursor(make_cursor({rows.back().updated_us(), rows.back().id()}));
  }
  for (auto& row : rows)
    *out.add_conversations() = std::move(row);
  return out;
}

v1::Conversation update_conversation(database& db, const v1::UpdateConversation& command,
                                     const command_env& env) {
  check_claim(db, command.claim(), command.conversation_id());
  auto out = hold_conversation(db, command.conversation_id(), command.context());
  if (command.has_title())
    out.set_title(command.title());
  if (command.has_system_prompt())
    out.set_system_prompt(command.system_prompt());
  if (command.has_model())
    out.set_model(command.model());
  if (command.has_params_json())
    out.set_params_json(command.params_json());
  if (command.has_tools_json())
    out.set_tools_json(command.tools_json());
  if (command.has_leaf_id()) {
    if (!command.leaf_id().empty() && !db.messages().exists(out.id(), command.leaf_id()))
      throw failure(ec::invalid_argument, "leaf_id names no message of this conversation");
    out.set_leaf_id(command.leaf_id());
  }
  check_fields(out);
  out.set_updated_us(env.now_us);
  db.conversations().update(out);
  return out;
}

v1::Done delete_conversation(database& db, const v1::DeleteConversation& command,
                             const command_env&) {
  check_claim(db, command.claim(), command.conversation_id());
  auto found = hold_conversation(db, command.conversation_id(), command.context());
  db.conversations().erase(found.id());
  return {};
}

v1::MessagePage list_messages(database& db, const v1::ListMessages& query, const command_env&) {
  auto limit = page_limit(query.limit(), 100, 500);
  auto conversation = need_conversation(db, query.conversation_id(), query.context());
  need_id_or_none(query.leaf_id(), "leaf_id");
  need_id_or_none(query.before_id(), "before_id");
  auto& messages = db.messages();
  auto must_exist = [&](std::string_view id, std::string_view what) {
    if (!id.empty() && !messages.exists(conversation.id(), id))
      throw failure(ec::not_found, fmt::format("{} names no message of this conversation", what));
  };
  must_exist(query.leaf_id(), "leaf_id");
  must_exist(query.before_id(), "before_id");
  message_run run;
  if (query.all_branches()) {
    run = messages.all(conversation.id(), query.before_id(), limit, page_bytes_max);
  } else {
    auto from = query.leaf_id().empty() ? conversation.leaf_id() : query.leaf_id();
    if (!query.before_id().empty())
      from = messages.find(query.before_id())->parent_id();
    if (!from.empty())
      run = messages.branch(conversation.id(), from, limit, page_bytes_max);
  }
  v1::MessagePage out;
  out.set_has_more(run.more);
  for (auto i = run.messages.rbegin(); i != run.messages.rend(); ++i)
    *out.add_messages() = std::move(*i);
  return out;
}

} // namespace troupe::persistence
