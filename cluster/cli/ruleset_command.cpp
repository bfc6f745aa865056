#include "cluster/cli/ruleset_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace troupe::cli {

namespace {

using flags_ptr = std::shared_ptr<ruleset_flags>;

/// Adds the commands of one kind, each with what it shares with the others.
class command_adder {
public:
  command_adder(CLI::App& parent, options& common, const ruleset_form& form, flags_ptr flags) :
      parent_(parent), common_(common), form_(form), flags_(std::move(flags)) {}

  void run() {
    add_of_sets();
    add_show();
    add_import();
    add_export();
    add_of_versions();
    add_lint();
  }

private:
  template <class Run>
  void on(CLI::App* command, Run run) {
    command->callback([&common = common_, &form = form_, flags = flags_, run] {
      ruleset_client client{common, form};
      run(client, *flags);
    });
  }

  CLI::App* with_set(const std::string& name, const std::string& help) {
    auto* command = parent_.add_subcommand(name, help);
    add_set_option(*command, form_, *flags_);
    return command;
  }

  void add_of_sets() {
    auto* list = parent_.add_subcommand("list", fmt::format("List the {}s", form_.noun));
    on(list, [](ruleset_client& c, const ruleset_flags&) { c.list(); });

    auto* create = parent_.add_subcommand("create", fmt::format("Make an empty {}", form_.noun));
    create->add_option("name", flags_->name, "Letters, digits and ._-")->required();
    create->add_option("--description", flags_->description, "What it is for");
    create->add_flag("--disabled", flags_->disabled, "Do not put it to use yet");
    on(create, [](ruleset_client& c, const ruleset_flags& f) { c.create(f); });

    auto* erase = parent_.add_subcommand(
        "delete", fmt::format("Delete a {} with all its versions", form_.noun));
    erase->add_option("name", flags_->name, "Its name")->required();
    erase->add_flag("--yes", flags_->yes, "Really");
    on(erase, [](ruleset_client& c, const ruleset_flags& f) { c.erase(f); });

    auto* enable = with_set("enable", "Put a set to use, at every node");
    on(enable, [](ruleset_client& c, const ruleset_flags& f) { c.enable(f.set, true); });
    auto* disable = with_set("disable", "Put a set out of use; it can still be edited and tested");
    on(disable, [](ruleset_client& c, const ruleset_flags& f) { c.enable(f.set, false); });
  }

  void add_show() {
    auto* show = with_set("show", fmt::format("Show the {}s of a set", form_.item));
    show->add_option("--query", flags_->query, "Only those that have this text in them");
    show->add_option("--version", flags_->version, "As they were (default: as they are)")
        ->check(CLI::PositiveNumber);
    show->add_option("--limit", flags_->limit, "How many (default: 50, with --json all)")
        ->check(CLI::PositiveNumber);
    on(show, [](ruleset_client& c, const ruleset_flags& f) { c.show(f); });
  }

  void add_import() {
    auto* command = with_set("import", fmt::format("Add the {}s of a file", form_.item));
    command->add_option("file", flags_->file, "The file; - is standard input")->required();
    command->add_option("--format", flags_->format,
                        fmt::format("{} (default: found out)", form_.formats));
    command->add_option("--encoding", flags_->encoding, "utf-8, gbk, big5... (default: found out)");
    command->add_flag("--replace", flags_->replace,
                      fmt::format("{}s that are not in the file go", form_.item));
    command->add_flag("--skip-problems", flags_->skip_problems,
                      "Take the good ones; otherwise one problem stores nothing");
    command->add_flag("--dry-run", flags_->dry_run, "Only tell what would change");
    command->add_option("--comment", flags_->comment, "Why; kept with the version");
    command->footer(
        fmt::format("Example: troupe {} import {} --dry-run", form_.command, form_.file));
    on(command, [](ruleset_client& c, const ruleset_flags& f) { c.import_file(f); });
  }

  void add_export() {
    auto* command = with_set("export", fmt::format("Write the {}s of a set as a file", form_.item));
    command->add_option("--format", flags_->format, form_.formats);
    command->add_option("--version", flags_->version, "As it was (default: as it is)")
        ->check(CLI::PositiveNumber);
    command->add_option("-o,--output", flags_->output, "The file (default: standard output)");
    command->footer(fmt::format("Example: troupe {} export --format csv -o {}.csv", form_.command,
                                form_.command));
    on(command, [](ruleset_client& c, const ruleset_flags& f) { c.export_file(f); });
  }

  void add_of_versions() {
    auto* versions = with_set("versions", "List the changes of a set, newest first");
    versions->add_option("--limit", flags_->limit, "How many (default: 50)")
        ->check(CLI::Range(1, 200));
    on(versions, [](ruleset_client& c, const ruleset_flags& f) { c.versions(f); });

    auto* restore = with_set("restore", "Go back to a version, as a new one");
    restore->add_option("version", flags_->version, "From the list of `versions`")
        ->required()
        ->check(CLI::PositiveNumber);
    restore->add_option("--comment", flags_->comment, "Why; kept with the version");
    on(restore, [](ruleset_client& c, const ruleset_flags& f) { c.restore(f); });

    auto* diff = with_set("diff", "Show what changed between two versions");
    diff->add_option("from", flags_->version, "0: before the first")
        ->required()
        ->check(CLI::NonNegativeNumber);
    diff->add_option("to", flags_->to_version, "Default: the newest")->check(CLI::PositiveNumber);
    on(diff, [](ruleset_client& c, const ruleset_flags& f) { c.diff(f); });
  }

  void add_lint() {
    auto* lint =
        with_set("lint", fmt::format("Tell {}s that will do harm, or nothing", form_.item));
    lint->add_option("--ordinary", flags_->ordinary,
                     "A file with ordinary text, in which hardly anything should be found");
    on(lint, [](ruleset_client& c, const ruleset_flags& f) { c.lint(f); });
  }

  CLI::App& parent_;
  options& common_;
  const ruleset_form& form_;
  flags_ptr flags_;
};

} // namespace

void add_set_option(CLI::App& command, const ruleset_form& form, ruleset_flags& flags) {
  command.add_option(
      "--set", flags.set,
      fmt::format("The {} (default: default, made when something is added)", form.noun));
}

void add_ruleset_commands(CLI::App& parent, options& common, const ruleset_form& form,
                          const std::shared_ptr<ruleset_flags>& flags) {
  command_adder{parent, common, form, flags}.run();
}

} // namespace troupe::cli
