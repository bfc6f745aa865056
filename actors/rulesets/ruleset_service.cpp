#include "actors/rulesets/ruleset_service.hpp"

#include "messages/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

using rulesets::checked_change;
using rulesets::loaded_ruleset;
using rulesets::made_summary;

ruleset_service_state::~ruleset_service_state() {
  if (worker_)
    caf::anon_send_exit(worker_, caf::exit_reason::user_shutdown);
}

void ruleset_service_state::init(ruleset_options given) {
  options_ = std::move(given);
  start_worker();
  // Timers of a state that is gone say another number.
  timer_ = self_->clock().now().time_since_epoch().count();
  v1::Tick timer;
  timer.set_id(timer_);
  self_->send(self_, Tick{std::move(timer)});
}

void ruleset_service_state::start_worker() {
  worker_ = options_.worker_thread ? spawn<caf::detached>(options_.host, ruleset_worker)
                                   : spawn(options_.host, ruleset_worker);
}

// -- requests -------------------------------------------------------------------------------------

v1::RulesetName ruleset_service_state::own(v1::RulesetName name) const {
  name.set_kind(options_.kind->kind());
  return name;
}

caf::error ruleset_service_state::busy() const {
  return make_error(ec::overloaded, fmt::format("too many requests for {}s are under way: try "
                                                "again later",
                                                options_.kind->noun()));
}

ruleset_service_state::ticket ruleset_service_state::take_ticket() {
  if (*under_way_ >= requests_max)
    return nullptr;
  ++*under_way_;
  return {under_way_.get(), [count = under_way_](void*) { --*count; }};
}

template <class Answer, class Command>
caf::result<payload<Answer>> ruleset_service_state::pass_on(Command command) {
  owed<payload<Answer>> answer{self_->make_response_promise<payload<Answer>>()};
  self_->request(options_.store, options_.store_limit, payload<Command>{std::move(command)})
      .then(
          [this, answer](const payload<Answer>& done) {
            changed();
            answer.give(done);
          },
          [answer](caf::error& error) { answer.fail(std::move(error)); });
  return answer.promise();
}

caf::result<Ruleset> ruleset_service_state::create(const CreateRuleset& command) {
  auto own_command = *command;
  own_command.set_kind(options_.kind->kind());
  return pass_on<v1::Ruleset>(std::move(own_command));
}

caf::result<Ruleset> ruleset_service_state::update(const UpdateRuleset& command) {
  auto own_command = *command;
  *own_command.mutable_ruleset() = own(command->ruleset());
  return pass_on<v1::Ruleset>(std::move(own_command));
}

caf::result<Done> ruleset_service_state::erase(const DeleteRuleset& command) {
  auto own_command = *command;
  *own_command.mutable_ruleset() = own(command->ruleset());
  return pass_on<v1::Done>(std::move(own_command));
}

caf::result<RulesetChanged> ruleset_service_state::restore(const RestoreRuleset& command) {
  auto own_command = *command;
  *own_command.mutable_ruleset() = own(command->ruleset());
  return pass_on<v1::RulesetChanged>(std::move(own_command));
}

template <class Answer>
caf::result<Answer> ruleset_service_state::with(const v1::RulesetName& name,
                                                const v1::Context& context, with_set<Answer> then) {
  auto pass = take_ticket();
  if (pass == nullptr)
    return busy();
  owed<Answer> answer{self_->make_response_promise<Answer>()};
  v1::GetRuleset query;
  *query.mutable_context() = context;
  *query.mutable_ruleset() = own(name);
  self_->request(options_.store, options_.store_limit, GetRuleset{std::move(query)})
      .then([answer, then, pass](const Ruleset& set) { then(answer, *set, pass); },
            [answer](caf::error& error) { answer.fail(std::move(error)); });
  return answer.promise();
}

template <class Answer>
void ruleset_service_state::on_worker(const owed<Answer>& answer, const ticket& pass,
                                      std::function<void()> work, std::function<void()> then) {
  run(std::move(work), [this, answer, pass, then = std::move(then)](const std::string& error) {
    if (error.empty()) {
      then();
      return;
    }
    log_error("ruleset_work_failed", {{"kind", options_.kind->noun()}, {"error", error}});
    answer.fail(make_error(ec::internal, "the request failed inside; it is in the log"));
  });
}

caf::result<RulesetEdited> ruleset_service_state::edit(const EditRuleset& command) {
  return with<RulesetEdited>(
      command->ruleset(), command->context(),
      [this, command](const owed<RulesetEdited>& answer, const v1::Ruleset& set,
                      const ticket& pass) {
        auto checked = std::make_shared<checked_change>();
        on_worker(
            answer, pass,
            [checked, kind = options_.kind, command] { *checked = check_edit(*kind, *command); },
            [this, checked, answer, set, pass] { store_checked(answer, set, pass, checked); });
      });
}

caf::result<RulesetEdited> ruleset_service_state::import_file(const ImportRuleset& command) {
  return with<RulesetEdited>(
      command->ruleset(), command->context(),
      [this, command](const owed<RulesetEdited>& answer, const v1::Ruleset& set,
                      const ticket& pass) {
        auto checked = std::make_shared<checked_change>();
        on_worker(
            answer, pass,
            [checked, kind = options_.kind, command] { *checked = check_import(*kind, *command); },
            [this, checked, answer, set, pass] { store_checked(answer, set, pass, checked); });
      });
}

void ruleset_service_state::store_checked(const owed<RulesetEdited>& answer, const v1::Ruleset& set,
                                          const ticket& pass,
                                          const std::shared_ptr<checked_change>& checked) {
  if (checked->refused != ec::none) {
    answer.fail(make_error(checked->refused, checked->fault));
    return;
  }
  if (checked->keep_out) {
    *checked->answer.mutable_ruleset() = set;
    checked->answer.set_unchanged(true);
    answer.give(RulesetEdited{std::move(checked->answer)});
    return;
  }
  checked->change.mutable_ruleset()->set_id(set.id());
  bool dry = checked->change.dry_run();
  self_->request(options_.store, options_.store_limit, ChangeRuleset{std::move(checked->change)})
      .then(
          [this, answer, checked, pass, dry](const RulesetChanged& done) {
            auto& out = checked->answer;
            *out.mutable_ruleset() = done->ruleset();
            *out.mutable_change() = done->change();
            out.set_unchanged(done->unchanged());
            if (!dry && !done->unchanged())
              changed();
            answer.give(RulesetEdited{std::move(out)});
          },
          [answer](caf::error& error) { answer.fail(std::move(error)); });
}

template <class Answer>
void ruleset_service_state::with_items(const owed<Answer>& answer, const v1::Ruleset& set,
                                       std::int64_t version,
                                       std::function<void(std::shared_ptr<loaded_ruleset>)> then) {
  load_ruleset(self_, options_.store, set, version,
               [answer, then = std::move(then)](caf::expected<loaded_ruleset> found) {
                 if (found)
                   then(std::make_shared<loaded_ruleset>(std::move(*found)));
                 else
                   answer.fail(std::move(found.error()));
               });
}

caf::result<RulesetFile> ruleset_service_state::export_file(const ExportRuleset& query) {
  return with<RulesetFile>(
      query->ruleset(), query->context(),
      [this, query](const owed<RulesetFile>& answer, const v1::Ruleset& set, const ticket& pass) {
        with_items<RulesetFile>(
            answer, set, query->version(),
            [this, query, answer, pass](std::shared_ptr<loaded_ruleset> loaded) {
              auto made = std::make_shared<rulesets::exported_items>();
              on_worker(
                  answer, pass,
                  [made, loaded, query, kind = options_.kind] {
                    *made = kind->export_items(*loaded, query->format());
                  },
                  [made, answer, loaded] {
                    if (!made->fault.empty()) {
                      answer.fail(make_error(ec::invalid_argument, made->fault));
                      return;
                    }
                    const auto& set = loaded->ruleset;
                    v1::RulesetFile out;
                    out.set_content(std::move(made->content));
                    out.set_media_type(std::move(made->media_type));
                    out.set_file_name(
                        fmt::format("{}-{}.{}", set.name(), set.version(), made->extension));
                    out.set_version(set.version());
                    answer.give(RulesetFile{std::move(out)});
                  });
            });
      });
}

caf::result<RulesetLint> ruleset_service_state::lint(const LintRuleset& query) {
  return with<RulesetLint>(
      query->ruleset(), query->context(),
      [this, query](const owed<RulesetLint>& answer, const v1::Ruleset& set, const ticket& pass) {
        with_items<RulesetLint>(
            answer, set, 0, [this, query, answer, pass](std::shared_ptr<loaded_ruleset> loaded) {
              auto found = std::make_shared<std::vector<v1::RulesetProblem>>();
              on_worker(
                  answer, pass,
                  [found, loaded, query, kind = options_.kind] {
                    *found = kind->lint(*loaded, query->ordinary_text());
                  },
                  [found, answer, loaded] {
                    v1::RulesetLint out;
                    out.set_problems_total(static_cast<std::int64_t>(found->size()));
                    out.set_version(loaded->ruleset.version());
                    if (found->size() > rulesets::problems_max)
                      found->resize(rulesets::problems_max);
                    for (auto& problem : *found)
                      *out.add_problems() = std::move(problem);
                    answer.give(RulesetLint{std::move(out)});
                  });
            });
      });
}

// -- the worker -----------------------------------------------------------------------------------

void ruleset_service_state::run(std::function<void()> work,
                                std::function<void(const std::string& error)> then) {
  auto job = std::make_shared<ruleset_job>();
  job->work = std::move(work);
  jobs_.push_back({std::move(job), std::move(then)});
  if (jobs_.size() == 1)
    run_next();
}

void ruleset_service_state::run_next() {
  if (jobs_.empty())
    return;
  auto done = [this](const std::string& error) {
    auto now = std::move(jobs_.front());
    jobs_.pop_front();
    run_next();
    now.then(error);
  };
  auto job = jobs_.front().job;
  // No time limit: the worker is of this process, and if it dies the request fails at once.
  self_->request(worker_, caf::infinite, job)
      .then([done, job](const Done&) { done(job->error); },
            [this, done](const caf::error& error) {
              start_worker(); // it ended
              done(describe(error));
            });
}

// -- what is at work ------------------------------------------------------------------------------

void ruleset_service_state::changed() {
  options_.tell_others(options_.kind->kind());
  look();
}

void ruleset_service_state::news(const RulesetsChanged& message) {
  if (!message->told())
    options_.tell_others(options_.kind->kind());
  look();
}

void ruleset_service_state::tick(const Tick& timer) {
  if (timer->id() != timer_)
    return;
  self_->delayed_send(self_, options_.poll, timer);
  if (!looking_)
    look();
}

void ruleset_service_state::look() {
  if (looking_) {
    look_again_ = true;
    return;
  }
  looking_ = true;
  tries_ = 0;
  list();
}

void ruleset_service_state::list() {
  v1::ListRulesets query;
  query.set_kind(options_.kind->kind());
  self_->request(options_.store, options_.store_limit, ListRulesets{std::move(query)})
      .then([this](const RulesetList& found) { listed(found); },
            [this](const caf::error& error) { look_failed(describe(error)); });
}

void ruleset_service_state::listed(const RulesetList& list) {
  wanted_.clear();
  loaded_.clear();
  for (const auto& set : list->rulesets())
    if (set.enabled())
      wanted_.push_back(set);
  auto same = [](const v1::Ruleset& a, const v1::Ruleset& b) {
    return a.id() == b.id() && a.version() == b.version() && a.name() == b.name();
  };
  const auto& now = at_work_.rulesets();
  if (made_once_ && std::equal(now.begin(), now.end(), wanted_.begin(), wanted_.end(), same))
    look_done();
  else
    load_next();
}

void ruleset_service_state::load_next() {
  // All are read again, also those that stayed the same: they are kept nowhere but in what is made
  // of them.
  if (loaded_.size() == wanted_.size()) {
    make();
    return;
  }
  load_ruleset(self_, options_.store, wanted_[loaded_.size()], 0,
               [this](caf::expected<loaded_ruleset> found) {
                 if (found) {
                   loaded_.push_back(std::move(*found));
                   load_next();
                 } else if (info(found.error()).code == ec::not_found && ++tries_ < tries_max) {
                   list(); // it was deleted meanwhile, or its version forgotten
                 } else {
                   look_failed(describe(found.error()));
                 }
               });
}

void ruleset_service_state::make() {
  auto sets = std::make_shared<std::vector<loaded_ruleset>>(std::move(loaded_));
  loaded_ = {};
  auto summary = std::make_shared<made_summary>();
  auto took_us = std::make_shared<std::int64_t>(0);
  run(
      [sets, summary, took_us, kind = options_.kind, clock = options_.clock] {
        auto start = clock->now_us();
        *summary = kind->put_to_work(std::move(*sets));
        *took_us = clock->now_us() - start;
      },
      [this, summary, took_us](const std::string& error) {
        if (error.empty())
          made(*summary, *took_us);
        else
          look_failed(error);
      });
}

void ruleset_service_state::made(const made_summary& summary, std::int64_t took_us) {
  at_work_.Clear();
  for (auto& set : wanted_)
    *at_work_.add_rulesets() = std::move(set);
  wanted_ = {};
  at_work_.set_items(summary.items);
  at_work_.set_memory_bytes(summary.memory_bytes);
  at_work_.set_built_us(options_.clock->now_us());
  at_work_.set_build_took_us(took_us);
  for (std::size_t i = 0; i < std::min(summary.problems.size(), rulesets::problems_max); ++i)
    *at_work_.add_problems() = summary.problems[i];
  log_info("rulesets_at_work", {{"kind", options_.kind->noun()},
                                {"sets", at_work_.rulesets_size()},
                                {"items", summary.items},
                                {"problems", summary.problems.size()},
                                {"took_us", took_us}});
  if (!std::exchange(made_once_, true))
    options_.loaded();
  look_done();
}

void ruleset_service_state::look_failed(const std::string& error) {
  if (error_.empty())
    log_warn("rulesets_not_read", {{"kind", options_.kind->noun()}, {"error", error}});
  error_ = error;
  looking_ = false;
  look_again_ = false; // the next poll looks
  wanted_ = {};
  loaded_ = {};
}

void ruleset_service_state::look_done() {
  if (!error_.empty())
    log_info("rulesets_read_again", {{"kind", options_.kind->noun()}});
  error_.clear();
  looking_ = false;
  if (std::exchange(look_again_, false))
    look();
}

TextServiceStatus ruleset_service_state::status() const {
  auto out = at_work_;
  out.set_error(error_);
  return out;
}

ruleset_service_state::interface::behavior_type
ruleset_service(self_pointer<ruleset_service_state::interface, ruleset_service_state> self,
                ruleset_options options) {
  self->state.init(std::move(options));
  auto* st = &self->state;
  return {
      [st](const CreateRuleset& x) { return st->create(x); },
      [st](const UpdateRuleset& x) { return st->update(x); },
      [st](const DeleteRuleset& x) { return st->erase(x); },
      [st](const EditRuleset& x) { return st->edit(x); },
      [st](const ImportRuleset& x) { return st->import_file(x); },
      [st](const RestoreRuleset& x) { return st->restore(x); },
      [st](const ExportRuleset& x) { return st->export_file(x); },
      [st](const LintRuleset& x) { return st->lint(x); },
      [st](const GetTextServiceStatus&) { return st->status(); },
      [st](const RulesetsChanged& x) { st->news(x); },
      [st](const Tick& x) { st->tick(x); },
  };
}

} // namespace troupe
