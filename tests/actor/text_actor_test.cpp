// Tokens and character sets as others ask for them: by messages.
#include "actors/tokenizer/text.hpp"
#include "tests/support/actor_fixture.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace troupe;

namespace {

struct text_fixture : test::actor_fixture {
  text_fixture() {
    options.host = host;
    options.clock = clock;
    options.limits.tokens_bytes_max = 1'000'000;
    options.limits.convert_bytes_max = 1'000'000;
    start();
  }

  void start() { actor = troupe::spawn(host, text_service, options); }

  static v1::AnalyzeTokens query(v1::TokenWork work, std::string text = {}) {
    v1::AnalyzeTokens result;
    result.set_work(work);
    result.set_vocabulary("o200k_base");
    result.set_text(std::move(text));
    return result;
  }

  auto analyze(const v1::AnalyzeTokens& q) { return ask<TokensAnalyzed>(actor, AnalyzeTokens{q}); }
  auto count(const v1::CountChatTokens& q) {
    return ask<ChatTokensCounted>(actor, CountChatTokens{q});
  }
  auto convert(const v1::ConvertText& q) { return ask<TextConverted>(actor, ConvertText{q}); }

  /// What the refusal says, if it has this code.
  template <class Answer>
  static std::string refusal(const caf::expected<Answer>& answer, ec code) {
    REQUIRE(!answer);
    CHECK(info(answer.error()).code == code);
    return describe(answer.error());
  }

  text_options options;
  text_actor actor;
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

std::string repeat(std::string_view unit, int times) {
  std::string text;
  for (int i = 0; i < times; ++i)
    text += unit;
  return text;
}

std::vector<std::int64_t> list(const google::protobuf::RepeatedField<std::int64_t>& values) {
  return {values.begin(), values.end()};
}

v1::CountChatTokens chat(const std::string& model) {
  v1::CountChatTokens result;
  result.set_model(model);
  auto& message = *result.add_messages();
  message.set_role(v1::ROLE_USER);
  message.add_parts()->mutable_text()->set_text("hello world");
  return result;
}

v1::ConvertText conversion(std::string text, std::string from, std::string to) {
  v1::ConvertText result;
  result.set_text(std::move(text));
  result.set_from(std::move(from));
  result.set_to(std::move(to));
  return result;
}

} // namespace

TEST_CASE_FIXTURE(text_fixture, "a text becomes ids, with the end of each if it is asked for") {
  auto q = query(v1::TOKEN_WORK_ENCODE, "hello world");
  auto answer = analyze(q);
  REQUIRE(answer);
  CHECK(list((*answer)->ids()) == std::vector<std::int64_t>{24'912, 2'375});
  CHECK((*answer)->ends_size() == 0);
  CHECK((*answer)->total() == 2);
  CHECK((*answer)->vocabulary() == "o200k_base");
  q.set_places(true);
  answer = analyze(q);
  REQUIRE(answer);
  CHECK(list((*answer)->ends()) == std::vector<std::int64_t>{5, 11});
}

TEST_CASE_FIXTURE(text_fixture, "ids become their text, and ids that are none are named") {
  auto q = query(v1::TOKEN_WORK_DECODE);
  q.add_ids(24'912);
  q.add_ids(2'375);
  auto answer = analyze(q);
  REQUIRE(answer);
  CHECK((*answer)->text() == "hello world");
  for (std::int64_t bad : {std::int64_t{-1}, std::int64_t{900'000}, std::int64_t{1} << 33}) {
    auto wrong = q;
    wrong.add_ids(bad);
    CHECK(has(refusal(analyze(wrong), ec::invalid_argument), "ids[2]"));
  }
}

TEST_CASE_FIXTURE(text_fixture, "a text is cut to its first tokens, or into pieces of so many") {
  auto q = query(v1::TOKEN_WORK_TRUNCATE, "hello world, hello");
  q.set_limit(2);
  auto answer = analyze(q);
  REQUIRE(answer);
  CHECK((*answer)->text() == "hello world");
  CHECK((*answer)->total() == 2);
  q.set_work(v1::TOKEN_WORK_SPLIT);
  answer = analyze(q);
  REQUIRE(answer);
  CHECK(list((*answer)->ends()) == std::vector<std::int64_t>{11, 18});
  CHECK((*answer)->total() == 4);
}

TEST_CASE_FIXTURE(text_fixture, "special tokens are text, tokens or refused, as it is asked for") {
  auto q = query(v1::TOKEN_WORK_ENCODE, "a<|endoftext|>");
  auto answer = analyze(q);
  REQUIRE(answer);
  CHECK((*answer)->total() > 2);
  q.set_specials(v1::SPECIAL_TOKENS_ALLOWED);
  answer = analyze(q);
  REQUIRE(answer);
  CHECK(list((*answer)->ids()) == std::vector<std::int64_t>{64, 199'999});
  q.set_specials(v1::SPECIAL_TOKENS_REFUSED);
  CHECK(has(refusal(analyze(q), ec::invalid_argument), "<|endoftext|> at byte 1"));
  auto cut = query(v1::TOKEN_WORK_SPLIT, "a");
  cut.set_limit(1);
  cut.set_specials(v1::SPECIAL_TOKENS_ALLOWED);
  refusal(analyze(cut), ec::invalid_argument);
}

TEST_CASE_FIXTURE(text_fixture, "work on tokens that makes no sense is refused with what to do") {
  CHECK(has(refusal(analyze(query(v1::TOKEN_WORK_UNSPECIFIED)), ec::invalid_argument), "encode"));
  CHECK(has(refusal(analyze(query(v1::TOKEN_WORK_SPLIT, "a")), ec::invalid_argument), "limit"));
  auto unknown = query(v1::TOKEN_WORK_ENCODE, "a");
  unknown.set_vocabulary("o100k");
  CHECK(has(refusal(analyze(unknown), ec::invalid_argument), "o200k_base"));
  unknown.clear_vocabulary();
  refusal(analyze(unknown), ec::invalid_argument);
  refusal(analyze(query(v1::TOKEN_WORK_ENCODE, std::string(1'000'001, 'a'))), ec::too_large);
  auto many = query(v1::TOKEN_WORK_DECODE);
  many.mutable_ids()->Resize(2'000'001, 64);
  refusal(analyze(many), ec::too_large);
  // Few ids may be a long text: 128 spaces are one token.
  auto grown = query(v1::TOKEN_WORK_DECODE);
  auto spaces = analyze(query(v1::TOKEN_WORK_ENCODE, std::string(64, ' ')));
  REQUIRE(spaces);
  REQUIRE((*spaces)->ids_size() == 1);
  grown.mutable_ids()->Resize(20'000, (*spaces)->ids(0));
  refusal(analyze(grown), ec::too_large);
}

TEST_CASE_FIXTURE(text_fixture, "a chat is counted with what its model's form adds") {
  auto answer = count(chat("gpt-4o"));
  REQUIRE(answer);
  // <|im_start|>user\n ... <|im_end|>, and what opens the answer.
  CHECK(list((*answer)->messages()) == std::vector<std::int64_t>{6});
  CHECK((*answer)->reply() == 3);
  CHECK((*answer)->total() == 9);
  CHECK(!(*answer)->estimated());
  auto named = chat("gpt-4o");
  named.mutable_messages(0)->set_author("bob");
  answer = count(named);
  REQUIRE(answer);
  CHECK((*answer)->total() == 11);
}

TEST_CASE_FIXTURE(text_fixture, "a chat is an estimate with tools, calls or an unknown model") {
  CHECK((*count(chat("somebody-s-model")))->estimated());
  auto tools = chat("gpt-4o");
  tools.set_tools_json(R"([{"type":"function"}])");
  auto answer = count(tools);
  REQUIRE(answer);
  CHECK((*answer)->estimated());
  CHECK((*answer)->total() > 9);
  auto calls = chat("gpt-4o");
  calls.mutable_messages(0)->add_parts()->mutable_tool_call()->set_arguments_json("{\"a\":1}");
  answer = count(calls);
  REQUIRE(answer);
  CHECK((*answer)->estimated());
  CHECK((*answer)->total() > 9);
}

TEST_CASE_FIXTURE(text_fixture, "chats without a model or too long are refused") {
  CHECK(has(refusal(count(chat("")), ec::invalid_argument), "model"));
  auto many = chat("gpt-4o");
  for (int i = 0; i < 10'000; ++i)
    many.add_messages();
  refusal(count(many), ec::too_large);
  auto huge = chat("gpt-4o");
  huge.set_tools_json(std::string(1'000'001, 'a'));
  refusal(count(huge), ec::too_large);
}

TEST_CASE_FIXTURE(text_fixture, "all vocabularies are listed with their models") {
  auto answer = ask<VocabularyList>(actor, ListVocabularies{v1::ListVocabularies{}});
  REQUIRE(answer);
  REQUIRE((*answer)->vocabularies_size() == 7);
  const auto& first = (*answer)->vocabularies(0);
  CHECK(first.name() == "cl100k_base");
  CHECK(first.tokens() == 100'261);
  CHECK(std::find(first.models().begin(), first.models().end(), "gpt-4") != first.models().end());
}

TEST_CASE_FIXTURE(text_fixture, "a text changes its character set, and each loss is told") {
  auto answer = convert(conversion("\xc4\xe3\xba\xc3\x81", "gbk", ""));
  REQUIRE(answer);
  CHECK((*answer)->text() == "你好\xef\xbf\xbd");
  CHECK((*answer)->confidence() == 100);
  REQUIRE((*answer)->losses_size() == 1);
  CHECK((*answer)->losses(0).at() == 4);
  CHECK((*answer)->losses(0).bytes() == "\x81");
  CHECK((*answer)->losses(0).kind() == "invalid");
  // Where a loss on the way out lies is told in the text that was given.
  answer = convert(conversion("\xc4\xe3\x80\xba\xc3", "gbk", "shift_jis"));
  REQUIRE(answer);
  REQUIRE((*answer)->losses_total() == 2);
  CHECK((*answer)->losses(0).at() == 0);
  CHECK((*answer)->losses(0).bytes() == "\xc4\xe3");
  CHECK((*answer)->losses(0).kind() == "unmappable");
  CHECK((*answer)->losses(1).at() == 2);
  // What could not be read is one loss, not two.
  answer = convert(conversion("a\xff"
                              "b",
                              "utf-8", "iso-8859-1"));
  REQUIRE(answer);
  CHECK((*answer)->losses_total() == 1);
  CHECK((*answer)->text() == "a?b");
}

TEST_CASE_FIXTURE(text_fixture, "a text changes its form, width and script") {
  auto q = conversion("Ａ漢字e\xcc\x81", "", "");
  q.set_fold_width(true);
  q.set_form("nfc");
  q.set_han("t2s");
  auto answer = convert(q);
  REQUIRE(answer);
  CHECK((*answer)->text() == "A汉字é");
  CHECK((*answer)->from() == "utf-8");
  q.set_to("iso-8859-1");
  answer = convert(q);
  REQUIRE(answer);
  REQUIRE((*answer)->losses_size() == 2);
  CHECK((*answer)->losses(0).at() == -1);
}

TEST_CASE_FIXTURE(text_fixture, "conversions that make no sense are refused with what there is") {
  CHECK(has(refusal(convert(conversion("a", "klingon", "")), ec::invalid_argument), "gb18030"));
  CHECK(has(refusal(convert(conversion("a", "", "klingon")), ec::invalid_argument), "`to`"));
  auto form = conversion("a", "", "");
  form.set_form("nfx");
  CHECK(has(refusal(convert(form), ec::invalid_argument), "nfkc"));
  auto han = conversion("a", "", "");
  han.set_han("x2y");
  CHECK(has(refusal(convert(han), ec::invalid_argument), "s2tw"));
  refusal(convert(conversion(std::string(1'000'001, 'a'), "", "")), ec::too_large);
  std::mt19937 random{1};
  std::string noise(4'096, '\0');
  for (auto& c : noise)
    c = static_cast<char>(random());
  CHECK(has(refusal(convert(conversion(noise, "", "")), ec::invalid_argument), "`from`"));
}

TEST_CASE_FIXTURE(text_fixture, "the character set of a text is found out") {
  v1::DetectText q;
  q.set_text(repeat("\xc4\xe3\xba\xc3\xca\xc0\xbd\xe7", 20));
  auto answer = ask<TextDetected>(actor, DetectText{q});
  REQUIRE(answer);
  REQUIRE((*answer)->guesses_size() > 0);
  CHECK((*answer)->guesses(0).encoding().starts_with("gb"));
  q.set_text(std::string(1'000'001, 'a'));
  refusal(ask<TextDetected>(actor, DetectText{q}), ec::too_large);
}

TEST_CASE_FIXTURE(text_fixture, "long texts are worked on by workers, in time or not at all") {
  auto q = query(v1::TOKEN_WORK_ENCODE, repeat(" word", 5'000));
  auto answer = analyze(q);
  REQUIRE(answer);
  CHECK((*answer)->total() == 5'000);
  CHECK(all_probes.of_type("text_worker").handled == 1);
  q.mutable_context()->set_deadline_us(clock->now_us() - 1);
  refusal(analyze(q), ec::deadline_exceeded);
  auto late = chat("gpt-4o");
  late.set_tools_json(repeat(" word", 5'000));
  late.mutable_context()->set_deadline_us(clock->now_us() - 1);
  refusal(count(late), ec::deadline_exceeded);
}

TEST_CASE_FIXTURE(text_fixture, "workers with full queues refuse") {
  options.queue_max = 3;
  start();
  caf::scoped_actor self{*system};
  for (int i = 0; i < 10; ++i)
    self->send(actor, AnalyzeTokens{query(v1::TOKEN_WORK_ENCODE, repeat(" word", 2'000))});
  run();
  CHECK(all_probes.of_type("text_worker").shed == 4);
  CHECK(all_probes.of_type("text_worker").depth == 0);
}

TEST_CASE_FIXTURE(test::actor_fixture, "a file that is not there is said, by workers too") {
  text_options options;
  options.host = host;
  options.library =
      std::make_shared<tokens::library>(std::vector<std::filesystem::path>{"/nowhere"});
  auto actor = troupe::spawn(host, text_service, options);
  auto answer = ask<VocabularyList>(actor, ListVocabularies{v1::ListVocabularies{}});
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::internal);
  CHECK(describe(answer.error()).find("/nowhere") != std::string::npos);
  CHECK(all_probes.of_type("text_worker").failed == 0);
}
