// /api/v1/tokens and /api/v1/text over real sockets, with the real actors behind.
#include "actors/tokenizer/text.hpp"
#include "actors/tokenizer/tokenizer.hpp"
#include "gateway/api/api_options.hpp"
#include "gateway/api/base64.hpp"
#include "tests/support/server_fixture.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

using namespace troupe;
using nlohmann::json;

namespace {

struct text_api : test::server_fixture {
  text_api() {
    actor_host host{&*system, &all_probes};
    tokenizer_options counting;
    counting.host = host;
    text_options working;
    working.host = host;
    gateway::api_options api;
    api.tokenizer = troupe::spawn(host, tokenizer, std::move(counting));
    api.texts = troupe::spawn(host, text_service, std::move(working));
    gateway::authenticator_options who;
    who.node_token = "good";
    api.who = std::make_shared<const gateway::authenticator>(std::move(who));
    gateway::router routes;
    gateway::add_text_routes(routes, std::move(api));
    REQUIRE(start(std::move(routes)));
  }

  test::raw_answer send(const std::string& path, const std::string& type, const std::string& body,
                        const std::string& key = "good") const {
    auto head = "POST /api/v1/" + path + " HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + key
                + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size())
                + "\r\nConnection: close\r\n\r\n";
    return client().ask(head + body);
  }

  /// The answer's JSON, if its status is this one.
  json post(const std::string& path, const json& body, int status = 200) const {
    auto answer = send(path, "application/json", body.dump());
    CHECK(answer.status == status);
    return json::parse(answer.body, nullptr, false);
  }

  std::string refusal(const std::string& path, const json& body) const {
    auto answer = post(path, body, 400);
    return answer["error"]["message"].get<std::string>();
  }
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

} // namespace

TEST_CASE_FIXTURE(text_api, "texts and chats are counted") {
  auto one = post("tokens/count", {{"model", "gpt-4o"}, {"text", "hello world"}});
  CHECK(one["total"] == 2);
  CHECK(one["vocabulary"] == "o200k_base");
  CHECK(one["estimated"] == false);
  auto two = post("tokens/count", {{"vocabulary", "cl100k_base"}, {"texts", {"hello", ""}}});
  CHECK(two["counts"] == json{1, 0});
  json parts = {{{"type", "text"}, {"text", "hello"}}, {{"type", "text"}, {"text", " world"}}};
  json messages = {{{"role", "system"}, {"content", "hello world"}},
                   {{"role", "user"}, {"content", parts}, {"name", "bob"}},
                   {{"role", "assistant"}, {"content", nullptr}}};
  auto chat = post("tokens/count", {{"model", "gpt-4o"}, {"messages", messages}});
  CHECK(chat["messages"] == json{6, 8, 4});
  CHECK(chat["reply"] == 3);
  CHECK(chat["total"] == 21);
  CHECK(chat["estimated"] == false);
  messages[0]["content"] = {{{"type", "image_url"}, {"image_url", {{"url", "https://x/y"}}}}};
  CHECK(post("tokens/count", {{"model", "gpt-4o"}, {"messages", messages}})["estimated"] == true);
}

TEST_CASE_FIXTURE(text_api, "texts become ids and come back, and are cut by tokens") {
  auto ids =
      post("tokens/encode", {{"model", "gpt-4o"}, {"text", "hello world"}, {"places", true}});
  CHECK(ids["ids"] == json{24'912, 2'375});
  CHECK(ids["ends"] == json{5, 11});
  CHECK(post("tokens/decode", {{"model", "gpt-4o"}, {"ids", ids["ids"]}})["text"] == "hello world");
  // A part of a character is no text.
  auto emoji = post("tokens/encode", {{"model", "gpt-4o"}, {"text", "🫨"}});
  REQUIRE(emoji["ids"].size() > 1);
  auto half = post("tokens/decode", {{"model", "gpt-4o"}, {"ids", {emoji["ids"][0]}}});
  CHECK(!half.contains("text"));
  CHECK(half.contains("data"));
  auto cut = post("tokens/truncate", {{"model", "gpt-4o"}, {"text", "hello world"}, {"limit", 1}});
  CHECK(cut["text"] == "hello");
  CHECK(cut["truncated"] == true);
  auto split = post("tokens/split", {{"model", "gpt-4o"}, {"text", "hello world"}, {"limit", 1}});
  CHECK(split["pieces"] == json{"hello", " world"});
  CHECK(split["ends"] == json{5, 11});
}

TEST_CASE_FIXTURE(text_api, "vocabularies are listed") {
  auto answer = get("/api/v1/tokens/vocabularies", "Authorization: Bearer good\r\n");
  CHECK(answer.status == 200);
  CHECK(json::parse(answer.body)["vocabularies"].size() == 7);
}

TEST_CASE_FIXTURE(text_api, "bodies that make no sense are refused with the field's name") {
  CHECK(has(refusal("tokens/count", {{"model", "gpt-4o"}}), "`texts`"));
  CHECK(has(refusal("tokens/count", {{"model", "m"}, {"text", "a"}, {"texts", {"b"}}}), "one of"));
  CHECK(has(refusal("tokens/count", {{"text", "a"}}), "model"));
  CHECK(has(refusal("tokens/count", {{"model", "m"}, {"texts", {1}}}), "texts"));
  CHECK(has(refusal("tokens/count", {{"messages", json::array()}}), "model"));
  json wrong = {{{"role", "wizard"}, {"content", "a"}}};
  CHECK(has(refusal("tokens/count", {{"model", "m"}, {"messages", wrong}}), "messages[0].role"));
  wrong[0] = {{"role", "user"}, {"content", 7}};
  CHECK(has(refusal("tokens/count", {{"model", "m"}, {"messages", wrong}}), "content"));
  CHECK(has(refusal("tokens/encode", {{"model", "m"}}), "text"));
  CHECK(has(refusal("tokens/encode", {{"model", "m"}, {"text", "a"}, {"limit", 1}}), "limit"));
  CHECK(has(refusal("tokens/encode", {{"model", "m"}, {"text", "a"}, {"specials", "x"}}),
            "specials"));
  CHECK(has(refusal("tokens/decode", {{"model", "m"}, {"ids", {"a"}}}), "ids"));
  CHECK(has(refusal("tokens/decode", {{"model", "m"}, {"ids", {-1}}}), "ids[0]"));
  CHECK(has(refusal("tokens/split", {{"model", "m"}, {"text", "a"}, {"limit", 0}}), "limit"));
  CHECK(has(refusal("tokens/truncate", {{"model", "m"}, {"text", "a"}}), "limit"));
  CHECK(has(refusal("text/convert", {{"from", "gbk"}}), "`data`"));
  CHECK(has(refusal("text/convert", {{"data", "?"}}), "base64"));
  CHECK(has(refusal("text/convert", {{"text", "a"}, {"to", "klingon"}}), "`to`"));
  CHECK(has(refusal("text/detect", json::object()), "`data`"));
  CHECK(send("tokens/count", "text/plain", R"({"model":"gpt-4o","text":"a"})").status == 400);
  CHECK(send("tokens/count", "application/json", "{").status == 400);
}

TEST_CASE_FIXTURE(text_api, "a text changes its character set as JSON") {
  auto gbk = gateway::to_base64("\xc4\xe3\xba\xc3\x81");
  auto answer = post("text/convert", {{"data", gbk}, {"from", "gbk"}});
  CHECK(answer["text"] == "你好\xef\xbf\xbd");
  CHECK(answer["losses_total"] == 1);
  CHECK(answer["losses"][0]["at"] == 4);
  CHECK(answer["losses"][0]["kind"] == "invalid");
  CHECK(answer["losses"][0]["data"] == gateway::to_base64("\x81"));
  auto back = post("text/convert", {{"text", "你好"}, {"to", "gbk"}});
  CHECK(back["from"] == "utf-8");
  CHECK(back["data"] == gateway::to_base64("\xc4\xe3\xba\xc3"));
  CHECK(post("text/convert", {{"text", "漢字"}, {"han", "t2s"}})["text"] == "汉字");
}

TEST_CASE_FIXTURE(text_api, "a file is converted as curl sends it") {
  auto answer =
      send("text/convert?from=gbk", "application/x-www-form-urlencoded", "\xc4\xe3\xba\xc3\x81");
  CHECK(answer.status == 200);
  CHECK(answer.body == "你好\xef\xbf\xbd");
  CHECK(answer.field("content-type") == "text/plain; charset=utf-8");
  CHECK(answer.field("x-text-from") == "gbk");
  CHECK(answer.field("x-text-losses") == "1");
  CHECK(send("text/convert?fold_width=maybe", "text/plain", "a").status == 400);
  CHECK(send("text/convert?from=klingon", "text/plain", "a").status == 400);
  auto guessed = send("text/detect", "application/octet-stream", "plain");
  CHECK(guessed.status == 200);
  CHECK(json::parse(guessed.body)["guesses"][0]["encoding"] == "utf-8");
}

TEST_CASE_FIXTURE(text_api, "nobody without a key is served") {
  for (auto path : {"tokens/count", "tokens/encode", "text/convert", "text/detect"})
    CHECK(client()
              .ask("POST /api/v1/" + std::string{path}
                   + " HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
              .status
          == 401);
}
