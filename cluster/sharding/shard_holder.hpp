// Which shards this node has, and what each is doing: served, on its way out, handed over. Pure:
// the shards' region does what it says. A shard's sessions exist only between `open` and `close`.
#pragma once

#include "troupe/v1/cluster.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

enum class shard_phase {
  absent,  // another node's, or nobody's
  owned,   // served
  leaving, // still served, until nothing runs in it or its time is up
  frozen,  // nothing new comes in; its sessions leave memory
  handing, // has no session any more; the authority is asked to give it to its target, or back to
           // this node: under its old epoch it is never served again
};

struct shard_change {
  enum class kind {
    open,   // begin to serve it
    leave,  // go on serving, and say `quiet` when nothing runs in it
    stay,   // the move was taken back: serve on
    freeze, // let nothing in, end what runs, take its sessions out, then say `emptied`
    hand,   // ask the authority to give it to `target`: this node itself if it is to stay after all
    close,  // it is lost: end its sessions at once, they may write nothing
    release, // it is another node's in good order: what waited for it goes there
  };
  kind what;
  int shard = 0;
  std::int64_t epoch = 0;
  std::string target;
  std::int64_t target_incarnation = 0;
};

struct shard_holder_options {
  std::int64_t leave_limit_ms = 5'000; // until a leaving shard is frozen though something runs
  int frozen_max = 16;                 // frozen or handing at a time
  std::int64_t hand_again_ms = 1'000;  // without an answer
};

class shard_holder {
public:
  explicit shard_holder(shard_holder_options options);

  /// Times as in cluster/membership/member.hpp. What the new view changes, in order of the shards.
  /// Left alone: a view older than the last, and one of an incarnation that was fenced.
  std::vector<shard_change> apply(const v1::ClusterView& view, std::string_view name,
                                  std::int64_t incarnation, std::int64_t now_us);
  /// This node is no member any more: every shard it has closes.
  std::vector<shard_change> fence();
  /// Nothing runs in a leaving shard now.
  std::vector<shard_change> quiet(int shard, std::int64_t now_us);
  /// A frozen shard has no session any more.
  std::vector<shard_change> emptied(int shard, std::int64_t now_us);
  /// The authority did not do it: it is asked again at the next tick, or the next view tells why.
  void hand_failed(int shard);
  std::vector<shard_change> tick(std::int64_t now_us);

  shard_phase phase(int shard) const;
  /// Of a shard that is served or frozen here; 0: absent.
  std::int64_t epoch(int shard) const;
  /// Whether a request with this epoch may come in now.
  bool serves(int shard, std::int64_t epoch) const;
  /// Whose shards these are; 0: it was fenced, or has seen no view yet. A lease of another
  /// incarnation is none for them.
  std::int64_t incarnation() const;
  int count() const;  // not absent
  int moving() const; // leaving, frozen or handing

private:
  struct held {
    shard_phase phase = shard_phase::absent;
    bool hand_failed = false;
    std::int64_t epoch = 0;
    std::string target; // empty: it stays
    std::int64_t target_incarnation = 0;
    std::int64_t since_us = 0; // it has been leaving; asked to be handed over
  };
  const held* find(int shard) const;
  held* find(int shard, shard_phase phase);
  void set_phase(held& one, shard_phase phase);
  void update(int shard, held& one, const v1::Shard& row, const v1::ClusterView& view,
              std::int64_t now_us, std::vector<shard_change>& changes);
  void aim(int shard, held& one, const v1::Shard& row, const v1::ClusterView& view,
           std::int64_t now_us, std::vector<shard_change>& changes);
  bool freeze(int shard, held& one, std::vector<shard_change>& changes);
  shard_change hand(int shard, held& one, std::int64_t now_us) const;

  shard_holder_options options_;
  std::string name_;
  std::int64_t incarnation_ = 0;
  std::int64_t fenced_incarnation_ = 0;
  std::int64_t version_ = -1;
  std::vector<held> shards_; // by their ids
  int count_ = 0;
  int moving_ = 0;
  int frozen_ = 0; // or handing
};

} // namespace troupe
