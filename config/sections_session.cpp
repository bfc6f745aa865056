// The keys of `session:` and `channels:`.
#include "config/section_builder.hpp"

namespace troupe::config {

namespace {

section_info session_table() {
  using s = session_section;
  return section_builder<s>{"session", "Conversations.",
                            [](node_config& c, std::size_t) -> s& { return c.session; }}
      .key("default_model", &s::default_model,
           "For conversations that name none; empty: the first upstream's first.")
      .key("system_prompt", &s::system_prompt, "For conversations without their own.")
      .number("queue_max", &s::queue_max, "turns", 1, 1'000, "Waiting in one conversation.")
      .number("history_messages_max", &s::history_messages_max, "messages", 2, 100'000,
              "Of one conversation, kept in memory; older ones stay in the database.")
      .number("history_bytes_max", &s::history_bytes_max, "bytes", 1'024, gib, "The same in bytes.")
      .number("context_tokens_max", &s::context_tokens_max, "tokens", 0, 100'000'000,
              "Sent to the model at most; 0: all that its window holds.")
      .number("reply_tokens_reserved", &s::reply_tokens_reserved, "tokens", 1, 10'000'000,
              "Of the window, left free for the answer.")
      .number("answer_bytes_max", &s::answer_bytes_max, "bytes", 1, gib,
              "A longer answer is cut there.")
      .number("message_bytes_max", &s::message_bytes_max, "bytes", 1, gib,
              "A longer message is refused.")
      .number("steps_max", &s::steps_max, "steps", 1, 1'000,
              "Of one turn: calls of the model and of tools.")
      .number("turn_limit_ms", &s::turn_limit_ms, "ms", 1, day_ms, "A whole turn.")
      .number("idle_ms", &s::idle_ms, "ms", 1, day_ms,
              "A conversation without anything open leaves memory after so long.")
      .number("replay_ms", &s::replay_ms, "ms", 0, day_ms,
              "An ended turn's events can be read again for so long.")
      .number("live_max", &s::live_max, "conversations", 1, 10'000'000, "In memory at once.")
      .number("attempts_max", &s::attempts_max, "attempts", 1, 100,
              "A turn that failed so often is given up.")
      .done();
}

section_info onebot_table() {
  using s = onebot_section;
  return section_builder<s>{
      "channels.onebot",
      "QQ through OneBot v11, reverse WebSocket; each account is served at /ws/onebot/{account}.",
      [](node_config& c, std::size_t i) -> s& { return c.channels.onebot.at(i); }}
      .list_in([](node_config& c) -> std::vector<s>& { return c.channels.onebot; })
      .key("account", &s::account, "Its name in the path; unique.")
      .check(check_name)
      .example("main")
      .key("access_token", &s::access_token,
           "What the peer must present; as text, or env:NAME or file:PATH.")
      .check(check_secret)
      .secret()
      .example("env:ONEBOT_TOKEN")
      .key("private_chats", &s::private_chats, "Whether private messages are answered.")
      .key("group_chats", &s::group_chats, "Whether messages in groups are answered.")
      .key("trigger_mention", &s::trigger_mention, "In groups: answer who mentions the account.")
      .key("trigger_prefixes", &s::trigger_prefixes,
           "In groups: answer messages that begin with one of these.")
      .key("group_session", &s::group_session,
           "member: a conversation for each member. group: one that all share.")
      .allowed({"member", "group"})
      .key("model", &s::model, "Of its conversations; empty: session.default_model.")
      .key("system_prompt", &s::system_prompt,
           "Of its conversations; empty: session.system_prompt.")
      .number("reply_chars_max", &s::reply_chars_max, "characters", 20, 100'000,
              "Longer answers are split at sentence borders.")
      .number("echo_limit_ms", &s::echo_limit_ms, "ms", 1, 600'000,
              "A sent message that is not confirmed by then is sent again.")
      .number("frame_bytes_max", &s::frame_bytes_max, "bytes", 1'024, gib,
              "A longer message of the peer closes its connection.")
      .done();
}

section_info outbox_table() {
  using s = outbox_section;
  return section_builder<s>{"channels.outbox", "Replies on their way to the platforms.",
                            [](node_config& c, std::size_t) -> s& { return c.channels.outbox; }}
      .number("poll_ms", &s::poll_ms, "ms", 1, 3'600'000,
              "Between two looks for replies that are due; new ones are sent at once.")
      .number("batch_max", &s::batch_max, "replies", 1, 10'000, "Taken at once.")
      .number("claim_ms", &s::claim_ms, "ms", 1, 3'600'000,
              "A taken reply that was not settled by then is taken again.")
      .number("attempts_max", &s::attempts_max, "attempts", 1, 1'000,
              "A reply that failed so often is given up.")
      .number("backoff_first_ms", &s::backoff_first_ms, "ms", 1, day_ms,
              "Wait after the first failure; doubles each time, with jitter.")
      .number("backoff_max_ms", &s::backoff_max_ms, "ms", 1, day_ms, "The longest wait.")
      .number("age_max_ms", &s::age_max_ms, "ms", 1, 30 * day_ms, "Older replies are given up.")
      .done();
}

} // namespace

void add_session_sections(std::vector<section_info>& all) { all.push_back(session_table()); }

void add_channel_sections(std::vector<section_info>& all) {
  all.push_back(onebot_table());
  all.push_back(outbox_table());
}

} // namespace troupe::config
