// The moderation actor: keeps the lexicons at work, audits hits, and answers who wants to know what
// would be found in a text.
#pragma once

#include "actors/moderation/moderation_probe.hpp"
#include "actors/moderation/word_watch.hpp"
#include "actors/rulesets/ruleset_service.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct moderation_options {
  actor_host host;
  text_store_actor store;
  config::moderation_section config;
  std::shared_ptr<moderation::word_watch> watch;
  std::shared_ptr<moderation_probe> probe = std::make_shared<moderation_probe>();
  wall_clock_ptr clock = system_clock();
  std::function<void(v1::RulesetKind)> tell_others = [](v1::RulesetKind) {};
  std::function<void()> loaded = [] {};
  std::chrono::milliseconds store_limit{30'000}; // of one command or query
  bool worker_thread = true; // false for tests whose messages run one after the other
};

class moderation_state {
public:
  using interface = with_timer<moderation_actor>;
  static inline const char* name = "moderation";

  static constexpr int texts_max = 1'000;                 // of one request
  static constexpr std::int64_t bytes_max = 4 << 20;      // of its texts together
  static constexpr std::int64_t inline_bytes_max = 4'096; // longer ones are the worker's
  static constexpr int hits_max = 10'000;                 // of one text
  static constexpr int hits_by_default = 1'000;
  static constexpr std::size_t requests_max = 64; // that wait for the worker
  static constexpr std::size_t tried_max = 4;     // lexicons made for trials that are kept
  static constexpr std::int64_t tried_kept_us = 600'000'000;
  static constexpr int group_max = 500; // hits of one write
  static constexpr std::chrono::milliseconds retry{1'000};

  explicit moderation_state(interface::pointer self) : self_(self) {}
  ~moderation_state();

  void init(moderation_options given);
  const ruleset_actor& lexicons() const { return child_.handle(); }
  caf::result<TextModerated> moderate(const ModerateText& query);
  void record(const RecordModerationHits& news);
  void tick();

private:
  using matcher_ptr = std::shared_ptr<const moderation::matcher>;
  struct tried {
    std::string id;
    std::int64_t version = 0;
    std::int64_t used_us = 0;
    matcher_ptr words;
  };

  void try_set(const owed<TextModerated>& answer, const ModerateText& query,
               const v1::Ruleset& set);
  void make_tried(const owed<TextModerated>& answer, const ModerateText& query,
                  rulesets::loaded_ruleset set);
  matcher_ptr find_tried(const v1::Ruleset& set);
  void keep_tried(const v1::Ruleset& set, matcher_ptr words);
  void moderate_by(const owed<TextModerated>& answer, const ModerateText& query, matcher_ptr words);
  void on_worker(const owed<TextModerated>& answer, std::function<void()> work,
                 std::function<void()> then);

  void write_hits();
  void hits_written(std::size_t count);
  void hits_failed(const caf::error& error);
  void tell_dropped();

  interface::pointer self_;
  moderation_options options_;
  ruleset_child child_;
  ruleset_worker_actor worker_;
  std::size_t working_ = 0;
  std::vector<tried> tried_;

  std::deque<v1::ModerationHit> hits_; // not written yet
  bool writing_ = false;
  bool timer_set_ = false;
  std::uint64_t dropped_told_ = 0;
};

/// Asks the store for lexicons by its child, a ruleset service, and puts them to work in
/// `options.watch`. Short texts are moderated at once; long ones, and lexicons that are tried
/// alone, by a worker. Hits are written in groups; while the store fails up to `hits_buffer_max`
/// wait.
moderation_state::interface::behavior_type
moderation_service(self_pointer<moderation_state::interface, moderation_state> self,
                   moderation_options options);

} // namespace troupe
