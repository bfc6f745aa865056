#include "actors/keywords/cooldown.hpp"

namespace troupe::keywords {

std::string cooldowns::key_of(const rule& r, const message_facts& message) {
  // A zero byte is in none of the parts, so that no two keys are alike by chance.
  std::string key = r.id;
  auto add = [&key](std::string_view part) {
    key += '\0';
    key += part;
  };
  if (r.cooldown == cooldown_per::rule)
    return key;
  add(message.channel);
  add(message.account);
  add(r.cooldown == cooldown_per::chat ? message.chat_id : message.user_id);
  return key;
}

bool cooldowns::rests(const rule& r, const message_facts& message) const {
  if (r.cooldown_ms == 0)
    return false;
  auto found = until_us_.find(key_of(r, message));
  if (found == until_us_.end())
    return false;
  auto left_us = found->second - message.now_us;
  return left_us > 0 && left_us <= r.cooldown_ms * 1'000;
}

void cooldowns::start(const rule& r, const message_facts& message) {
  if (r.cooldown_ms == 0 || entries_max_ == 0)
    return;
  forget_ended(message.now_us);
  auto key = key_of(r, message);
  auto until = message.now_us + r.cooldown_ms * 1'000;
  if (auto known = until_us_.find(key); known != until_us_.end()) {
    order_.erase({known->second, key});
    known->second = until;
    order_.emplace(until, std::move(key));
    return;
  }
  if (until_us_.size() == entries_max_) {
    until_us_.erase(order_.begin()->second);
    order_.erase(order_.begin());
  }
  until_us_.emplace(key, until);
  order_.emplace(until, std::move(key));
}

void cooldowns::forget_ended(std::int64_t now_us) {
  while (!order_.empty() && order_.begin()->first <= now_us) {
    until_us_.erase(order_.begin()->second);
    order_.erase(order_.begin());
  }
}

} // namespace troupe::keywords
