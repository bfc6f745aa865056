#include "config/diff.hpp"
#include "config/load.hpp"
#include "config/show.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

using namespace troupe::config;

namespace {

std::string shipped_sample() {
  const char* source = std::getenv("TROUPE_SOURCE");
  std::ifstream in{std::string{source == nullptr ? "." : source} + "/config/troupe.yaml"};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Without the first # of each line of the commented examples.
std::string uncommented(const std::string& sample) {
  return std::regex_replace(sample, std::regex{"\n#(?=[^ \n]|  )"}, "\n");
}

bool is_equal(const node_config& a, const node_config& b) {
  auto d = diff(a, b);
  for (const auto& key : d.needs_restart)
    MESSAGE(key);
  return d.applied.empty() && d.needs_restart.empty();
}

} // namespace

TEST_CASE("the shipped troupe.yaml is what the table of keys says") {
  CHECK_MESSAGE(shipped_sample() == sample_yaml(),
                "run `troupe config sample > config/troupe.yaml`");
}

TEST_CASE("the shipped troupe.yaml loads and equals the defaults") {
  auto defaults = load_text("", "none");
  auto l = load_text(shipped_sample(), "troupe.yaml");
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(is_equal(defaults.config, l.config));
}

TEST_CASE("the shipped troupe.yaml names every key, and its examples load") {
  auto text = uncommented(shipped_sample());
  auto l = load_text(text, "troupe.yaml",
                     {.variables = {{"OPENAI_API_KEY", "k"}, {"ONEBOT_TOKEN", "t"}}});
  CHECK_MESSAGE(l.ok(), to_string(l.problems));
  std::size_t keys = 0;
  for (const auto& s : sections()) {
    REQUIRE_MESSAGE(s.count(l.config) == 1, std::string{s.path});
    for (const auto& key : s.keys) {
      ++keys;
      CHECK_MESSAGE(l.where.contains(key_path(s, 0, key)), key_path(s, 0, key));
    }
  }
  CHECK(l.where.size() == keys);
}

TEST_CASE("every key is documented, in a range that holds its default, and named but once") {
  node_config config;
  std::set<std::string> names;
  for (const auto& s : sections()) {
    CHECK(!s.doc.empty());
    if (s.list)
      s.resize(config, 1);
    for (const auto& key : s.keys) {
      auto path = key_path(s, 0, key);
      CHECK_MESSAGE(names.insert(path).second, path);
      CHECK_MESSAGE(!key.doc.empty(), path);
      auto v = read(key, config, 0);
      if (const auto* number = std::get_if<std::int64_t>(&v)) {
        CHECK_MESSAGE(key.min <= *number, path);
        CHECK_MESSAGE(*number <= key.max, path);
        CHECK_MESSAGE(!key.unit.empty(), path);
      }
      for (std::string_view unit : {"_ms", "_bytes"})
        if (key.name.ends_with(unit))
          CHECK_MESSAGE(key.unit == unit.substr(1), path);
    }
  }
  CHECK(names.size() == keys_json().size());
}

TEST_CASE("no secret comes out of any view of the configuration") {
  auto l = load_text("ops: {token: hunter2a}\n"
                     "store: {backend: postgresql, url: 'postgresql://root:hunter2b@db/troupe'}\n"
                     "upstreams:\n"
                     "  - {name: a, base_url: 'https://h/v1', api_key: hunter2c,\n"
                     "     proxy: 'socks5://me:hunter2d@p:1080'}\n"
                     "channels: {onebot: [{account: q, access_token: hunter2e}]}\n",
                     "t.yaml", {.sets = {"store.request_limit_ms=77"}});
  REQUIRE_MESSAGE(l.ok(), to_string(l.problems));
  CHECK(l.config.upstreams[0].api_key == "hunter2c");
  for (const auto& text :
       {to_yaml(l.config), to_yaml(l.config, &l.where), to_json(l.config).dump()}) {
    CHECK(text.find("hunter2") == std::string::npos);
    CHECK(text.find("***") != std::string::npos);
    CHECK(text.find("db/troupe") != std::string::npos);
  }
  CHECK(redacted(secrecy::url, "host=db password=x user=y") == "***");
  CHECK(redacted(secrecy::url, "data/troupe.db") == "data/troupe.db");
  CHECK(redacted(secrecy::url, "me:pw@host") == "***");
  CHECK(redacted(secrecy::whole, "").empty());
}

TEST_CASE("what is shown loads again as the same") {
  auto l = load_text("session: {system_prompt: \"a: b # c\\n\\t\\\"d\\\" \\u00e9 \\U0001F600\"}\n"
                     "node: {name: '123', data_dir: 'true'}\n"
                     "gateway: {cors_origins: ['*'], static_dir: '- x'}\n"
                     "upstreams: [{name: a, dialect: demo, model_map: {'a b': '{x}'}}]\n",
                     "t.yaml");
  REQUIRE_MESSAGE(l.ok(), to_string(l.problems));
  auto again = load_text(to_yaml(l.config, &l.where), "again.yaml");
  CHECK_MESSAGE(again.ok(), to_string(again.problems));
  CHECK(is_equal(l.config, again.config));
}

TEST_CASE("origins tell the layer of each shown value") {
  auto l = load_text("log: {level: warn}\n", "t.yaml", {.sets = {"log.format=json"}});
  auto text = to_yaml(l.config, &l.where);
  CHECK(text.find("level: warn  # t.yaml:1:14") != std::string::npos);
  CHECK(text.find("format: json  # --set") != std::string::npos);
  CHECK(text.find("access: true  # default") != std::string::npos);
}

TEST_CASE("a reload takes what it can and names what needs a restart") {
  auto running = load_text("log: {level: info}\n", "t.yaml").config;
  auto after = load_text("log: {level: debug}\ngateway: {shards: 3}\n"
                         "upstreams: [{name: demo, dialect: demo}, {name: b, dialect: demo}]\n",
                         "t.yaml")
                   .config;
  auto found = diff(running, after);
  CHECK(found.applied == std::vector<std::string>{"log.level"});
  CHECK(found.needs_restart == std::vector<std::string>{"gateway.shards", "upstreams"});
  CHECK(running.log.level == "info");

  auto done = reload(running, after);
  CHECK(done.applied == found.applied);
  CHECK(running.log.level == "debug");
  CHECK(running.gateway.shards == 0);
  CHECK(running.upstreams.size() == 1);
  CHECK(diff(running, running).needs_restart.empty());
}
