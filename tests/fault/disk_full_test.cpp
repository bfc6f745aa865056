// The node's disk fills up and is freed again: clear errors meanwhile, nothing lost, no restart.
#include "persistence/soci/sqlite.hpp"
#include "tests/support/api_client.hpp"
#include "tests/support/echo_upstream.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>

#include <sys/mount.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;
using test::api_client;

namespace {

namespace fs = std::filesystem;

/// A file system of a few MB at `path`; gone with the object.
class small_disk {
public:
  explicit small_disk(std::string path) : path_(std::move(path)) {
    fs::create_directory(path_);
    mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, "size=12m,mode=0700") == 0;
    if (!mounted_)
      why_ = std::strerror(errno);
  }
  ~small_disk() {
    if (mounted_)
      ::umount2(path_.c_str(), MNT_DETACH);
  }
  small_disk(const small_disk&) = delete;
  small_disk& operator=(const small_disk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& why() const { return why_; }

  /// Not a byte is left.
  void fill() const {
    std::ofstream out{path_ + "/filler", std::ios::binary | std::ios::app};
    std::string block(4'096, 'f');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush())
      ;
  }
  void free() const { fs::remove(path_ + "/filler"); }

private:
  std::string path_;
  bool mounted_ = false;
  std::string why_;
};

/// A node whose data folder is a small disk, and one who posts to it.
struct stage {
  explicit stage(const std::string& more_config) : disk(dir.path() + "/data") {
    if (disk.mounted())
      node.emplace(dir, echo.yaml() + "session: {queue_max: 1000}\n" + more_config);
    if (node)
      http.emplace(node->host(), node->port(), node->token());
  }

  std::string make_conversation() {
    auto made = http->post("/api/v1/conversations", json::object());
    REQUIRE(made.status == 201);
    return made.body.value("id", "");
  }

  test::api_answer post(const std::string& conversation, const std::string& text) {
    auto answer = http->post("/api/v1/conversations/" + conversation + "/messages?wait=false",
                             {{"content", text}});
    if (answer.status == 202)
      acknowledged.emplace_back(answer.body.value("turn_id", ""),
                                answer.body.value("message_id", ""));
    return answer;
  }

  /// Fills the disk and posts until a message is refused: the database's files may have room within
  /// themselves.
  test::api_answer fill_until_refused(const std::string& conversation) {
    disk.fill();
    for (int i = 0; i < 500; ++i)
      if (auto answer = post(conversation, std::string(1'000, 'x')); answer.status != 202)
        return answer;
    return {};
  }

  std::string turn_status(const std::string& conversation, const std::string& turn) {
    return http->get("/api/v1/conversations/" + conversation + "/turns/" + turn)
        .body.value("status", "");
  }

  bool db_is_sound() {
    test::process check{{test::troupe_binary(), "db", "check", "--config",
                         dir.path() + "/troupe.yaml", "--set",
                         "node.data_dir=" + dir.path() + "/data"},
                        {},
                        dir.path() + "/check.log"};
    return check.wait(60s) == 0;
  }

  test::temp_dir dir;
  small_disk disk;
  test::echo_upstream echo;
  std::optional<test::troupe_node> node;
  std::optional<api_client> http;
  std::vector<std::pair<std::string, std::string>> acknowledged; // turn, message
};

#define NEED_DISK(stage)                                                                           \
  if (!(stage).disk.mounted()) {                                                                   \
    MESSAGE("skipped: no tmpfs can be mounted here (" << (stage).disk.why() << ")");               \
    return;                                                                                        \
  }

template <class Condition>
std::optional<std::chrono::milliseconds> time_until(Condition holds,
                                                    std::chrono::milliseconds limit) {
  auto began = steady::now();
  while (steady::now() - began < limit) {
    if (holds())
      return std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - began);
    std::this_thread::sleep_for(5ms);
  }
  return std::nullopt;
}

} // namespace

TEST_CASE("on a full disk posts get a clear 503, reading goes on, and posts work again by "
          "themselves") {
  stage s{""};
  NEED_DISK(s);
  auto conversation = s.make_conversation();
  REQUIRE(s.post(conversation, "while there was room").status == 202);

  auto refused = s.fill_until_refused(conversation);
  CHECK(refused.status == 503);
  CHECK(refused.code() == "store_unavailable");
  CHECK(refused.body["error"].value("message", "").find("disk is full") != std::string::npos);
  CHECK(!refused.body["error"].value("request_id", "").empty());
  CHECK(!refused.retry_after.empty());
  auto no_key = s.http->post("/api/v1/keys", {{"name", "none"}});
  CHECK(no_key.status == 503);
  CHECK(no_key.code() == "store_unavailable");

  CHECK(s.http->get("/api/v1/conversations/" + conversation).status == 200);
  auto messages = s.http->get("/api/v1/conversations/" + conversation + "/messages?all=true");
  CHECK(messages.status == 200);
  CHECK(!messages.body["messages"].empty());
  CHECK(s.http->get("/healthz").status == 200);
  CHECK(time_until([&] { return s.http->get("/readyz").status == 503; }, 1s));
  auto ready = s.http->get("/readyz");
  CHECK(ready.body.value("status", "") == "store_unavailable");
  CHECK(!ready.body.value("reason", "").empty());

  s.disk.free();
  auto posts_again = time_until([&] { return s.post(conversation, "again").status == 202; }, 10s);
  REQUIRE(posts_again);
  CHECK(*posts_again < 1s);
  auto ready_again = time_until([&] { return s.http->get("/readyz").status == 200; }, 10s);
  REQUIRE(ready_again);
  CHECK(*ready_again < 1s);
  MESSAGE("posts again after " << posts_again->count() << " ms, " << s.acknowledged.size()
                               << " messages acknowledged");

  auto last = s.acknowledged.back().first;
  CHECK(time_until([&] { return s.turn_status(conversation, last) == "finished"; }, 60s));
  CHECK(s.db_is_sound());
  auto db = persistence::open_sqlite(s.dir.path() + "/data/troupe.db", persistence::access::read);
  for (const auto& [turn, message] : s.acknowledged) {
    CHECK(db->turns().find(turn));
    CHECK(db->messages().find(message));
  }
}

TEST_CASE("a node that is ready notices by itself that its disk is freed") {
  stage s{""};
  NEED_DISK(s);
  auto conversation = s.make_conversation();
  CHECK(s.fill_until_refused(conversation).status == 503);
  REQUIRE(time_until([&] { return s.http->get("/readyz").status == 503; }, 1s));
  s.disk.free();
  // Nobody posts.
  auto ready_again = time_until([&] { return s.http->get("/readyz").status == 200; }, 10s);
  REQUIRE(ready_again);
  CHECK(*ready_again < 1s);
}

TEST_CASE("a turn whose answer comes while the disk is full ends once there is room") {
  stage s{""};
  NEED_DISK(s);
  auto conversation = s.make_conversation();
  s.echo.hold();
  REQUIRE(s.post(conversation, "hold on").status == 202);
  auto turn = s.acknowledged.back().first;
  REQUIRE(s.echo.wait_asked(1, 20s));
  auto other = s.make_conversation();
  CHECK(s.fill_until_refused(other).status == 503);
  s.echo.release();

  // Its text is shown, its end is not: that is not durable.
  auto path = "/api/v1/conversations/" + conversation + "/turns/" + turn + "/events";
  std::string text;
  s.http->stream(path, nullptr, {}, [&](const test::api_event& event) {
    CHECK(event.name != "finished");
    if (event.name == "delta")
      text += event.data.value("text", "");
    return text != "[hold on]";
  });
  CHECK(text == "[hold on]");
  CHECK(s.turn_status(conversation, turn) == "running");

  s.disk.free();
  std::string end;
  s.http->stream(path, nullptr, {}, [&](const test::api_event& event) {
    end = event.name;
    return true;
  });
  CHECK(end == "finished");
  CHECK(s.turn_status(conversation, turn) == "finished");
  CHECK(s.db_is_sound());
}

TEST_CASE("/v1 answers on a full disk while its usage can be held, then says 503; what was held is "
          "written afterwards") {
  stage s{"ledger: {buffer_max: 5}\n"};
  NEED_DISK(s);
  auto conversation = s.make_conversation();
  CHECK(s.fill_until_refused(conversation).status == 503);

  json request{{"model", "echo"}, {"messages", {{{"role", "user"}, {"content", "hello"}}}}};
  std::set<std::string> answered;
  test::api_answer refused;
  for (int i = 0; i < 100 && refused.status == 0; ++i) {
    auto answer = s.http->post("/v1/chat/completions", request);
    if (answer.status == 200)
      answered.insert(answer.request_id);
    else
      refused = answer;
  }
  CHECK(answered.size() >= 5);
  CHECK(refused.status == 503);
  CHECK(!refused.retry_after.empty());
  REQUIRE(refused.body.contains("error"));
  const auto& error = refused.body["error"];
  CHECK(error.value("code", "") == "store_unavailable");
  CHECK(error.value("type", "") == "server_error");
  CHECK(error.contains("param"));
  CHECK(!error.value("message", "").empty());
  CHECK(s.http->get("/v1/models").status == 200);

  s.disk.free();
  auto again = time_until(
      [&] {
        auto answer = s.http->post("/v1/chat/completions", request);
        if (answer.status == 200)
          answered.insert(answer.request_id);
        return answer.status == 200;
      },
      10s);
  REQUIRE(again);
  CHECK(*again < 1s);
  MESSAGE("/v1 again after " << again->count() << " ms");

  s.node->child().signal(SIGTERM);
  CHECK(s.node->child().wait(40s) == 0);
  auto db = persistence::open_sqlite(s.dir.path() + "/data/troupe.db", persistence::access::read);
  std::multiset<std::string> lines;
  for (const auto& record : db->ledger().list({}, std::nullopt, 1'000))
    lines.insert(record.request_id());
  for (const auto& id : answered)
    CHECK(lines.count(id) == 1);
}
