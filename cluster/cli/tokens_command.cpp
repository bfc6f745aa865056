// `troupe tokens`: counts and shows the tokens of texts, without a node.
#include "actors/tokenizer/encoding.hpp"
#include "actors/tokenizer/unicode_classes.hpp"
#include "cluster/cli/cli.hpp"
#include "cluster/cli/files.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

struct tokens_options {
  std::vector<std::string> files;
  std::string model;
  std::string vocabulary;
  bool encode = false;
  bool offsets = false;
  bool decode = false;
  bool special = false;
  bool refuse_special = false;
  std::int64_t split = 0;
  std::int64_t truncate = 0;
  bool list = false;
};

struct input {
  std::string name;
  std::string text;
};

std::string dump(const nlohmann::json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

void warn(const std::string& text) { std::fputs(("troupe: " + text + "\n").c_str(), stderr); }

std::string vocabulary_names() {
  std::vector<std::string_view> names;
  for (const auto& vocabulary : tokens::vocabularies())
    names.push_back(vocabulary.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// A name with a folder or an ending is a tokenizer.json.
bool is_file(const std::string& vocabulary) {
  return vocabulary.find('/') != vocabulary.npos || vocabulary.ends_with(".json");
}

tokens::model_vocabulary choose_vocabulary(const tokens_options& given) {
  if (is_file(given.vocabulary))
    return {given.vocabulary, false, {}};
  if (!given.vocabulary.empty()) {
    const auto* info = tokens::find_vocabulary(given.vocabulary);
    if (info == nullptr)
      throw failure(fmt::format("no vocabulary is named {}; there are {}, and tokenizer.json files",
                                given.vocabulary, vocabulary_names()),
                    2);
    return {info->name, false, {}};
  }
  if (given.model.empty())
    return {"o200k_base", false, {}};
  return tokens::vocabulary_of_model(given.model);
}

std::shared_ptr<const tokens::encoding> open_encoding(tokens::library& library,
                                                      std::string_view name) {
  try {
    if (is_file(std::string{name}))
      return library.add(std::string{name}, std::string{name});
    return library.find(name);
  } catch (const std::runtime_error& e) {
    throw failure(e.what());
  }
}

/// What one run works with, and prints.
class tokens_run {
public:
  tokens_run(const tokens_options& given, bool json) :
      given_(given),
      json_(json),
      vocabulary_(choose_vocabulary(given)),
      encoding_(open_encoding(library_, vocabulary_.name)) {
    if (!vocabulary_.own.empty())
      warn(fmt::format("model {} has a vocabulary of its own ({}): estimated with {}; "
                       "--vocabulary takes its tokenizer.json",
                       given.model, vocabulary_.own, vocabulary_.name));
    else if (vocabulary_.estimated)
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
      return write_output(decode(in));
    auto invalid = tokens::first_invalid_utf8(in.text);
    if (invalid != in.text.size())
      warn(fmt::format("{} is not UTF-8 from byte {} on: such bytes are counted as they are",
                       in.name == "-" ? "the input" : in.name, invalid));
    if (auto found = given_.refuse_special ? encoding_->first_special(in.text) : std::nullopt)
      throw failure(fmt::format("{} has the special token {} at byte {}: it is refused",
                                in.name == "-" ? "the input" : in.name, found->text, found->begin));
    auto mode = given_.special ? tokens::specials::allowed : tokens::specials::as_text;
    if (given_.truncate > 0)
      return truncate(in);
    std::vector<tokens::token_place> places;
    auto shows_places = given_.encode || given_.offsets;
    if (shows_places)
      places = encoding_->encode_with_places(in.text, mode);
    auto count = shows_places ? static_cast<std::int64_t>(places.size())
                              : encoding_->count(in.text, 0, mode).tokens;
    total_ += count;
    auto chunks =
        given_.split > 0 ? encoding_->split(in.text, given_.split) : std::vector<std::size_t>{};
    if (json_)
      files_.push_back(describe(in, invalid == in.text.size(), count, places, chunks));
    else if (given_.split > 0)
      print_chunks(in, chunks);
    else if (shows_places)
      print_places(in, places);
    else if (given_.files.size() > 1)
      write_output(fmt::format("{:>10}  {}\n", count, in.name));
  }

  void truncate(const input& in) {
    auto kept = in.text.substr(0, encoding_->truncate(in.text, given_.truncate));
    auto count = encoding_->count(kept).tokens;
    total_ += count;
    if (json_)
      files_.push_back({{"name", in.name},
                        {"bytes", in.text.size()},
                        {"kept", kept.size()},
                        {"tokens", count},
                        {"text", kept}});
    else
      write_output(kept);
  }

  static std::vector<tokens::token_id> ids_of(const std::vector<tokens::token_place>& places) {
    std::vector<tokens::token_id> ids;
    ids.reserve(places.size());
    for (const auto& place : places)
      ids.push_back(place.id);
    return ids;
  }

  nlohmann::json describe(const input& in, bool valid, std::int64_t count,
                          const std::vector<tokens::token_place>& places,
                          const std::vector<std::size_t>& chunks) const {
    nlohmann::json file{
        {"name", in.name}, {"bytes", in.text.size()}, {"utf8", valid}, {"tokens", count}};
    if (given_.encode || given_.offsets)
      file["ids"] = ids_of(places);
    if (given_.offsets) {
      auto offsets = nlohmann::json::array();
      for (const auto& place : places)
        offsets.push_back({place.begin, place.end});
      file["offsets"] = std::move(offsets);
    }
    if (given_.split > 0)
      file["chunks"] = chunks;
    return file;
  }

  // The bytes of each chunk, from its begin to its end, and its tokens.
  void print_chunks(const input& in, const std::vector<std::size_t>& chunks) const {
    std::string out = given_.files.size() > 1 ? in.name + ":\n" : "";
    std::size_t begin = 0;
    for (auto end : chunks) {
      out += fmt::format(
          "{:>10} {:>10} {:>7}\n", begin, end,
          encoding_->count(std::string_view{in.text}.substr(begin, end - begin)).tokens);
      begin = end;
    }
    write_output(out);
  }

  void print_places(const input& in, const std::vector<tokens::token_place>& places) const {
    std::string out;
    auto several = given_.files.size() > 1;
    if (!given_.offsets)
      return write_output(
          fmt::format("{}{}\n", several ? in.name + ": " : "", fmt::join(ids_of(places), " ")));
    if (several)
      out += in.name + ":\n";
    for (const auto& [id, begin, end] : places)
      out += fmt::format("{:>8} {:>8} {:>7}  {}\n", begin, end, id,
                         nlohmann::json(*encoding_->text_of(id))
                             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    write_output(out);
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
      return write_output(dump(out) + "\n");
    }
    if (given_.encode || given_.offsets || given_.split > 0 || given_.truncate > 0)
      return;
    if (given_.files.size() == 1)
      return write_output(fmt::format("{}\n", total_));
    write_output(fmt::format("{:>10}  total\n", total_));
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
  write_output(json ? dump({{"vocabularies", all}}) + "\n" : lines);
}

} // namespace

void add_tokens_command(CLI::App& app, options& common) {
  auto given = std::make_shared<tokens_options>();
  auto* command = app.add_subcommand("tokens", "Count the tokens of files, or of standard input");
  command->add_option("files", given->files, "Files to count; - is standard input (the default)");
  auto* model = command->add_option("--model", given->model,
                                    "Count as this model does (an unknown one is estimated)");
  command
      ->add_option(
          "--vocabulary", given->vocabulary,
          "Count with this vocabulary (default: o200k_base; --list names them), or with a\n"
          "model's tokenizer.json, given as a file")
      ->excludes(model);
  auto* encode = command->add_flag("--encode", given->encode, "Print the token ids");
  auto* offsets = command->add_flag("--offsets", given->offsets,
                                    "Print each token with its bytes' offsets and its text");
  command->add_flag("--decode", given->decode, "Read token ids, print their text")
      ->excludes(encode)
      ->excludes(offsets);
  auto* special =
      command->add_flag("--special", given->special,
                        "Take <|endoftext|> and the like as special tokens, not as text");
  command
      ->add_flag("--refuse-special", given->refuse_special,
                 "Fail when a text has special tokens in it")
      ->excludes(special);
  auto* split =
      command
          ->add_option(
              "--split", given->split,
              "Print the bytes of chunks of at most so many tokens each, cut between characters")
          ->check(CLI::PositiveNumber)
          ->excludes(encode)
          ->excludes(offsets);
  command
      ->add_option("--truncate", given->truncate,
                   "Print the beginning that has at most so many tokens and no broken character")
      ->check(CLI::PositiveNumber)
      ->excludes(special)
      ->excludes(split)
      ->excludes(encode)
      ->excludes(offsets);
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
