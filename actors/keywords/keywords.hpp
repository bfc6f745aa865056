// The keywords actor: keeps the rules up to date, tells what a message would set off, and how often
// rules answered. Sessions answer by `keyword_stage` (stages.hpp), which shares the rules and their
// use with it.
#pragma once

#include "actors/keywords/keyword_kind.hpp"
#include "actors/keywords/rule_usage.hpp"
#include "actors/rulesets/ruleset_service.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace troupe {

struct keywords_options {
  actor_host host;
  text_store_actor store;
  std::string node; // under whose name the counts are saved
  config::keywords_section section;
  std::shared_ptr<keywords::live_rules> live = std::make_shared<keywords::live_rules>();
  std::shared_ptr<keywords::rule_usage> usage;
  wall_clock_ptr clock = system_clock();
  std::function<void(v1::RulesetKind)> tell_others = [](v1::RulesetKind) {};
  std::function<void()> loaded = [] {};
  std::function<std::uint64_t()> random = keywords::draw_random;
  /// Of one command or query to the store.
  std::chrono::milliseconds store_limit{30'000};
  bool worker_thread = true; // false for tests whose messages run one after the other
};

class keywords_state {
public:
  using interface = with_timer<keywords_actor>;
  static inline const char* name = "keywords";

  /// So many sets are tried, and statistics gathered, at once; further ones are `overloaded`.
  static constexpr std::size_t requests_max = 8;
  static constexpr int matches_max = 1'000;
  static constexpr int counts_max = 1'000; // of keywords in one answer

  explicit keywords_state(interface::pointer self) : self_(self) {}
  ~keywords_state();

  void init(keywords_options given);
  const ruleset_actor& rulesets() const { return child_.handle(); }
  caf::result<KeywordsMatched> match(const MatchKeywords& query);
  caf::result<KeywordStatistics> statistics(const GetKeywordStatistics& query);
  caf::result<Done> save(const SaveKeywordCounts& command);
  void tick(const Tick& timer);

private:
  enum tick_kind { save_tick = 1, restore_tick };

  void arm(tick_kind kind, std::chrono::milliseconds after);
  void restore();
  void write_counts(owed<Done> answer);
  std::shared_ptr<void> take_ticket();
  /// Runs `work` on the worker, then answers with what it left.
  template <class Answer>
  void on_worker(const owed<payload<Answer>>& answer, std::shared_ptr<void> ticket,
                 std::function<void(Answer&)> work);
  template <class Answer>
  caf::result<payload<Answer>> busy() const;

  interface::pointer self_;
  keywords_options options_;
  ruleset_child child_;
  ruleset_worker_actor worker_;
  std::shared_ptr<std::atomic<std::size_t>> under_way_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::int64_t timers_ = 0; // of this state
};

/// Counts are written every `counts_save_ms`, and when `SaveKeywordCounts` asks for it, under the
/// node's name; at most `keywords::counts_bytes_max` bytes. Nothing is written before what the node
/// had counted earlier was read back.
keywords_state::interface::behavior_type
keywords_service(self_pointer<keywords_state::interface, keywords_state> self,
                 keywords_options options);

namespace keywords {

/// What a message sets off in a set of rules, best first. `query.at_us` is set.
v1::KeywordsMatched matched(const matcher& rules, const v1::MatchKeywords& query,
                            const rule_usage& usage, std::uint64_t random);

/// An answer to `query`, of counts that are merged already. `query.to_us` is set.
v1::KeywordStatistics statistics_of(const statistics& counts,
                                    const v1::GetKeywordStatistics& query);

} // namespace keywords

} // namespace troupe
