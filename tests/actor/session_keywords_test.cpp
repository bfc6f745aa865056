// Keywords in sessions: an answer that no model gave is stored, sent and filtered like one.
#include "actors/channels/core/answer.hpp"
#include "actors/keywords/keyword_kind.hpp"
#include "actors/keywords/stages.hpp"
#include "tests/support/session_fixture.hpp"

#include <doctest/doctest.h>

#include <cctype>
#include <map>
#include <memory>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

/// Blocks the word "secret", and shows the rest in capitals.
class shouting final : public complete_stage {
public:
  class filter final : public stream_filter {
  public:
    explicit filter(std::shared_ptr<stream_output> to) : to_(std::move(to)) {}
    void text(std::string_view text) override {
      if (text.find("secret") != text.npos) {
        to_->block(make_error(ec::content_filtered, "not that"));
        return;
      }
      std::string loud{text};
      for (auto& c : loud)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      to_->text(loud);
    }
    void end() override { to_->end(); }

  private:
    std::shared_ptr<stream_output> to_;
  };

  std::string_view name() const override { return "shouting"; }
  std::unique_ptr<stream_filter> open(const stage_context&, const v1::Turn&,
                                      std::shared_ptr<stream_output> output) const override {
    return std::make_unique<filter>(std::move(output));
  }
};

struct keyword_session : session_fixture {
  keyword_session() {
    upstream->on_start = echo();
    keyword_stage_options answering;
    answering.live = live;
    answering.usage = usage;
    answering.clock = clock;
    options.session.pipeline.window.push_back(
        std::make_shared<keyword_stage>(std::move(answering)));
    options.session.split = [](const v1::ReplyAddress&, const v1::Message& reply) {
      return channels::answer_pieces(reply, 1'000);
    };
    rulesets::loaded_ruleset set;
    set.ruleset.set_name("s");
    set.bodies = {R"({"id":"map","text":"map",
        "answers":[{"text":"here","images":["https://a/map.png"]}]})",
                  R"({"id":"picture","text":"picture","answers":[{"images":["https://a/p.png"]}]})",
                  R"({"id":"no","text":"password",
        "answers":[{"text":"a secret","images":["https://a/s.png"]}]})",
                  R"({"id":"ask","kind":"pattern","text":"ask {what}",
        "answers":[{"text":"About {what}","prompt":true}]})"};
    keywords::keyword_kind{live}.put_to_work({set});
  }

  /// Posts as a chat does; the conversation's id is in `chat` afterwards.
  caf::expected<TurnAccepted> say(const std::string& text) {
    auto x = message(chat, text);
    x.mutable_reply_to()->set_channel("onebot");
    x.mutable_reply_to()->set_account("bot");
    x.mutable_reply_to()->set_chat_id("g1");
    auto accepted = post(x);
    REQUIRE(accepted);
    return accepted;
  }
  v1::Message reply_to(const caf::expected<TurnAccepted>& accepted) const {
    return data->messages.at(turn((*accepted)->turn_id()).reply_id());
  }
  /// "here|https://a/map.png": the rows of a turn, in order.
  std::string sent(const caf::expected<TurnAccepted>& accepted) const {
    std::map<int, std::string> rows;
    for (const auto& [id, row] : data->outbox)
      if (row.turn_id() == (*accepted)->turn_id())
        rows[row.part_index()] =
            row.parts(0).has_image() ? row.parts(0).image().url() : row.parts(0).text().text();
    std::string all;
    for (const auto& [index, text] : rows)
      all += (all.empty() ? "" : "|") + text;
    return all;
  }

  std::shared_ptr<keywords::live_rules> live = std::make_shared<keywords::live_rules>();
  std::shared_ptr<keywords::rule_usage> usage =
      std::make_shared<keywords::rule_usage>(100, keywords::counting_options(0));
  std::string chat = conversation();
};

} // namespace

TEST_CASE_FIXTURE(keyword_session, "a ready answer is stored and sent with its pictures") {
  start_region();
  auto accepted = say("the map please");
  CHECK(upstream->calls.empty());
  CHECK(turn((*accepted)->turn_id()).status() == v1::TURN_STATUS_FINISHED);
  auto reply = reply_to(accepted);
  REQUIRE(reply.parts_size() == 2);
  CHECK(reply.parts(0).text().text() == "here");
  CHECK(reply.parts(1).image().url() == "https://a/map.png");
  CHECK(reply.finish_reason() == "stop");
  CHECK(reply.model().empty());
  CHECK(data->ledger.empty());
  CHECK(sent(accepted) == "here|https://a/map.png");
  CHECK(sent(say("a picture")) == "https://a/p.png");
}

TEST_CASE_FIXTURE(keyword_session, "a ready answer goes through the filters, pictures and all") {
  options.session.pipeline.complete.push_back(std::make_shared<shouting>());
  start_region();
  CHECK(sent(say("map")) == "HERE|https://a/map.png");
  CHECK(sent(say("picture")) == "https://a/p.png");
  auto refused = say("password");
  CHECK(turn((*refused)->turn_id()).status() == v1::TURN_STATUS_FAILED);
  CHECK(reply_to(refused).parts().empty());
  CHECK(sent(refused) == "not that");
}

TEST_CASE_FIXTURE(keyword_session,
                  "what the model reads of it is text, and a prompt in the message's place") {
  start_region();
  say("map");
  say("thank you");
  REQUIRE(upstream->calls.size() == 1);
  CHECK(texts(upstream->last().request).find("here[image https://a/map.png]") != std::string::npos);
  auto asked = say("ask Oslo");
  CHECK(upstream->last().request.messages().rbegin()->parts(0).text().text() == "About Oslo");
  CHECK(reply_to(asked).parts(0).text().text() == "echo: About Oslo");
  CHECK(branch(chat).find("user:ask Oslo") != std::string::npos);
}
