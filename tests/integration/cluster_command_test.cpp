// `troupe cluster ca`, as an operator runs it.
#include "tests/support/process.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace troupe;
namespace fs = std::filesystem;

namespace {

struct authority_folder {
  test::temp_dir dir;
  std::string path = dir.path() + "/ca";
  int calls = 0;
  std::string text; // of the last call

  /// The exit code.
  int ca(std::vector<std::string> arguments) {
    std::vector<std::string> command{test::troupe_binary(), "cluster", "ca"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.insert(command.end(), {"--dir", path});
    auto log = dir.path() + "/out" + std::to_string(++calls);
    test::process child{command, {}, log};
    auto code = child.wait(std::chrono::seconds{30});
    std::ifstream in{log};
    std::stringstream all;
    all << in.rdbuf();
    text = all.str();
    return code.value_or(-1);
  }
  bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
};

} // namespace

TEST_CASE("an authority is made once, and nodes get certificates of it") {
  authority_folder folder;
  CHECK(folder.ca({"issue", "node-1"}) == 1);
  CHECK(folder.says("troupe cluster ca init"));
  CHECK(folder.ca({"init"}) == 0);
  CHECK(folder.says("cluster.ca"));
  CHECK(folder.ca({"init"}) == 1);
  CHECK(folder.says("--force"));
  CHECK(folder.ca({"issue", "node-1", "--host", "10.0.0.5,node-1.example", "--json"}) == 0);
  auto made = nlohmann::json::parse(folder.text);
  CHECK(fs::exists(made.at("certificate").get<std::string>()));
  CHECK(fs::exists(made.at("key").get<std::string>()));
  CHECK(folder.ca({"issue", "node-1"}) == 1);
  CHECK(folder.ca({"issue", "node-1", "--force"}) == 0);
  CHECK(folder.ca({"init", "--force"}) == 0);
}

TEST_CASE("what makes no sense to an authority is a usage error that says why") {
  authority_folder folder;
  CHECK(folder.ca({"init", "--days", "0"}) == 2);
  CHECK(folder.says("days"));
  CHECK(folder.ca({"init"}) == 0);
  CHECK(folder.ca({"issue", "../node"}) == 2);
  CHECK(folder.says("letters"));
  CHECK(folder.ca({"issue"}) == 2);
  CHECK(folder.ca({"issue", "n", "--host", "a b"}) == 2);
  CHECK(folder.says("a b"));
}
