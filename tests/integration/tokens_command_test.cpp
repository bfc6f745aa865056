// `troupe tokens`, run as users run it.
#include "tests/support/process.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

using namespace troupe;

namespace {

struct outcome {
  int status;
  std::string out;
};

/// Runs `troupe COMMAND ARGUMENTS` by a shell, in `folder`; standard error comes with the output
/// when the arguments say 2>&1.
outcome run(const test::temp_dir& folder, const std::string& arguments,
            const std::string& subcommand = "tokens") {
  auto command = "cd '" + folder.path() + "' && '" + test::troupe_binary() + "' " + subcommand + " "
                 + arguments;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen(command.c_str(), "r"), [](FILE*) { return 0; }};
  REQUIRE(pipe);
  outcome result{};
  std::array<char, 4096> buffer;
  for (std::size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;)
    result.out.append(buffer.data(), got);
  result.status = WEXITSTATUS(pclose(pipe.release()));
  return result;
}

bool has(const outcome& result, std::string_view text) {
  return result.out.find(text) != std::string::npos;
}

} // namespace

TEST_CASE("tokens counts standard input, files, and their total") {
  test::temp_dir folder;
  folder.write("a.txt", "hello world");
  folder.write("b.txt", "don't");
  CHECK(run(folder, "<a.txt").out == "2\n");
  CHECK(run(folder, "a.txt").out == "2\n");
  CHECK(run(folder, "- <a.txt").out == "2\n");
  CHECK(run(folder, "</dev/null").out == "0\n");
  CHECK(run(folder, "a.txt b.txt").out
        == "         2  a.txt\n         1  b.txt\n         3  total\n");
}

TEST_CASE("tokens shows ids and offsets, and turns ids into text again") {
  test::temp_dir folder;
  folder.write("a.txt", "hello world");
  CHECK(run(folder, "--encode a.txt").out == "24912 2375\n");
  CHECK(run(folder, "--encode --model gpt-4 a.txt").out == "15339 1917\n");
  CHECK(run(folder, "--encode a.txt | '" + test::troupe_binary() + "' tokens --decode").out
        == "hello world");
  CHECK(run(folder, "--offsets a.txt").out
        == "       0        5   24912  \"hello\"\n       5       11    2375  \" world\"\n");
  auto json = nlohmann::json::parse(run(folder, "--json --offsets a.txt").out);
  CHECK(json["total"] == 2);
  CHECK(json["vocabulary"] == "o200k_base");
  CHECK(json["estimated"] == false);
  CHECK(json["files"][0]["ids"] == nlohmann::json{24912, 2375});
  CHECK(json["files"][0]["offsets"] == nlohmann::json{{0, 5}, {5, 11}});
}

TEST_CASE("tokens takes special tokens as text unless told otherwise") {
  test::temp_dir folder;
  folder.write("a.txt", "<|endoftext|>");
  CHECK(run(folder, "a.txt").out == "7\n");
  CHECK(run(folder, "--special a.txt").out == "1\n");
}

TEST_CASE("tokens refuses what makes no sense, says what to do, and exits with 1 or 2") {
  test::temp_dir folder;
  folder.write("a.txt", "hello world");
  folder.write("bad.txt", "a\xff\xfe");
  folder.write("words.txt", "12 x");
  auto unknown = run(folder, "--vocabulary nope a.txt 2>&1");
  CHECK(unknown.status == 2);
  CHECK(has(unknown, "cl100k_base"));
  CHECK(run(folder, "--vocabulary gpt2 --model gpt-4 a.txt 2>&1").status == 2);
  CHECK(run(folder, "--no-such-flag 2>&1").status == 2);
  auto missing = run(folder, "a.txt none.txt 2>&1");
  CHECK(missing.status == 1);
  CHECK(has(missing, "cannot read none.txt"));
  CHECK(has(missing, "2  a.txt"));
  CHECK(run(folder, ". 2>&1").status == 1);
  auto guess = run(folder, "--model my-own a.txt 2>&1");
  CHECK(guess.status == 0);
  CHECK(has(guess, "estimated with o200k_base"));
  auto bytes = run(folder, "bad.txt 2>&1");
  CHECK(bytes.status == 0);
  CHECK(has(bytes, "not UTF-8 from byte 1"));
  auto word = run(folder, "--decode words.txt 2>&1");
  CHECK(word.status == 1);
  CHECK(has(word, "\"x\" is not a token id"));
  CHECK(has(run(folder, "--decode 2>&1 <<E\n9999999\nE\n"), "no token 9999999"));
  CHECK(run(folder, "a.txt >/dev/full 2>&1").status == 1);
  CHECK(has(run(folder, "--list"), "o200k_harmony\n"));
}

TEST_CASE("tokens prints the beginning of a text that has so many tokens") {
  test::temp_dir folder;
  folder.write("a.txt", "hello world, hello");
  CHECK(run(folder, "--truncate 2 a.txt").out == "hello world");
  CHECK(run(folder, "--truncate 9 a.txt").out == "hello world, hello");
  CHECK(has(run(folder, "--json --truncate 2 a.txt"), "\"kept\": 11"));
  CHECK(run(folder, "--truncate 0 a.txt 2>&1").status == 2);
  CHECK(run(folder, "--truncate 2 --split 2 a.txt 2>&1").status == 2);
}

TEST_CASE("text converts files and finds out what they are, and tells what was lost") {
  test::temp_dir folder;
  folder.write("gbk.txt", "\xc4\xe3\xba\xc3");
  folder.write("bad.txt", "\xc4\xe3\x81");
  CHECK(run(folder, "convert --from gbk gbk.txt", "text").out == "你好");
  CHECK(run(folder,
            "convert --from gbk gbk.txt | '" + test::troupe_binary() + "' text convert --to gbk",
            "text")
            .out
        == "\xc4\xe3\xba\xc3");
  auto lossy = run(folder, "convert --from gbk bad.txt 2>&1", "text");
  CHECK(lossy.status == 0);
  CHECK(has(lossy, "byte 2: 81 cannot be read"));
  CHECK(run(folder, "convert --strict --from gbk bad.txt 2>&1", "text").status == 1);
  CHECK(has(run(folder, "convert --json --from gbk gbk.txt", "text"), "\"losses_total\": 0"));
  auto unknown = run(folder, "convert --to klingon gbk.txt 2>&1", "text");
  CHECK(unknown.status == 2);
  CHECK(has(unknown, "gb18030"));
  CHECK(has(run(folder, "detect <gbk.txt", "text"), "%"));
  CHECK(run(folder, "detect none.txt 2>&1", "text").status == 1);
}
