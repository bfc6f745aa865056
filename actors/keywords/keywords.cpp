#include "actors/keywords/keywords.hpp"

#include "messages/log.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe {

namespace {

constexpr std::chrono::milliseconds restore_again{1'000};

} // namespace

keywords_state::~keywords_state() {
  if (worker_)
    caf::anon_send_exit(worker_, caf::exit_reason::user_shutdown);
}

void keywords_state::init(keywords_options given) {
  options_ = std::move(given);
  worker_ = options_.worker_thread ? spawn<caf::detached>(options_.host, ruleset_worker)
                                   : spawn(options_.host, ruleset_worker);
  ruleset_options sets;
  sets.host = options_.host;
  sets.store = options_.store;
  sets.kind = std::make_shared<keywords::keyword_kind>(options_.live);
  sets.clock = options_.clock;
  sets.poll = std::chrono::milliseconds{options_.section.poll_ms};
  sets.tell_others = options_.tell_others;
  sets.loaded = options_.loaded;
  sets.worker_thread = options_.worker_thread;
  child_.start(self_, std::move(sets));
  // Timers of a state that is gone say another number.
  timers_ = self_->clock().now().time_since_epoch().count();
  restore();
  arm(save_tick, std::chrono::milliseconds{options_.section.counts_save_ms});
}

void keywords_state::arm(tick_kind kind, std::chrono::milliseconds after) {
  v1::Tick timer;
  timer.set_kind(kind);
  timer.set_id(timers_);
  self_->delayed_send(self_, after, Tick{std::move(timer)});
}

void keywords_state::tick(const Tick& timer) {
  if (timer->id() != timers_)
    return;
  if (timer->kind() == restore_tick) {
    restore();
    return;
  }
  arm(save_tick, std::chrono::milliseconds{options_.section.counts_save_ms});
  write_counts({});
}

// -- statistics -----------------------------------------------------------------------------------

void keywords_state::restore() {
  if (options_.usage->restored())
    return;
  self_->request(options_.store, options_.store_limit, LoadKeywordCounts{})
      .then(
          [this](const KeywordCounts& all) {
            keywords::statistics mine{options_.usage->options()};
            for (const auto& one : all->nodes())
              if (one.node() == options_.node) {
                if (auto read =
                        keywords::statistics::parse(one.counts(), options_.usage->options()))
                  mine = std::move(*read);
                else
                  log_warn("keyword_counts_unreadable", {{"node", options_.node}});
              }
            options_.usage->restore(mine);
          },
          [this](const caf::error& error) {
            log_warn("keyword_counts_not_read", {{"error", describe(error)}});
            arm(restore_tick, restore_again);
          });
}

caf::result<Done> keywords_state::save(const SaveKeywordCounts&) {
  owed<Done> answer{self_->make_response_promise<Done>()};
  auto promise = answer.promise();
  write_counts(std::move(answer));
  return promise;
}

void keywords_state::write_counts(owed<Done> answer) {
  auto give = [answer = std::move(answer)](caf::error error) {
    if (error)
      answer.fail(std::move(error));
    else
      answer.give(Done{});
  };
  if (!options_.usage->restored())
    return give(make_error(ec::store_unavailable, "what was counted earlier was not read yet"));
  auto counts = std::make_shared<std::string>();
  auto failed = [give](const caf::error& error) {
    log_warn("keyword_counts_not_saved", {{"error", describe(error)}});
    give(error);
  };
  auto work = [counts, usage = options_.usage] {
    *counts = keywords::bounded_text(usage->counted(), usage->options());
  };
  do_on_worker(self_, worker_, work, [this, counts, give, failed](caf::error error) {
    if (error)
      return failed(error);
    if (counts->empty())
      return failed(make_error(ec::too_large, "the counts have too many channels"));
    v1::SaveKeywordCounts command;
    command.set_node(options_.node);
    command.set_counts(std::move(*counts));
    self_->request(options_.store, options_.store_limit, SaveKeywordCounts{std::move(command)})
        .then([give](const Done&) { give({}); }, failed);
  });
}

caf::result<KeywordStatistics> keywords_state::statistics(const GetKeywordStatistics& given) {
  auto query = *given;
  if (!query.unit().empty() && query.unit() != "hour" && query.unit() != "day")
    return make_error(ec::invalid_argument, "unit must be hour or day");
  if (query.limit() < 0 || query.limit() > counts_max)
    return make_error(ec::invalid_argument, fmt::format("limit must be 1 to {}", counts_max));
  if (query.to_us() == 0)
    query.set_to_us(options_.clock->now_us() + 1);
  auto ticket = take_ticket();
  if (ticket == nullptr)
    return busy<v1::KeywordStatistics>();
  owed<KeywordStatistics> answer{self_->make_response_promise<KeywordStatistics>()};
  self_->request(options_.store, options_.store_limit, LoadKeywordCounts{})
      .then(
          [this, answer, ticket, query](const KeywordCounts& all) {
            on_worker<v1::KeywordStatistics>(
                answer, ticket,
                [all, query, usage = options_.usage,
                 node = options_.node](v1::KeywordStatistics& out) {
                  auto sum = usage->counted();
                  for (const auto& one : all->nodes())
                    if (one.node() != node || !usage->restored())
                      if (auto read = keywords::statistics::parse(one.counts(), usage->options()))
                        sum.merge(*read);
                  out = keywords::statistics_of(sum, query);
                });
          },
          [answer](caf::error& error) { answer.fail(std::move(error)); });
  return answer.promise();
}

// -- what a message would set off -----------------------------------------------------------------

caf::result<KeywordsMatched> keywords_state::match(const MatchKeywords& given) {
  auto query = *given;
  if (query.limit() < 0 || query.limit() > matches_max)
    return make_error(ec::invalid_argument, fmt::format("limit must be 1 to {}", matches_max));
  if (query.at_us() == 0)
    query.set_at_us(options_.clock->now_us());
  auto random = options_.random();
  if (query.ruleset().id().empty() && query.ruleset().name().empty()) {
    auto rules = options_.live->current();
    if (rules == nullptr)
      return make_error(ec::store_unavailable,
                        "the keyword sets were not read from the database yet; try again later");
    return KeywordsMatched{keywords::matched(*rules, query, *options_.usage, random)};
  }
  auto ticket = take_ticket();
  if (ticket == nullptr)
    return busy<v1::KeywordsMatched>();
  owed<KeywordsMatched> answer{self_->make_response_promise<KeywordsMatched>()};
  v1::GetRuleset wanted;
  *wanted.mutable_context() = query.context();
  *wanted.mutable_ruleset() = query.ruleset();
  wanted.mutable_ruleset()->set_kind(v1::RULESET_KIND_KEYWORDS);
  self_->request(options_.store, options_.store_limit, GetRuleset{std::move(wanted)})
      .then(
          [this, answer, ticket, query, random](const Ruleset& set) {
            load_ruleset(
                self_, options_.store, *set, 0,
                [this, answer, ticket, query,
                 random](caf::expected<rulesets::loaded_ruleset> loaded) {
                  if (!loaded)
                    return answer.fail(std::move(loaded.error()));
                  on_worker<v1::KeywordsMatched>(
                      answer, ticket,
                      [set = std::make_shared<rulesets::loaded_ruleset>(std::move(*loaded)), query,
                       random, usage = options_.usage](v1::KeywordsMatched& out) {
                        std::vector<v1::RulesetProblem> ignored;
                        auto rules = keywords::compile_sets({*set}, ignored);
                        out = keywords::matched(*rules, query, *usage, random);
                      });
                });
          },
          [answer](caf::error& error) { answer.fail(std::move(error)); });
  return answer.promise();
}

// -- both -----------------------------------------------------------------------------------------

std::shared_ptr<void> keywords_state::take_ticket() {
  if (*under_way_ >= requests_max)
    return nullptr;
  ++*under_way_;
  return {static_cast<void*>(this), [count = under_way_](void*) { --*count; }};
}

template <class Answer>
caf::result<payload<Answer>> keywords_state::busy() const {
  return make_error(ec::overloaded, "too many requests for keywords are under way; try again "
                                    "later");
}

template <class Answer>
void keywords_state::on_worker(const owed<payload<Answer>>& answer, std::shared_ptr<void> ticket,
                               std::function<void(Answer&)> work) {
  auto made = std::make_shared<Answer>();
  do_on_worker(
      self_, worker_, [made, work = std::move(work)] { work(*made); },
      [answer, ticket = std::move(ticket), made](caf::error error) {
        if (error)
          answer.fail(std::move(error));
        else
          answer.give(payload<Answer>{std::move(*made)});
      });
}

keywords_state::interface::behavior_type
keywords_service(self_pointer<keywords_state::interface, keywords_state> self,
                 keywords_options options) {
  auto* st = &self->state;
  st->init(std::move(options));
  return {
      [self, st](const CreateRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const UpdateRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const DeleteRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const EditRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const ImportRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const RestoreRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const ExportRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const LintRuleset& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const GetTextServiceStatus& x) { return self->delegate(st->rulesets(), x); },
      [self, st](const RulesetsChanged& x) { self->send(st->rulesets(), x); },
      [st](const MatchKeywords& x) { return st->match(x); },
      [st](const GetKeywordStatistics& x) { return st->statistics(x); },
      [st](const SaveKeywordCounts& x) { return st->save(x); },
      [st](const Tick& x) { st->tick(x); },
  };
}

} // namespace troupe
