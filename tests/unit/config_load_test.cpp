#include "config/load.hpp"
#include "config/table.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace troupe::config;
namespace fs = std::filesystem;

namespace {

struct temp_folder {
  fs::path path;
  temp_folder() {
    std::string name = (fs::temp_directory_path() / "troupe-config-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~temp_folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream{path / name} << text;
    return (path / name).string();
  }
};

loaded from(std::string_view yaml, load_options options = {}) {
  return load_text(yaml, "t.yaml", options);
}

bool says(const loaded& l, const std::string& line) {
  for (const auto& p : l.problems)
    if (to_string(p).find(line) != std::string::npos)
      return true;
  MESSAGE(to_string(l.problems));
  return false;
}

} // namespace

TEST_CASE("an empty file gives the defaults and the demo upstream") {
  for (auto text : {"", "# nothing\n", "---\n", "gateway:\nsession:\nupstreams:\nchannels:\n"}) {
    auto l = from(text);
    CHECK_MESSAGE(l.ok(), to_string(l.problems));
    CHECK(l.config.gateway.listen == "127.0.0.1:8080");
    REQUIRE(l.config.upstreams.size() == 1);
    CHECK(l.config.upstreams[0].name == "demo");
    CHECK(l.config.upstreams[0].dialect == "demo");
    CHECK(l.config.upstreams[0].models == std::vector<std::string>{"demo", "*"});
  }
}

TEST_CASE("each layer overrides the one below it, and origins tell which one won") {
  temp_folder dir;
  auto base = dir.write("troupe.yaml", "gateway:\n  listen: 127.0.0.1:1\n  shards: 1\n"
                                       "  headers_max: 11\nnode:\n  name: base\n");
  auto prod = dir.write("troupe.prod.yaml", "gateway:\n  shards: 2\n  headers_max: 22\n");
  auto l = load({.file = base,
                 .env = "prod",
                 .sets = {"session.system_prompt=be kind: always"},
                 .variables = {{"TROUPE_GATEWAY__HEADERS_MAX", "33"},
                               {"TROUPE_SESSION__SYSTEM_PROMPT", "lost"}}});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(l.config.node.name == "base");
  CHECK(l.config.gateway.shards == 2);
  CHECK(l.config.gateway.headers_max == 33);
  CHECK(l.config.session.system_prompt == "be kind: always");
  CHECK(l.where.at("gateway.listen") == base + ":2:11");
  CHECK(l.where.at("gateway.shards") == prod + ":2:11");
  CHECK(l.where.at("gateway.headers_max") == "TROUPE_GATEWAY__HEADERS_MAX");
  CHECK(l.where.at("session.system_prompt") == "--set");
  CHECK(!l.where.contains("session.queue_max"));
  CHECK(l.files == std::vector<std::string>{base, prod});
}

TEST_CASE("a file that is asked for must be there") {
  temp_folder dir;
  auto base = dir.write("troupe.yaml", "");
  CHECK(says(load({.file = "/none/troupe.yaml"}), "/none/troupe.yaml: cannot be read"));
  CHECK(says(load({.file = base, .env = "prod"}), "troupe.prod.yaml: cannot be read, and --env"));
  CHECK(says(load({.file = dir.path.string()}), "cannot be read"));
}

TEST_CASE("lists and maps come by flow syntax, by item, and by whole sections") {
  auto l = from("gateway:\n  cors_origins: [https://a.example, https://b.example]\n",
                {.sets = {"gateway.trusted_proxies=[10.0.0.1, '::1']",
                          "upstreams.0.model_map.gpt-4.1=theirs", "models=[{name: x*}]"},
                 .variables = {{"TROUPE_GATEWAY__CORS_ORIGINS__1", "https://c.example"},
                               {"TROUPE_GATEWAY__CORS_ORIGINS__2", "https://d.example"},
                               {"TROUPE_UPSTREAMS__0__NAME", "one"},
                               {"TROUPE_UPSTREAMS__0__BASE_URL", "https://one.example/v1/"},
                               {"TROUPE_UPSTREAMS__1__NAME", "two"},
                               {"TROUPE_UPSTREAMS__1__DIALECT", "demo"}}});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(l.config.gateway.cors_origins
        == std::vector<std::string>{"https://a.example", "https://c.example", "https://d.example"});
  CHECK(l.config.gateway.trusted_proxies == std::vector<std::string>{"10.0.0.1", "::1"});
  REQUIRE(l.config.upstreams.size() == 2);
  CHECK(l.config.upstreams[0].base_url == "https://one.example/v1");
  CHECK(l.config.upstreams[0].model_map.at("gpt-4.1") == "theirs");
  CHECK(l.config.upstreams[1].name == "two");
  REQUIRE(l.config.models.size() == 1);
  CHECK(l.config.models[0].name == "x*");
}

TEST_CASE("twelve items by variable keep their order") {
  load_options options;
  for (int i = 0; i < 12; ++i)
    options.variables["TROUPE_GATEWAY__TRUSTED_PROXIES__" + std::to_string(i)] =
        "10.0.0." + std::to_string(i);
  auto l = from("", options);
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  REQUIRE(l.config.gateway.trusted_proxies.size() == 12);
  CHECK(l.config.gateway.trusted_proxies[11] == "10.0.0.11");
}

TEST_CASE("a list of a higher layer replaces that of a lower one, items and origins") {
  temp_folder dir;
  auto base = dir.write("c.yaml", "upstreams:\n  - {name: a, dialect: demo, retries_max: 3}\n"
                                  "  - {name: b, dialect: demo}\n");
  dir.write("c.x.yaml", "upstreams:\n  - {name: c, dialect: demo}\n");
  auto l = load({.file = base, .env = "x"});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  REQUIRE(l.config.upstreams.size() == 1);
  CHECK(l.config.upstreams[0].name == "c");
  CHECK(l.config.upstreams[0].retries_max == 1);
  CHECK(!l.where.contains("upstreams.0.retries_max"));
  CHECK(!l.where.contains("upstreams.1.name"));
}

TEST_CASE("OPENAI_API_KEY and OPENAI_BASE_URL make an upstream when none is configured") {
  auto l = from("", {.variables = {{"OPENAI_API_KEY", "sk-1"}}});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  REQUIRE(l.config.upstreams.size() == 1);
  CHECK(l.config.upstreams[0].base_url == "https://api.openai.com/v1");
  CHECK(l.config.upstreams[0].api_key == "sk-1");
  CHECK(!l.config.upstreams[0].allow_private);

  l = from("", {.variables = {{"OPENAI_BASE_URL", "http://127.0.0.1:9/v1"}}});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(l.config.upstreams[0].base_url == "http://127.0.0.1:9/v1");
  CHECK(l.config.upstreams[0].allow_private);
  CHECK(l.config.upstreams[0].models.empty());

  l = from("upstreams: [{name: mine, dialect: demo}]\n", {.variables = {{"OPENAI_API_KEY", "x"}}});
  REQUIRE(l.config.upstreams.size() == 1);
  CHECK(l.config.upstreams[0].name == "mine");

  CHECK(says(from("", {.variables = {{"OPENAI_BASE_URL", "nonsense"}}}),
             "OPENAI_BASE_URL: upstreams.0.base_url: expects a URL"));
}

TEST_CASE("a secret may stand in a variable or a file") {
  temp_folder dir;
  auto file = dir.write("key", "from-file\n");
  auto yaml = "ops:\n  token: env:MY_TOKEN\nupstreams:\n  - name: a\n    base_url: http://h/v1\n"
              "    api_key: file:"
              + file + "\n";
  auto l = from(yaml, {.variables = {{"MY_TOKEN", "from-variable"}}});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(l.config.ops.token == "from-variable");
  CHECK(l.config.upstreams[0].api_key == "from-file");
  CHECK(l.where.at("ops.token") == "t.yaml:2:10 (env:MY_TOKEN)");
  CHECK(says(from(yaml), "ops.token: the variable MY_TOKEN is not set"));
  CHECK(says(from("ops:\n  token: file:/none\n"), "ops.token: the file /none is empty or cannot"));
}

TEST_CASE("an unknown key is named with its place and the nearest known one") {
  CHECK(says(from("gateway:\n  listn: x\n"),
             "t.yaml:2:3: gateway.listn: no such key; did you mean `listen`?"));
  CHECK(says(from("gatway:\n  listen: x\n"),
             "t.yaml:1:1: gatway: no such key; did you mean `gateway`?"));
  CHECK(says(from("channels:\n  onebott: []\n"), "channels.onebott: no such key; did you mean"));
  CHECK(says(from("upstreams:\n  - nmae: a\n"), "t.yaml:2:5: upstreams.0.nmae"));
  CHECK(says(from("session:\n  cors_origins: []\n"), "there is one in `gateway:`"));
  CHECK(says(from("zzzzzz: 1\n"), "`troupe config keys` lists all"));
  CHECK(says(from("", {.variables = {{"TROUPE_GATEWAY__LISTN", "x"}}}),
             "TROUPE_GATEWAY__LISTN: gateway.listn: no such key; did you mean `listen`?"));
  CHECK(says(from("", {.sets = {"channels.outbx.poll_ms=1"}}), "did you mean `outbox`?"));
  CHECK(says(from("", {.sets = {"nonsense"}}), "--set: expects key=value"));
  CHECK(from("", {.variables = {{"TROUPE_KEY", "x"}, {"TROUPE_BINARY", "y"}}}).ok());
}

TEST_CASE("a wrong type says what is expected and what was found") {
  CHECK(says(from("gateway:\n  shards: many\n"),
             "t.yaml:2:11: gateway.shards: expects a whole number of threads, found `many`"));
  CHECK(says(from("gateway:\n  shards: \"4\"\n"), "expects a whole number of threads"));
  CHECK(says(from("gateway:\n  shards: 1.5\n"), "expects a whole number"));
  CHECK(says(from("gateway:\n  idle_limit_ms: 20s\n"), "a whole number of ms, found `20s`"));
  CHECK(says(from("gateway:\n  shards: 99999999999999999999\n"), "expects a whole number"));
  CHECK(says(from("log:\n  access: yes\n"), "expects true or false, found `yes`"));
  CHECK(says(from("node:\n  name: [a]\n"), "expects text, found a list"));
  CHECK(says(from("node:\n  name:\n"), "has no value"));
  CHECK(says(from("gateway:\n  shards:\n"), "expects a whole number of threads, found nothing"));
  CHECK(says(from("gateway:\n  cors_origins: x\n"), "expects a list of texts, found `x`; write"));
  CHECK(says(from("gateway:\n  cors_origins: [[a]]\n"), "found a list in it"));
  CHECK(says(from("upstreams:\n  - model_map: [a]\n"), "a map from text to text, found a list"));
  CHECK(says(from("upstreams:\n  - model_map: {a: [b]}\n"), "found a list in it"));
  CHECK(says(from("upstreams: {name: a}\n"), "upstreams: expects a list"));
  CHECK(says(from("upstreams: [a]\n"), "upstreams.0: expects keys with values, found `a`"));
  CHECK(says(from("gateway: 5\n"), "gateway: expects keys with values, found `5`"));
  CHECK(says(from("channels: 5\n"), "channels: expects sections below it"));
  CHECK(says(from("- a\n"), "t.yaml:1:1: expects sections such as `gateway:`, found a list"));
  CHECK(says(from("", {.sets = {"gateway.listen.0=x"}}), "has nothing below it: it is text"));
  CHECK(says(from("", {.sets = {"gateway.cors_origins.7=x"}}), "an item's number from 0 to 0"));
  CHECK(says(from("", {.sets = {"upstreams.5.name=x"}}), "the next one has number 0"));
  CHECK(says(from("", {.sets = {"upstreams.x=1"}}), "expects an item's number"));
  CHECK(says(from("", {.sets = {"gateway.cors_origins=[a"}}), "is no YAML"));
}

TEST_CASE("a secret of the wrong type is not repeated in the message") {
  auto l = from("ops:\n  token: \"sk bad secret\"\nupstreams:\n  - name: a\n"
                "    base_url: https://user:hunter2@h/v1\n    proxy: hunter2\n");
  CHECK(!l.ok());
  auto text = to_string(l.problems);
  CHECK(text.find("sk bad") == std::string::npos);
  CHECK(text.find("hunter2") == std::string::npos);
}

TEST_CASE("an out-of-range value says the range and its unit") {
  CHECK(says(from("gateway:\n  header_limit_ms: 0\n"),
             "t.yaml:2:20: gateway.header_limit_ms: 0 is out of range; expects 1 to 600000 ms"));
  CHECK(says(from("gateway:\n  shards: -1\n"), "-1 is out of range; expects 0 to 256 threads"));
  CHECK(says(from("log:\n  level: loud\n"),
             "`loud` is not known; expects trace, debug, info, warn, error or off"));
  CHECK(says(from("", {.sets = {"store.readers=900"}}), "--set: store.readers: 900 is out of"));
}

TEST_CASE("all problems are told, not only the first") {
  auto l = from("gatway: {}\ngateway:\n  shards: x\n  headers_max: 0\nlog: {level: loud}\n");
  CHECK(l.problems.size() == 4);
}

TEST_CASE("a key given twice is refused") {
  CHECK(says(from("node:\n  name: a\n  name: b\n"),
             "t.yaml:3:3: node.name: is given twice; first in line 2"));
  CHECK(says(from("node: {}\nnode: {}\n"), "node: is given twice"));
  CHECK(says(from("upstreams:\n  - model_map: {a: b, a: c}\n"), "`a` is given twice"));
}

TEST_CASE("what is no YAML says where it stops making sense") {
  CHECK(says(from("gateway:\n  listen: [a\n"), "t.yaml:"));
  CHECK(says(from("a: b: c\n"), "t.yaml:1:"));
  CHECK(says(from("a: *nobody\n"), "t.yaml:1:"));
  CHECK(says(from("node: {name: !!binary aGk=}\n"), "the tag"));
  CHECK(says(from("--- {}\n--- {}\n"), "a second document"));
  CHECK(says(from(std::string_view{"node: {}\n\0", 10}), "t.yaml:2:1: a zero byte"));
  CHECK(says(from("? {a: b}\n: c\n"), "expects a name, found a map"));
}

TEST_CASE("aliases work, within the bound of values") {
  auto l = from("upstreams:\n  - &a {name: a, dialect: demo, models: &m [x, y]}\n"
                "  - {name: b, dialect: demo, models: *m}\n");
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(l.config.upstreams[1].models == std::vector<std::string>{"x", "y"});

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    auto below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k)
      bomb += below + (k == 9 ? "]\n" : " , ");
  }
  CHECK(says(from(bomb), "more than 100000 values"));
  CHECK(says(from("a: &a [*a]\n"), "t.yaml:1:"));
  CHECK(says(from(std::string(2'000, '[')), "t.yaml:1:"));
  CHECK(says(from("a: " + std::string(40, '[') + std::string(40, ']')), "nested deeper than 32"));
  CHECK(says(from(std::string(1'100'000, '#')), "1100000 bytes, at most 1048576"));
}

TEST_CASE("keys that contradict each other are refused") {
  CHECK(says(from("gateway:\n  tls_key: /k.pem\n"),
             "t.yaml:2:12: gateway.tls_key: needs gateway.tls_certificate as well"));
  CHECK(says(from("gateway:\n  tls_certificate: /c.pem\n"), "needs gateway.tls_key as well"));
  CHECK(says(from("keys: {required: false}\ngateway: {listen: '0.0.0.0:8080'}\n"),
             "keys.required: false is for loopback only"));
  CHECK(from("keys: {required: false}\ngateway: {listen: '[::1]:8080'}\n").ok());
  CHECK(says(from("ops: {listen: '127.0.0.1:8080'}\n"), "is the same as gateway.listen"));
  CHECK(says(from("upstreams: [{name: a, dialect: demo}, {name: a, dialect: demo}]\n"),
             "upstreams.1.name: `a` is the name of another upstream too"));
  CHECK(says(from("upstreams: [{name: a}]\n"), "upstreams.0.base_url: is needed"));
  CHECK(says(from("upstreams: [{dialect: demo}]\n"), "upstreams.0.name: expects 1 to 63"));
  CHECK(says(from("upstreams: [{name: a, dialect: klingon}]\n"), "expects openai or demo"));
  CHECK(says(from("upstreams: [{name: a, dialect: demo, models: [x]}]\n"
                  "session: {default_model: y}\n"),
             "session.default_model: no upstream serves `y`"));
  CHECK(from("upstreams: [{name: a, dialect: demo, models: [x-*]}]\n"
             "session: {default_model: x-1}\n")
            .ok());
  CHECK(says(from("session: {context_tokens_max: 100}\n"), "leaves nothing beside reply_tokens"));
  CHECK(says(from("channels: {outbox: {backoff_first_ms: 100, backoff_max_ms: 50}}\n"),
             "is longer than backoff_max_ms"));
  CHECK(says(from("channels: {onebot: [{account: a}, {account: a}]}\n"), "given to two accounts"));
  CHECK(says(from("channels: {onebot: [{account: a}]}\ncluster: {roles: [channel, session]}\n"),
             "cluster.roles: OneBot accounts are dialled at the public port"));
  CHECK(from("channels: {onebot: [{account: a}]}\ncluster: {roles: [session]}\n").ok());
  CHECK(says(from("channels: {onebot: [{account: a}]}\ngateway: {listen: '0.0.0.0:1'}\n"),
             "channels.onebot.0.access_token: is needed"));
}

TEST_CASE("the database's kind and its address fit") {
  auto good = [](const std::string& store) {
    auto l = from("store: " + store + "\n");
    CHECK_MESSAGE(l.ok(), to_string(l.problems));
  };
  good("{url: /var/lib/troupe/troupe.db}");
  good("{url: 'sqlite:///var/lib/troupe/troupe.db'}");
  good("{backend: postgresql, url: 'postgresql://me:geheim@db:5432/troupe'}");
  good("{backend: postgresql, url: 'postgres://db/troupe?sslmode=require'}");
  good("{backend: postgresql, url: 'host=db dbname=troupe password=geheim'}");
  good("{backend: mysql, url: 'mysql://me:geheim@db:3306/troupe'}");
  good("{backend: mysql, url: 'mariadb://me:geheim@/troupe?socket=/run/db'}");
  auto bad = [](const std::string& store, const std::string& text) {
    auto l = from("store: " + store + "\n");
    CHECK(says(l, text));
    CHECK(to_string(l.problems).find("geheim") == std::string::npos);
  };
  bad("{url: 'postgresql://me:geheim@db/troupe'}", "set store.backend to postgresql");
  bad("{url: 'mysql://me:geheim@db/troupe'}", "set store.backend to mysql");
  bad("{url: 'oracle://me:geheim@db/troupe'}", "is no file");
  bad("{backend: postgresql}", "store.url: is needed");
  bad("{backend: postgresql, url: 'mysql://me:geheim@db/troupe'}", "set store.backend to mysql");
  bad("{backend: postgresql, url: /var/lib/geheim.db}", "is no address of postgresql");
  bad("{backend: mysql}", "store.url: is needed, such as mysql://");
  bad("{backend: mysql, url: 'postgresql://me:geheim@db/troupe'}", "set store.backend to postgres");
  bad("{backend: mysql, url: 'host=db password=geheim'}", "is no address of mysql");
}

TEST_CASE("the demo takes its pace as base_url, and nobody else does") {
  auto l = from("upstreams: [{name: a, dialect: demo, base_url: 'demo://?tokens_per_s=1'}]\n");
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(from("upstreams: [{name: a, dialect: demo}]\n").ok());
  CHECK(!from("upstreams: [{name: a, dialect: demo, base_url: 'demo://host'}]\n").ok());
  CHECK(says(from("upstreams: [{name: a, base_url: 'demo://?tokens=5'}]\n"),
             "upstreams.0.base_url: is for dialect demo only"));
}

TEST_CASE("addresses and URLs of the wrong form are refused") {
  for (auto listen : {"8080", ":8080", "127.0.0.1", "127.0.0.1:99999", "example.com:80", "::1:80",
                      "[::1]", "127.0.0.1:80x", "''"})
    CHECK(says(from(std::string{"gateway: {listen: '"} + listen + "'}\n"), "expects an address"));
  CHECK(from("gateway: {listen: 'localhost:0'}\n").config.gateway.listen == "127.0.0.1:0");
  for (auto url : {"api.openai.com/v1", "ftp://a/b", "https://", "https://a b/", "https://a/?x=1",
                   "http://a:0/", "http://a:99999/", "https://u:p@a/v1"})
    CHECK(!from(std::string{"upstreams: [{name: a, base_url: '"} + url + "'}]\n").ok());
  for (auto proxy : {"http://h", "socks4://h:1", "h:1", "http://h:1/path"})
    CHECK(
        !from(std::string{"upstreams: [{name: a, dialect: demo, proxy: '"} + proxy + "'}]\n").ok());
  for (auto proxy : {"http://h:1", "socks5://u:p@h:1080", "http://[::1]:3128"})
    CHECK(
        from(std::string{"upstreams: [{name: a, dialect: demo, proxy: '"} + proxy + "'}]\n").ok());
  for (auto origin : {"a.example", "https://a.example/", "https://u@a.example", "''"})
    CHECK(!from(std::string{"gateway: {cors_origins: [\""} + origin + "\"]}\n").ok());
  CHECK(!from("gateway: {trusted_proxies: [example.com]}\n").ok());
}

TEST_CASE("roles are known ones, at least one, and the others are listed") {
  CHECK(from("cluster: {roles: [tools, gateway]}\n").ok());
  CHECK(says(from("cluster: {roles: [tools, toolz]}\n"),
             "expects gateway, session, channel, tools, store or scheduler"));
  CHECK(says(from("cluster: {roles: []}\n"), "at least one role"));
}
