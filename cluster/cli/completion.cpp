#include "cluster/cli/completion.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace troupe::cli {

namespace {

/// The values of an option checked by IsMember, whose description is {a,b,c}.
std::vector<std::string> values_of(const CLI::Option& option) {
  auto type = option.get_type_name() + option.get_option_text();
  auto open = type.find('{');
  auto close = type.find('}');
  std::vector<std::string> out;
  if (open == std::string::npos || close == std::string::npos || close < open)
    return out;
  auto list = type.substr(open + 1, close - open - 1);
  for (std::size_t at = 0; at <= list.size();) {
    auto comma = std::min(list.find(',', at), list.size());
    out.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

shell_option describe_option(const CLI::Option& option) {
  shell_option out;
  for (const auto& name : option.get_lnames())
    out.names.push_back("--" + name);
  for (const auto& name : option.get_snames())
    out.names.push_back("-" + name);
  out.help = option.get_description();
  out.takes_value = option.get_items_expected_max() > 0;
  out.values = values_of(option);
  out.takes_file =
      out.takes_value && out.values.empty() && out.help.find("file") != std::string::npos;
  return out;
}

shell_command describe_command(const CLI::App& app, const std::vector<shell_option>& inherited) {
  shell_command out;
  out.name = app.get_name();
  out.help = app.get_description();
  for (const auto* option : app.get_options()) {
    if (!option->nonpositional()) {
      for (auto& value : values_of(*option))
        out.words.push_back(std::move(value));
      continue;
    }
    out.options.push_back(describe_option(*option));
  }
  auto own = out.options;
  for (const auto& option : inherited) {
    auto same = [&](const shell_option& other) { return other.names == option.names; };
    if (std::none_of(own.begin(), own.end(), same))
      out.options.push_back(option);
  }
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!sub->get_name().empty())
      out.subcommands.push_back(describe_command(*sub, out.options));
  return out;
}

/// Calls f(path, command) for the tree, root first; paths are like "troupe key create".
template <class F>
void each_command(const shell_command& command, const std::string& path, F f) {
  f(path, command);
  for (const auto& sub : command.subcommands)
    each_command(sub, path + " " + sub.name, f);
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::vector<std::string> first_words(const shell_command& command) {
  std::vector<std::string> out;
  for (const auto& sub : command.subcommands)
    out.push_back(sub.name);
  out.insert(out.end(), command.words.begin(), command.words.end());
  return out;
}

std::vector<std::string> option_names(const shell_command& command) {
  std::vector<std::string> out;
  for (const auto& option : command.options)
    out.insert(out.end(), option.names.begin(), option.names.end());
  return out;
}

/// The options of all commands that take a value, by what it is.
std::vector<std::string> names_if(const shell_command& root, bool (*wanted)(const shell_option&)) {
  std::vector<std::string> out;
  each_command(root, root.name, [&](const std::string&, const shell_command& command) {
    for (const auto& option : command.options)
      if (wanted(option))
        out.insert(out.end(), option.names.begin(), option.names.end());
  });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string bash_script(const shell_command& root) {
  auto valued = names_if(root, [](const shell_option& o) { return o.takes_value; });
  auto files = names_if(root, [](const shell_option& o) { return o.takes_file; });
  std::string words;
  std::string options;
  std::string values;
  each_command(root, root.name, [&](const std::string& path, const shell_command& command) {
    words += fmt::format("    '{}') echo {} ;;\n", path,
                         single_quoted(fmt::format("{}", fmt::join(first_words(command), " "))));
    options += fmt::format("    '{}') echo {} ;;\n", path,
                           single_quoted(fmt::format("{}", fmt::join(option_names(command), " "))));
    for (const auto& option : command.options)
      if (!option.values.empty())
        for (const auto& name : option.names)
          values +=
              fmt::format("    '{} {}') echo '{}' ;;\n", path, name, fmt::join(option.values, " "));
  });
  return fmt::format(R"sh(# bash completion of {0}. Use: source <({0} completion bash)
_{0}_words() {{ case "$1" in
{1}  esac; }}
_{0}_options() {{ case "$1" in
{2}  esac; }}
_{0}_values() {{ case "$1" in
{3}    *) return 1 ;;
  esac; }}
_{0}() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
  local path={0} i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{COMP_WORDS[i]}}"
    case " {4} " in *" $word "*) ((i++)); continue ;; esac
    [[ "$word" == -* ]] && continue
    _{0}_options "$path $word" | grep -q . && path="$path $word"
  done
  local values
  if values="$(_{0}_values "$path $prev")"; then
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
  elif [[ " {5} " == *" $prev "* ]]; then
    COMPREPLY=($(compgen -f -- "$cur"))
  elif [[ " {4} " == *" $prev "* ]]; then
    COMPREPLY=()
  elif [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$(_{0}_options "$path")" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$(_{0}_words "$path")" -- "$cur"))
  fi
}}
complete -o filenames -o default -F _{0} {0}
)sh",
                     root.name, words, options, values, fmt::join(valued, " "),
                     fmt::join(files, " "));
}

/// 'name:help' of _describe.
std::string zsh_entry(const std::string& name, const std::string& help) {
  std::string escaped;
  for (char c : name)
    escaped += c == ':' ? std::string{"\\:"} : std::string{c};
  return single_quoted(escaped + ":" + help);
}

std::string zsh_script(const shell_command& root) {
  auto valued = names_if(root, [](const shell_option& o) { return o.takes_value; });
  auto files = names_if(root, [](const shell_option& o) { return o.takes_file; });
  std::string cases;
  std::string values;
  std::string paths;
  each_command(root, root.name, [&](const std::string& path, const shell_command& command) {
    std::string words;
    for (const auto& sub : command.subcommands)
      words += " " + zsh_entry(sub.name, sub.help);
    for (const auto& word : command.words)
      words += " " + single_quoted(word);
    std::string options;
    for (const auto& option : command.options) {
      for (const auto& name : option.names) {
        options += " " + zsh_entry(name, option.help);
        if (!option.values.empty())
          values += fmt::format("    '{} {}') compadd -- {}; return ;;\n", path, name,
                                fmt::join(option.values, " "));
      }
    }
    paths += fmt::format(" '{}'", path);
    cases += fmt::format("    '{}') words_here=({}); options_here=({}) ;;\n", path, words, options);
  });
  return fmt::format(R"sh(#compdef {0}
# zsh completion of {0}. Use: source <({0} completion zsh), or save it as _{0} in $fpath
_{0}() {{
  local here={0} word last=${{words[CURRENT-1]}} i
  local -a words_here options_here paths=({1})
  for ((i = 2; i < CURRENT; i++)); do
    word=${{words[i]}}
    [[ " {4} " == *" $word "* ]] && {{ ((i++)); continue }}
    [[ $word == -* ]] && continue
    (( ${{paths[(Ie)$here $word]}} )) && here="$here $word"
  done
  case "$here $last" in
{3}  esac
  [[ " {5} " == *" $last "* ]] && {{ _files; return }}
  [[ " {4} " == *" $last "* ]] && return
  case "$here" in
{2}  esac
  if [[ ${{words[CURRENT]}} == -* ]]; then
    _describe -o option options_here
  elif (( $#words_here )); then
    _describe command words_here
  else
    _files
  fi
}}
if [[ $funcstack[1] == _{0} ]]; then _{0} "$@"; else compdef _{0} {0}; fi
)sh",
                     root.name, paths, cases, values, fmt::join(valued, " "),
                     fmt::join(files, " "));
}

std::string fish_script(const shell_command& root) {
  std::string out = fmt::format("# fish completion of {0}. Use: {0} completion fish | source\n"
                                "complete -c {0} -f\n",
                                root.name);
  each_command(root, "", [&](const std::string& path, const shell_command& command) {
    std::string condition;
    for (std::size_t at = 0; at < path.size();) {
      auto space = std::min(path.find(' ', at + 1), path.size());
      condition +=
          fmt::format("__fish_seen_subcommand_from {}; and ", path.substr(at + 1, space - at - 1));
      at = space;
    }
    std::vector<std::string> subs;
    for (const auto& sub : command.subcommands)
      subs.push_back(sub.name);
    auto before =
        condition
        + (subs.empty() ? "true"
                        : fmt::format("not __fish_seen_subcommand_from {}", fmt::join(subs, " ")));
    auto line = [&](const std::string& rest) {
      out += fmt::format("complete -c {} -n {} {}\n", root.name, single_quoted(before), rest);
    };
    for (const auto& sub : command.subcommands)
      line(fmt::format("-a {} -d {}", sub.name, single_quoted(sub.help)));
    if (!command.words.empty())
      line(fmt::format("-a '{}'", fmt::join(command.words, " ")));
    for (const auto& option : command.options) {
      std::string rest;
      for (const auto& name : option.names)
        rest += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (option.takes_value)
        rest += option.takes_file ? " -r -F" : " -x";
      if (!option.values.empty())
        rest += fmt::format(" -a '{}'", fmt::join(option.values, " "));
      line(fmt::format("{} -d {}", rest.substr(1), single_quoted(option.help)));
    }
  });
  return out;
}

} // namespace

shell_command describe_commands(const CLI::App& app) { return describe_command(app, {}); }

std::string completion_script(const shell_command& root, const std::string& shell) {
  if (shell == "bash")
    return bash_script(root);
  return shell == "zsh" ? zsh_script(root) : fish_script(root);
}

} // namespace troupe::cli
