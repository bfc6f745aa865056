#include "tests/support/history.hpp"

#include <fmt/format.h>

#include <map>
#include <unordered_map>

namespace troupe::test {

namespace {

class findings {
public:
  void add(std::string what) {
    if (all_.size() < history_findings_max)
      all_.push_back(std::move(what));
  }
  std::vector<std::string> take() { return std::move(all_); }

private:
  std::vector<std::string> all_;
};

double ms_between(append_op::time_point from, append_op::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

using op_index = std::unordered_map<std::string, const append_op*>;

op_index index_of(const std::vector<append_op>& ops, findings& found) {
  op_index out;
  for (const auto& op : ops)
    if (!out.emplace(op.text, &op).second)
      found.add(fmt::format("two requests had the text {}: the history says nothing", op.text));
  return out;
}

void check_counts(const std::vector<append_op>& ops, const std::vector<stored_append>& stored,
                  const op_index& by_text, findings& found) {
  std::unordered_map<std::string, int> there;
  for (const auto& one : stored) {
    auto op = by_text.find(one.text);
    if (op == by_text.end())
      found.add(fmt::format("{} is there and nobody wrote it", one.text));
    else if (op->second->conversation != one.conversation)
      found.add(fmt::format("{} is in conversation {} and was written to {}", one.text,
                            one.conversation, op->second->conversation));
    ++there[one.text];
  }
  for (const auto& op : ops) {
    auto times = there.find(op.text);
    auto count = times == there.end() ? 0 : times->second;
    if (count > 1)
      found.add(fmt::format("{} is there {} times", op.text, count));
    if (count == 0 && op.outcome == append_outcome::acknowledged)
      found.add(fmt::format("{} was acknowledged by {} and is lost", op.text, op.node));
    if (count > 0 && op.outcome == append_outcome::refused)
      found.add(fmt::format("{} was refused by {} and is there", op.text, op.node));
  }
}

/// A list is in order if each of it can be given a moment of its own, later than those before it:
/// that is, if nothing was answered before something in front of it was asked for.
void check_order(const std::vector<stored_append>& stored, const op_index& by_text,
                 findings& found) {
  std::map<std::string, const append_op*> latest; // by conversation: the last that was asked for
  for (const auto& one : stored) {
    auto there = by_text.find(one.text);
    if (there == by_text.end())
      continue;
    const auto* op = there->second;
    auto& before = latest.try_emplace(one.conversation, op).first->second;
    if (op->outcome == append_outcome::acknowledged && op->completed < before->invoked)
      found.add(
          fmt::format("{} stands behind {}, which was asked for {:.3f} ms after the first was "
                      "acknowledged",
                      op->text, before->text, ms_between(op->completed, before->invoked)));
    if (before->invoked < op->invoked)
      before = op;
  }
}

} // namespace

std::vector<std::string> check_history(const std::vector<append_op>& ops,
                                       const std::vector<stored_append>& stored) {
  findings found;
  auto by_text = index_of(ops, found);
  check_counts(ops, stored, by_text, found);
  check_order(stored, by_text, found);
  return found.take();
}

std::vector<std::string> check_owners(const std::vector<shard_write>& writes) {
  findings found;
  std::map<int, const shard_write*> last;
  for (const auto& write : writes) {
    if (write.writer != write.owner)
      found.add(fmt::format("{} of shard {} was written by {} while {} owned it (epoch {})",
                            write.what, write.shard, write.writer, write.owner, write.epoch));
    auto& before = last.try_emplace(write.shard, &write).first->second;
    if (write.epoch < before->epoch)
      found.add(fmt::format("{} of shard {} was written under epoch {} after {} was under {}",
                            write.what, write.shard, write.epoch, before->what, before->epoch));
    else if (write.epoch == before->epoch && write.owner != before->owner)
      found.add(fmt::format("epoch {} of shard {} was {}'s for {} and {}'s for {}", write.epoch,
                            write.shard, before->owner, before->what, write.owner, write.what));
    if (before->epoch <= write.epoch)
      before = &write;
  }
  return found.take();
}

} // namespace troupe::test
