// The keys of `moderation:` and `keywords:`.
#include "config/section_builder.hpp"

#include <fmt/format.h>

namespace troupe::config {

namespace {

section_info moderation_table() {
  using s = moderation_section;
  return section_builder<s>{
      "moderation", "Sensitive words. The lexicons are in the database: see `troupe words`.",
      [](node_config& c, std::size_t) -> s& { return c.moderation; }}
      .key("user_text", &s::user_text, "Whether what users write is looked at.")
      .key("model_text", &s::model_text, "Whether what models answer is looked at.")
      .key("api", &s::api, "Whether /v1/* is looked at, and not only conversations.")
      .key("folds", &s::folds,
           "What matching sees through: width, look_alikes, letter_case, script (traditional and "
           "simplified), symbols (put between), repeats, pinyin (of entries that ask for it).")
      .allowed({"width", "look_alikes", "letter_case", "script", "symbols", "repeats", "pinyin"})
      .key(
          "word_borders", &s::word_borders,
          "Latin words of up to three letters, and numbers, are found only where they stand alone.")
      .key("detectors", &s::detectors,
           "What is done about a link, email, phone or identity number: log, review, mask, replace "
           "or block; those not named are not looked for.")
      .check(check_action)
      .example("{email: mask, phone: mask}")
      .key("refusal", &s::refusal, "What a user reads whose message is blocked.")
      .number("poll_ms", &s::poll_ms, "ms", 100, 3'600'000,
              "Between two looks for changes of lexicons that no node told of.")
      .number("hits_buffer_max", &s::hits_buffer_max, "hits", 1, 1'000'000,
              "Waiting to be written to the audit; more are counted and dropped.")
      .done();
}

section_info keywords_table() {
  using s = keywords_section;
  return section_builder<s>{
      "keywords", "Answers by keyword. The rules are in the database: see `troupe keywords`.",
      [](node_config& c, std::size_t) -> s& { return c.keywords; }}
      .key("enabled", &s::enabled, "Whether the rules answer.")
      .key("api", &s::api, "Also in conversations of the API, not only of channels.")
      .number("poll_ms", &s::poll_ms, "ms", 100, 3'600'000,
              "Between two looks for changes of rules that no node told of.")
      .number("cooldowns_max", &s::cooldowns_max, "cool-downs", 1, 10'000'000,
              "Kept at once; beyond that those that end soonest are forgotten.")
      .number("counts_save_ms", &s::counts_save_ms, "ms", 100, 3'600'000,
              "Between two writes of the statistics: a node that is killed loses so much of them.")
      .number("day_offset_min", &s::day_offset_min, "minutes", -14 * 60, 14 * 60,
              "Of the days in the statistics, from UTC: 480 is China.")
      .done();
}

} // namespace

std::string check_action(std::string_view text) {
  for (auto known : {"log", "review", "mask", "replace", "block"})
    if (text == known)
      return {};
  return "log, review, mask, replace or block";
}

void add_text_sections(std::vector<section_info>& all) {
  all.push_back(moderation_table());
  all.push_back(keywords_table());
}

} // namespace troupe::config
