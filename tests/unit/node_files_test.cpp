// The token and node files that let a machine's own commands find and enter its node.
#include "cluster/node_files.hpp"
#include "messages/error.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace troupe;

namespace {

struct folder {
  folder() { path = ::mkdtemp(pattern.data()); }
  ~folder() { std::filesystem::remove_all(path); }
  std::string pattern = "/tmp/troupe-files-XXXXXX";
  std::string path;
};

} // namespace

TEST_CASE_FIXTURE(folder, "a token is made once, for its owner only") {
  auto first = load_or_make_token(path);
  REQUIRE(first);
  CHECK(first->size() == 64);
  struct stat status {};
  REQUIRE(::stat((path + "/token").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(*load_or_make_token(path) == *first);
}

TEST_CASE_FIXTURE(folder, "a token that others may read is refused, with what to do") {
  REQUIRE(load_or_make_token(path));
  REQUIRE(::chmod((path + "/token").c_str(), 0644) == 0);
  auto refused = load_or_make_token(path);
  REQUIRE(!refused);
  CHECK(describe(refused.error()).find("chmod 600") != std::string::npos);
}

TEST_CASE_FIXTURE(folder, "an empty token file is refused") {
  std::ofstream{path + "/token"} << "\n";
  REQUIRE(::chmod((path + "/token").c_str(), 0600) == 0);
  CHECK(!load_or_make_token(path));
}

TEST_CASE_FIXTURE(folder, "a running node is found by its file, a gone one is not") {
  CHECK(!read_node_file(path));
  REQUIRE(!write_node_file(path, {"http://127.0.0.1:1", "http://127.0.0.1:2", ::getpid()}));
  auto found = read_node_file(path);
  REQUIRE(found);
  CHECK(found->url == "http://127.0.0.1:1");
  CHECK(found->ops_url == "http://127.0.0.1:2");
  REQUIRE(!write_node_file(path, {"http://127.0.0.1:1", "http://127.0.0.1:2", 1 << 30}));
  CHECK(info(read_node_file(path).error()).code == ec::not_found);
  std::ofstream{path + "/node.json"} << "not json";
  CHECK(!read_node_file(path));
  remove_node_file(path);
  CHECK(!read_node_file(path));
}

TEST_CASE("a data folder that cannot be made says which key to set") {
  auto err = prepare_data_dir("/proc/none/data");
  REQUIRE(err);
  CHECK(describe(err).find("node.data_dir") != std::string::npos);
}
