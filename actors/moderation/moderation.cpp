#include "actors/moderation/moderation.hpp"

#include "actors/moderation/lexicon_kind.hpp"
#include "actors/moderation/render.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace troupe {

namespace {

using moderation::action;
using moderation::fold;
using moderation::matcher;

constexpr std::array<fold, 7> all_folds{fold::width,  fold::look_alikes, fold::letter_case,
                                        fold::script, fold::symbols,     fold::repeats,
                                        fold::pinyin};

std::int64_t bytes_of(const v1::ModerateText& query) {
  std::int64_t bytes = 0;
  for (const auto& text : query.texts())
    bytes += static_cast<std::int64_t>(text.size());
  return bytes;
}

v1::TextHit shown(const matcher& words, const moderation::hit& one, std::string_view text) {
  v1::TextHit out;
  out.set_begin(static_cast<std::int64_t>(one.begin));
  out.set_end(static_cast<std::int64_t>(one.end));
  out.set_text(std::string{text.substr(one.begin, one.end - one.begin)});
  out.set_entry(std::string{words.text(one.entry)});
  out.set_category(std::string{words.category(one.entry)});
  out.set_level(one.level);
  out.set_action(std::string{name_of(one.act)});
  for (auto each : all_folds)
    if (one.folds.has(each))
      out.add_folds(std::string{name_of(each)});
  if (const auto* part = words.part_of(one.entry))
    out.set_ruleset(part->name);
  return out;
}

v1::TextModerated moderated(const v1::ModerateText& query, const matcher& words) {
  v1::TextModerated out;
  auto to = words.audience_of(query.context().tenant_id(), query.channel());
  auto limit = query.hits_max() > 0 ? query.hits_max() : moderation_state::hits_by_default;
  for (const auto& text : query.texts()) {
    auto& result = *out.add_results();
    auto found = words.find(text, to, static_cast<std::size_t>(limit));
    result.set_truncated(found.truncated);
    auto gravest = action::log;
    for (const auto& one : found.hits) {
      gravest = std::max(gravest, one.act);
      *result.add_hits() = shown(words, one, text);
    }
    if (!found.hits.empty())
      result.set_action(std::string{name_of(gravest)});
    if (gravest != action::block)
      result.set_rendered(moderation::rendered(words, text, found.hits));
  }
  return out;
}

caf::error check(const v1::ModerateText& query) {
  if (query.texts_size() > moderation_state::texts_max
      || bytes_of(query) > moderation_state::bytes_max)
    return make_error(ec::too_large,
                      fmt::format("at most {} texts of {} bytes together are "
                                  "moderated at once",
                                  moderation_state::texts_max, moderation_state::bytes_max));
  if (query.hits_max() < 0 || query.hits_max() > moderation_state::hits_max)
    return make_error(ec::invalid_argument,
                      fmt::format("hits_max must be 0 to {}", moderation_state::hits_max));
  return {};
}

} // namespace

moderation_state::~moderation_state() {
  if (options_.probe)
    options_.probe->hits_waiting.fetch_sub(static_cast<std::int64_t>(hits_.size()),
                                           std::memory_order_relaxed);
  if (worker_)
    caf::anon_send_exit(worker_, caf::exit_reason::user_shutdown);
}

void moderation_state::init(moderation_options given) {
  options_ = std::move(given);
  worker_ = options_.worker_thread ? spawn<caf::detached>(options_.host, ruleset_worker)
                                   : spawn(options_.host, ruleset_worker);
  ruleset_options lexicons;
  lexicons.host = options_.host;
  lexicons.store = options_.store;
  lexicons.kind = std::make_shared<moderation::lexicon_kind>(options_.watch);
  lexicons.clock = options_.clock;
  lexicons.poll = std::chrono::milliseconds{options_.config.poll_ms};
  lexicons.tell_others = options_.tell_others;
  lexicons.loaded = options_.loaded;
  lexicons.worker_thread = options_.worker_thread;
  child_.start(self_, std::move(lexicons));
}

// -- what would be found --------------------------------------------------------------------------

caf::result<TextModerated> moderation_state::moderate(const ModerateText& query) {
  if (auto refused = check(*query))
    return refused;
  const auto& name = query->ruleset();
  auto alone = !name.id().empty() || !name.name().empty();
  if (!alone && bytes_of(*query) <= inline_bytes_max)
    return TextModerated{moderated(*query, *options_.watch->get())};
  owed<TextModerated> answer{self_->make_response_promise<TextModerated>()};
  if (!alone) {
    moderate_by(answer, query, options_.watch->get());
    return answer.promise();
  }
  v1::GetRuleset wanted;
  *wanted.mutable_context() = query->context();
  *wanted.mutable_ruleset() = name;
  wanted.mutable_ruleset()->set_kind(v1::RULESET_KIND_LEXICON);
  self_->request(options_.store, options_.store_limit, GetRuleset{std::move(wanted)})
      .then([this, answer, query](const Ruleset& set) { try_set(answer, query, *set); },
            [answer](caf::error& error) { answer.fail(std::move(error)); });
  return answer.promise();
}

void moderation_state::try_set(const owed<TextModerated>& answer, const ModerateText& query,
                               const v1::Ruleset& set) {
  if (set.kind() != v1::RULESET_KIND_LEXICON) { // named by an id of another kind
    answer.fail(make_error(ec::not_found, "there is no such lexicon"));
    return;
  }
  if (auto words = find_tried(set)) {
    moderate_by(answer, query, std::move(words));
    return;
  }
  load_ruleset(self_, options_.store, set, 0,
               [this, answer, query](caf::expected<rulesets::loaded_ruleset> loaded) {
                 if (loaded)
                   make_tried(answer, query, std::move(*loaded));
                 else
                   answer.fail(std::move(loaded.error()));
               });
}

void moderation_state::make_tried(const owed<TextModerated>& answer, const ModerateText& query,
                                  rulesets::loaded_ruleset set) {
  struct trial {
    rulesets::loaded_ruleset set;
    matcher_ptr words;
    v1::TextModerated result;
  };
  auto one = std::make_shared<trial>();
  one->set = std::move(set);
  on_worker(
      answer,
      [one, query, watch = options_.watch] {
        std::vector<v1::RulesetProblem> left_out;
        auto words = moderation::lexicon_of(one->set, left_out);
        words.parts.push_back({words.name, words.version, 0});
        std::vector<moderation::problem> problems;
        one->words = matcher::make(words, watch->options(), problems);
        one->set.bodies = {};
        one->result = moderated(*query, *one->words);
      },
      [this, one, answer] {
        keep_tried(one->set.ruleset, std::move(one->words));
        answer.give(TextModerated{std::move(one->result)});
      });
}

moderation_state::matcher_ptr moderation_state::find_tried(const v1::Ruleset& set) {
  auto now = options_.clock->now_us();
  std::erase_if(tried_, [&](const tried& one) { return now - one.used_us > tried_kept_us; });
  for (auto& one : tried_)
    if (one.id == set.id() && one.version == set.version()) {
      one.used_us = now;
      return one.words;
    }
  return nullptr;
}

void moderation_state::keep_tried(const v1::Ruleset& set, matcher_ptr words) {
  std::erase_if(tried_, [&](const tried& one) { return one.id == set.id(); });
  if (tried_.size() == tried_max)
    tried_.erase(std::min_element(tried_.begin(), tried_.end(), [](const tried& a, const tried& b) {
      return a.used_us < b.used_us;
    }));
  tried_.push_back({set.id(), set.version(), options_.clock->now_us(), std::move(words)});
}

void moderation_state::moderate_by(const owed<TextModerated>& answer, const ModerateText& query,
                                   matcher_ptr words) {
  if (bytes_of(*query) <= inline_bytes_max) {
    answer.give(TextModerated{moderated(*query, *words)});
    return;
  }
  auto result = std::make_shared<v1::TextModerated>();
  on_worker(
      answer, [result, query, words = std::move(words)] { *result = moderated(*query, *words); },
      [result, answer] { answer.give(TextModerated{std::move(*result)}); });
}

void moderation_state::on_worker(const owed<TextModerated>& answer, std::function<void()> work,
                                 std::function<void()> then) {
  if (working_ == requests_max) {
    answer.fail(make_error(ec::overloaded, "too many long texts wait to be moderated; try again "
                                           "later"));
    return;
  }
  ++working_;
  do_on_worker(self_, worker_, std::move(work),
               [this, answer, then = std::move(then)](caf::error error) {
                 --working_;
                 if (error)
                   answer.fail(std::move(error));
                 else
                   then();
               });
}

// -- the audit ------------------------------------------------------------------------------------

void moderation_state::record(const RecordModerationHits& news) {
  auto room = static_cast<std::size_t>(options_.config.hits_buffer_max);
  std::size_t dropped = 0;
  for (const auto& one : news->hits()) {
    auto act = moderation::action_named(one.action()).value_or(action::log);
    options_.probe->count(one.category(), act);
    if (hits_.size() < room)
      hits_.push_back(one);
    else
      ++dropped;
  }
  if (dropped > 0) {
    options_.probe->hits_waiting.fetch_sub(static_cast<std::int64_t>(dropped),
                                           std::memory_order_relaxed);
    options_.probe->hits_dropped.fetch_add(dropped, std::memory_order_relaxed);
  }
  if (!timer_set_)
    write_hits();
}

void moderation_state::write_hits() {
  if (writing_ || hits_.empty())
    return;
  writing_ = true;
  auto count = std::min<std::size_t>(hits_.size(), group_max);
  v1::RecordModerationHits group;
  for (std::size_t i = 0; i < count; ++i)
    *group.add_hits() = hits_[i];
  self_->request(options_.store, options_.store_limit, RecordModerationHits{std::move(group)})
      .then([this, count](const Done&) { hits_written(count); },
            [this](const caf::error& error) { hits_failed(error); });
}

void moderation_state::hits_written(std::size_t count) {
  writing_ = false;
  hits_.erase(hits_.begin(), hits_.begin() + static_cast<std::ptrdiff_t>(count));
  options_.probe->hits_written.fetch_add(count, std::memory_order_relaxed);
  options_.probe->hits_waiting.fetch_sub(static_cast<std::int64_t>(count),
                                         std::memory_order_relaxed);
  tell_dropped();
  write_hits();
}

// They may have been written, the answer being late: those that are there are left alone then.
void moderation_state::hits_failed(const caf::error& error) {
  writing_ = false;
  log_warn("moderation_hits_not_written", {{"waiting", hits_.size()}, {"error", describe(error)}});
  tell_dropped();
  if (!std::exchange(timer_set_, true))
    self_->delayed_send(self_, retry, Tick{});
}

void moderation_state::tell_dropped() {
  auto dropped = options_.probe->hits_dropped.load(std::memory_order_relaxed);
  if (dropped != dropped_told_)
    log_warn("moderation_hits_dropped", {{"hits", dropped - dropped_told_}, {"in_all", dropped}});
  dropped_told_ = dropped;
}

void moderation_state::tick() {
  timer_set_ = false;
  write_hits();
}

moderation_state::interface::behavior_type
moderation_service(self_pointer<moderation_state::interface, moderation_state> self,
                   moderation_options options) {
  self->state.init(std::move(options));
  auto* st = &self->state;
  auto pass = [self, st](const auto& x) { return self->delegate(st->lexicons(), x); };
  return {
      [pass](const CreateRuleset& x) { return pass(x); },
      [pass](const UpdateRuleset& x) { return pass(x); },
      [pass](const DeleteRuleset& x) { return pass(x); },
      [pass](const EditRuleset& x) { return pass(x); },
      [pass](const ImportRuleset& x) { return pass(x); },
      [pass](const RestoreRuleset& x) { return pass(x); },
      [pass](const ExportRuleset& x) { return pass(x); },
      [pass](const LintRuleset& x) { return pass(x); },
      [pass](const GetTextServiceStatus& x) { return pass(x); },
      [self, st](const RulesetsChanged& x) { self->send(st->lexicons(), x); },
      [st](const ModerateText& x) { return st->moderate(x); },
      [st](const RecordModerationHits& x) { st->record(x); },
      [st](const Tick&) { st->tick(); },
  };
}

} // namespace troupe
