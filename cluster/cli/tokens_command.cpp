// `troupe tokens`: counts and shows the tokens of texts, without a node.
#include "actors/tokenizer/encoding.hpp"
#include "actors/tokenizer/unicode_classes.hpp"
#include "cluster/cli/cli.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

namespace troupe::cli {

namespace {

constexpr std::uintmax_t file_bytes_max = 1'000'000'000;

struct tokens_options {
  std::vector<std::string> files;
  std::string model;
  std::string vocabulary;
  bool encode = false;
  bool offsets = false;
  bool decode = false;
  bool special = false;
  bool list = false;
};

struct input {
  std::string name;
  std::string text;
};

std::string dump(const nlohmann::json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw failure("the output could not be written: is the disk full, or the reader gone?");
}

void warn(const std::string& text) { std::fputs(("troupe: " + text + "\n").c_str(), stderr); }

std::string read_input(const std::string& name) {
  std::error_code ignored;
  if (name != "-" && std::filesystem::is_directory(name, ignored))
    throw failure(name + " is a folder: name files");
  std::ifstream file;
  if (name != "-") {
    file.open(name, std::ios::binary);
    if (!file)
      throw failure("cannot read " + name + ": " + std::generic_category().message(errno));
  }
  std::istream& in = name == "-" ? std::cin : file;
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > file_bytes_max)
      throw failure(fmt::format("{} is larger than {} bytes: split it", name, file_bytes_max));
  }
  if (in.bad())
    throw failure("cannot read " + name + " to its end");
  return text;
}

std::string vocabulary_names() {
  std::vector<std::string_view> names;
  for (const auto& vocabulary : tokens::vocabularies())
    names.push_back(vocabulary.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

tokens::model_vocabulary choose_vocabulary(const tokens_options& given) {
  if (!given.vocabulary.empty()) {
    const auto* info = tokens::find_vocabulary(given.vocabulary);
    if (info == nullptr)
      throw failure(fmt::format("no vocabulary is named {}; there are {}", given.vocabulary,
                                vocabulary_names()),
                    2);
    return {info->name, false};
  }
  if (given.model.empty())
    return {"o200k_base", false};
  return tokens::vocabulary_of_model(given.model);
}

/// What one run works with, and prints.
class tokens_run {
public:
  tokens_run(const tokens_options& given, bool json) :
      given_(given), json_(json), vocabulary_(choose_vocabulary(given)) {
    try {
      encoding_ = library_.find(vocabulary_.name);
    } catch (const std::runtime_error& e) {
      throw failure(e.what());
    }
    if (vocabulary_.estimated)
      warn(fmt::format("the vocabulary of model {} is not known: estimated with {}", given.model,
                       vocabulary_.name));
  }

  void run() {
    std::size_t failed = 0;
    for (const auto& name : given_.files) {
      try {
        add({name, read_input(name)});
      } catch (const failure& e) {
        if (given_.files.size() == 1)
          throw;
        warn(e.what());
        ++failed;
      }
    }
    finish();
    if (failed > 0)
      throw failure(fmt::format("{} of {} files could not be read", failed, given_.files.size()));
  }

private:
  void add(const input& in) {
    if (given_.decode)
      return write(decode(in));
    auto invalid = tokens::first_invalid_utf8(in.text);
    if (invalid != in.text.size())
      warn(fmt::format("{} is not UTF-8 from byte {} on: such bytes are counted as they are",
                       in.name == "-" ? "the input" : in.name, invalid));
    auto mode = given_.special ? tokens::specials::allowed : tokens::specials::as_text;
    std::vector<tokens::token_id> ids;
    auto shows_ids = given_.encode || given_.offsets;
    if (shows_ids)
      ids = encoding_->encode(in.text, mode);
    auto count = shows_ids ? static_cast<std::int64_t>(ids.size())
                           : encoding_->count(in.text, 0, mode).tokens;
    total_ += count;
    if (json_)
      files_.push_back(describe(in, invalid == in.text.size(), count, ids));
    else if (shows_ids)
      print_ids(in, ids);
    else if (given_.files.size() > 1)
      write(fmt::format("{:>10}  {}\n", count, in.name));
  }

  nlohmann::json describe(const input& in, bool valid, std::int64_t count,
                          const std::vector<tokens::token_id>& ids) const {
    nlohmann::json file{
        {"name", in.name}, {"bytes", in.text.size()}, {"utf8", valid}, {"tokens", count}};
    if (given_.encode || given_.offsets)
      file["ids"] = ids;
    if (given_.offsets) {
      auto offsets = nlohmann::json::array();
      std::size_t at = 0;
      for (auto id : ids) {
        auto end = at + encoding_->text_of(id)->size();
        offsets.push_back({at, end});
        at = end;
      }
      file["offsets"] = std::move(offsets);
    }
    return file;
  }

  void print_ids(const input& in, const std::vector<tokens::token_id>& ids) const {
    std::string out;
    auto several = given_.files.size() > 1;
    if (!given_.offsets)
      return write(fmt::format("{}{}\n", several ? in.name + ": " : "", fmt::join(ids, " ")));
    if (several)
      out += in.name + ":\n";
    std::size_t at = 0;
    for (auto id : ids) {
      auto text = *encoding_->text_of(id);
      out += fmt::format(
          "{:>8} {:>8} {:>7}  {}\n", at, at + text.size(), id,
          nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      at += text.size();
    }
    write(out);
  }

  std::string decode(const input& in) const {
    std::vector<tokens::token_id> ids;
    constexpr std::string_view separators = " \t\r\n,[]";
    for (std::size_t at = 0;;) {
      at = in.text.find_first_not_of(separators, at);
      if (at == in.text.npos)
        break;
      auto end = std::min(in.text.find_first_of(separators, at), in.text.size());
      tokens::token_id id = 0;
      auto parsed = std::from_chars(in.text.data() + at, in.text.data() + end, id);
      auto word = in.text.substr(at, std::min<std::size_t>(end - at, 40));
      if (parsed.ec != std::errc{} || parsed.ptr != in.text.data() + end)
        throw failure(fmt::format("\"{}\" is not a token id: --decode wants numbers", word));
      if (!encoding_->text_of(id))
        throw failure(fmt::format("{} has no token {}", encoding_->name(), id));
      ids.push_back(id);
      at = end;
    }
    return encoding_->decode(ids).value();
  }

  void finish() const {
    if (given_.decode)
      return;
    if (json_) {
      nlohmann::json out{{"vocabulary", vocabulary_.name},
                         {"estimated", vocabulary_.estimated},
                         {"files", files_},
                         {"total", total_}};
      if (!given_.model.empty())
        out["model"] = given_.model;
      return write(dump(out) + "\n");
    }
    if (given_.encode || given_.offsets)
      return;
    if (given_.files.size() == 1)
      return write(fmt::format("{}\n", total_));
    write(fmt::format("{:>10}  total\n", total_));
  }

  const tokens_options& given_;
  bool json_;
  tokens::model_vocabulary vocabulary_;
  tokens::library library_;
  std::shared_ptr<const tokens::encoding> encoding_;
  std::int64_t total_ = 0;
  nlohmann::json files_ = nlohmann::json::array();
};

void list_vocabularies(bool json) {
  auto all = nlohmann::json::array();
  std::string lines;
  for (const auto& vocabulary : tokens::vocabularies()) {
    all.push_back(vocabulary.name);
    lines += std::string{vocabulary.name} + "\n";
  }
  write(json ? dump({{"vocabularies", all}}) + "\n" : lines);
}

} // namespace

void add_tokens_command(CLI::App& app, options& common) {
  auto given = std::make_shared<tokens_options>();
  auto* command = app.add_subcommand("tokens", "Count the tokens of files, or of standard input");
  command->add_option("files", given->files, "Files to count; - is standard input (the default)");
  auto* model = command->add_option("--model", given->model,
                                    "Count as this model does (an unknown one is estimated)");
  command
      ->add_option("--vocabulary", given->vocabulary,
                   "Count with this vocabulary (default: o200k_base); --list names them")
      ->excludes(model);
  auto* encode = command->add_flag("--encode", given->encode, "Print the token ids");
  auto* offsets = command->add_flag("--offsets", given->offsets,
                                    "Print each token with its bytes' offsets and its text");
  command->add_flag("--decode", given->decode, "Read token ids, print their text")
      ->excludes(encode)
      ->excludes(offsets);
  command->add_flag("--special", given->special,
                    "Take <|endoftext|> and the like as special tokens, not as text");
  command->add_flag("--list", given->list, "Print the names of the vocabularies");
  command->footer("Example: git diff | troupe tokens --model gpt-4o");
  command->callback([given, &common] {
    if (given->list)
      return list_vocabularies(common.json);
    if (given->files.empty())
      given->files.emplace_back("-");
    tokens_run{*given, common.json}.run();
  });
}

} // namespace troupe::cli
