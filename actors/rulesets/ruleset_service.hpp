// Keeps a node's rulesets of one kind up to date and edits them: what moderation and keywords
// share.
//
// Who extends `ruleset_actor` (moderation, keywords) has one of these as a child and delegates the
// messages of `ruleset_actor` to it; `ruleset_child` below holds it:
//
//   child.start(self, options);                       // in the state's init
//   [st](const EditRuleset& x) { return st->self->delegate(st->child.handle(), x); },
//
// Whatever it works by is in the kind, which the parent shares. To try one set that may not be in
// use, the parent asks the store for it by `load_ruleset` (loader.hpp).
#pragma once

#include "actors/rulesets/changes.hpp"
#include "actors/rulesets/loader.hpp"
#include "actors/rulesets/ruleset_kind.hpp"
#include "actors/rulesets/worker.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"
#include "messages/promises.hpp"

#include <caf/result.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct ruleset_options {
  actor_host host; // spawns the worker
  text_store_actor store;
  std::shared_ptr<rulesets::ruleset_kind> kind;
  wall_clock_ptr clock = system_clock();
  /// Between two looks at the store for changes that nobody told of.
  std::chrono::milliseconds poll{5'000};
  /// Of one command or query.
  std::chrono::milliseconds store_limit{60'000};
  /// Tells the other nodes that rulesets of this kind changed here.
  std::function<void(v1::RulesetKind)> tell_others = [](v1::RulesetKind) {};
  /// Called once what the store has was put to work for the first time (and again after a restart):
  /// the node is not ready before.
  std::function<void()> loaded = [] {};
  /// False: the worker runs as other actors do, without a thread of its own. For tests whose
  /// messages run one after the other.
  bool worker_thread = true;
};

class ruleset_service_state {
public:
  using interface = with_timer<ruleset_actor>;
  static inline const char* name = "ruleset_service";

  /// So many requests that need the worker are under way; further ones are `overloaded`.
  static constexpr std::size_t requests_max = 64;
  /// How often one look starts again because what it read was gone meanwhile.
  static constexpr int tries_max = 5;

  explicit ruleset_service_state(interface::pointer self) : self_(self) {}
  ~ruleset_service_state();

  void init(ruleset_options given);
  caf::result<Ruleset> create(const CreateRuleset& command);
  caf::result<Ruleset> update(const UpdateRuleset& command);
  caf::result<Done> erase(const DeleteRuleset& command);
  caf::result<RulesetChanged> restore(const RestoreRuleset& command);
  caf::result<RulesetEdited> edit(const EditRuleset& command);
  caf::result<RulesetEdited> import_file(const ImportRuleset& command);
  caf::result<RulesetFile> export_file(const ExportRuleset& query);
  caf::result<RulesetLint> lint(const LintRuleset& query);
  TextServiceStatus status() const;
  void news(const RulesetsChanged& message);
  void tick(const Tick& timer);

private:
  using ticket = std::shared_ptr<void>; // of a request under way
  template <class Answer>
  using with_set = std::function<void(const owed<Answer>&, const v1::Ruleset&, const ticket&)>;

  v1::RulesetName own(v1::RulesetName name) const;
  ticket take_ticket();
  caf::error busy() const;
  void start_worker();
  void changed();

  /// Passes a command on to the store; this node and the others look once it is done.
  template <class Answer, class Command>
  caf::result<payload<Answer>> pass_on(Command command);
  /// Finds the set, then goes on with it.
  template <class Answer>
  caf::result<Answer> with(const v1::RulesetName& name, const v1::Context& context,
                           with_set<Answer> then);
  /// Loads its items, then goes on with them.
  template <class Answer>
  void with_items(const owed<Answer>& answer, const v1::Ruleset& set, std::int64_t version,
                  std::function<void(std::shared_ptr<rulesets::loaded_ruleset>)> then);
  /// Runs `work` on the worker, then `then` here.
  template <class Answer>
  void on_worker(const owed<Answer>& answer, const ticket& pass, std::function<void()> work,
                 std::function<void()> then);
  void run(std::function<void()> work, std::function<void(const std::string& error)> then);
  void run_next();
  void store_checked(const owed<RulesetEdited>& answer, const v1::Ruleset& set, const ticket& pass,
                     const std::shared_ptr<rulesets::checked_change>& checked);

  void look();
  void list();
  void listed(const RulesetList& list);
  void load_next();
  void make();
  void made(const rulesets::made_summary& summary, std::int64_t took_us);
  void look_failed(const std::string& error);
  void look_done();

  struct pending {
    ruleset_job_ptr job;
    std::function<void(const std::string& error)> then;
  };

  interface::pointer self_;
  ruleset_options options_;
  ruleset_worker_actor worker_;
  std::deque<pending> jobs_; // the first one is with the worker
  std::shared_ptr<std::size_t> under_way_ = std::make_shared<std::size_t>(0); // requests
  std::int64_t timer_ = 0;

  // One look at the store.
  bool looking_ = false;
  bool look_again_ = false; // told of changes meanwhile
  int tries_ = 0;
  std::vector<v1::Ruleset> wanted_; // enabled ones
  std::vector<rulesets::loaded_ruleset> loaded_;

  bool made_once_ = false;
  v1::TextServiceStatus at_work_;
  std::string error_; // of the last look
};

/// Checks, imports, exports and lints on a worker's thread; loads the enabled rulesets page by page
/// and hands them to `kind->put_to_work` whenever the store has other versions than are at work.
/// While the store fails it goes on with what it has, and says so in its status.
ruleset_service_state::interface::behavior_type
ruleset_service(self_pointer<ruleset_service_state::interface, ruleset_service_state> self,
                ruleset_options options);

/// A ruleset service that ends with its parent's state.
class ruleset_child {
public:
  ruleset_child() = default;
  ruleset_child(const ruleset_child&) = delete;
  ruleset_child& operator=(const ruleset_child&) = delete;
  ~ruleset_child() {
    if (handle_)
      caf::anon_send_exit(handle_, caf::exit_reason::user_shutdown);
  }
  /// The parent ends when the child failed too often to go on, as if it had failed itself.
  template <class Self>
  void start(Self* self, ruleset_options options) {
    auto host = options.host;
    handle_ = spawn(host, ruleset_service, std::move(options));
    self->monitor(handle_);
    self->set_down_handler(
        [self, child = handle_.address()](caf::scheduled_actor*, caf::down_msg& down) {
          if (down.source == child)
            self->quit(std::move(down.reason));
        });
  }
  const ruleset_actor& handle() const { return handle_; }

private:
  ruleset_actor handle_;
};

} // namespace troupe
