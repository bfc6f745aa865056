#include "actors/keywords/answer.hpp"

#include "actors/keywords/template.hpp"

namespace troupe::keywords {

chosen_answer answer_to(const message_facts& message, const rule_match& match,
                        const message_names& names, const time_zone& clock, std::uint64_t random,
                        std::size_t bytes_max) {
  const auto& chosen = choose_answer(*match.what, random);
  std::vector<std::string_view> captures;
  for (auto where : match.captures)
    captures.push_back(where.of(message.text));
  auto date = clock.date_text(message.now_us);
  auto time = clock.time_text(message.now_us);
  template_values values;
  values.user = names.user;
  values.user_id = message.user_id;
  values.group = names.group;
  values.channel = message.channel;
  values.date = date;
  values.time = time;
  values.message = message.text;
  values.matched = match.where.of(message.text);
  values.captures = captures;
  values.capture_names = match.capture_names;
  auto text = valid_text(render_template(chosen.text, values, bytes_max));
  // U+FFFD is longer than the byte it stands for.
  text.resize(cut_text(text, bytes_max).size());
  return {std::move(text), chosen.images, chosen.prompt};
}

} // namespace troupe::keywords
