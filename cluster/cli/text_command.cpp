// `troupe text`: converts and detects character sets, without a node.
#include "actors/charset/conversion.hpp"
#include "cluster/cli/cli.hpp"
#include "cluster/cli/files.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

struct text_command_options {
  std::string file = "-";
  std::string from, to, form, han;
  bool fold_width = false;
  bool strict = false;
};

std::string loss_line(const charset::placed_loss& loss) {
  auto where = loss.offset ? fmt::format("byte {}", *loss.offset) : std::string{"somewhere"};
  std::string bytes;
  for (unsigned char byte : loss.bytes)
    bytes += fmt::format(" {:02x}", byte);
  return fmt::format("{}:{} {}", where, bytes,
                     loss.kind == charset::loss_kind::invalid ? "cannot be read"
                                                              : "is not in the other set");
}

void tell_losses(const charset::conversion_result& done) {
  constexpr std::size_t lines_max = 10;
  if (done.lost == 0)
    return;
  auto text = fmt::format("troupe: {} places could not be converted from {} to {}:\n", done.lost,
                          done.from->name, done.to->name);
  for (std::size_t i = 0; i < std::min(done.losses.size(), lines_max); ++i)
    text += "  " + loss_line(done.losses[i]) + "\n";
  std::fputs(text.c_str(), stderr);
}

nlohmann::json describe_conversion(const charset::conversion_result& done) {
  auto losses = nlohmann::json::array();
  for (const auto& loss : done.losses) {
    nlohmann::json at;
    if (loss.offset)
      at = *loss.offset;
    losses.push_back({{"at", std::move(at)}, {"line", loss_line(loss)}});
  }
  return {{"from", done.from->name}, {"to", done.to->name},         {"confidence", done.confidence},
          {"text", done.text},       {"losses", std::move(losses)}, {"losses_total", done.lost}};
}

void run_convert(const text_command_options& given, bool json) {
  charset::conversion wanted;
  try {
    wanted =
        charset::read_conversion(given.from, given.to, given.form, given.fold_width, given.han);
  } catch (const std::invalid_argument& e) {
    throw failure(e.what(), 2);
  }
  std::optional<charset::conversion_result> done;
  try {
    done = charset::convert(read_input(given.file), wanted);
  } catch (const failure&) {
    throw;
  } catch (const std::exception& e) { // too long, or dictionaries missing
    throw failure(e.what());
  }
  if (!done)
    throw failure("the bytes look like no text: name their character set with --from");
  if (json)
    print_json(describe_conversion(*done));
  else
    write_output(done->text);
  tell_losses(*done);
  if (given.strict && done->lost > 0)
    throw quiet_exit(1);
}

void run_detect(const text_command_options& given, bool json) {
  auto guesses = charset::detect(read_input(given.file));
  if (json) {
    auto all = nlohmann::json::array();
    for (const auto& guess : guesses)
      all.push_back({{"encoding", guess.set->name}, {"confidence", guess.confidence}});
    return print_json({{"guesses", std::move(all)}});
  }
  if (guesses.empty())
    throw failure("the bytes look like no text");
  std::string lines;
  for (const auto& guess : guesses)
    lines += fmt::format("{:>4} %  {}\n", guess.confidence, guess.set->name);
  write_output(lines);
}

} // namespace

void add_text_command(CLI::App& app, options& common) {
  auto* command = app.add_subcommand("text", "Convert texts between character sets and scripts");
  command->require_subcommand(1);
  auto given = std::make_shared<text_command_options>();
  auto* convert = command->add_subcommand("convert", "Print a text in another character set, "
                                                     "form or script");
  convert->add_option("file", given->file, "The file; - is standard input (the default)");
  convert->add_option("--from", given->from, "Its character set (default: found out)");
  convert->add_option("--to", given->to, "The character set to print (default: utf-8)");
  convert->add_option("--form", given->form,
                      "Unicode's form: nfc, nfd, nfkc, nfkd or nfkc_casefold");
  convert->add_flag("--fold-width", given->fold_width, "Full-width letters and digits to ASCII");
  convert->add_option("--han", given->han,
                      "The script of Chinese: t2s, s2t, s2tw, s2hk, tw2s, hk2s, s2twp or tw2sp");
  convert->add_flag("--strict", given->strict, "Exit with 1 if not all could be converted");
  convert->footer("Example: troupe text convert --from gbk old.txt > new.txt");
  convert->callback([given, &common] { run_convert(*given, common.json); });
  auto* detect = command->add_subcommand("detect", "Tell which character set a text may be in");
  detect->add_option("file", given->file, "The file; - is standard input (the default)");
  detect->callback([given, &common] { run_detect(*given, common.json); });
}

} // namespace troupe::cli
