// The file that holds usage records until the database has them.
#include "actors/account/usage_journal.hpp"
#include "tests/support/process.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

using namespace troupe;
namespace fs = std::filesystem;

namespace {

google::protobuf::RepeatedPtrField<v1::UsageRecord> records(int from, int count) {
  google::protobuf::RepeatedPtrField<v1::UsageRecord> out;
  for (int i = from; i < from + count; ++i)
    *out.Add() = test::usage_record("r" + std::to_string(i), "p", 1);
  return out;
}

/// True if all of them were taken.
bool append(usage_journal& journal,
            const google::protobuf::RepeatedPtrField<v1::UsageRecord>& all) {
  bool taken = true;
  for (const auto& record : all)
    taken = journal.append(record) && taken;
  return taken;
}

std::vector<std::string> ids(const std::vector<v1::UsageRecord>& all) {
  std::vector<std::string> out;
  for (const auto& record : all)
    out.push_back(record.request_id());
  return out;
}

} // namespace

TEST_CASE("a journal gives back what was appended, until it is turned over twice") {
  test::temp_dir dir;
  {
    usage_journal journal{dir.path()};
    CHECK(journal.replay().empty());
    CHECK(append(journal, records(0, 3)));
    journal.turn_over(); // these are on their way to the database
    CHECK(append(journal, records(3, 2)));
  }
  {
    usage_journal journal{dir.path()};
    CHECK(journal.replay().size() == 5);
    CHECK(append(journal, records(5, 1)));
  }
  usage_journal journal{dir.path()};
  CHECK(ids(journal.replay()).size() == 6);
  journal.turn_over(); // the six are durable
  CHECK(append(journal, records(6, 1)));
  journal.turn_over();
  journal.turn_over();
  CHECK(journal.bytes() == 0);
  CHECK(journal.replay().empty());
}

TEST_CASE("a torn or damaged end of a journal costs its last records only") {
  for (bool torn : {true, false}) {
    CAPTURE(torn);
    test::temp_dir dir;
    std::string file;
    {
      usage_journal journal{dir.path()};
      journal.replay();
      append(journal, records(0, 3));
      for (const auto& entry : fs::directory_iterator(dir.path()))
        if (entry.path().extension() == ".journal" && entry.file_size() > 0)
          file = entry.path();
    }
    REQUIRE(!file.empty());
    auto size = fs::file_size(file);
    if (torn) {
      fs::resize_file(file, size - 5);
    } else {
      std::fstream out{file, std::ios::in | std::ios::out | std::ios::binary};
      out.seekp(static_cast<std::streamoff>(size) - 5);
      out.put('\x7f');
    }
    usage_journal journal{dir.path()};
    CHECK(ids(journal.replay()) == std::vector<std::string>{"r0", "r1"});
    CHECK(append(journal, records(9, 1)));
    CHECK(ids(journal.replay()) == std::vector<std::string>{"r0", "r1", "r9"});
  }
}

TEST_CASE("noise in place of a journal gives no records and no trouble") {
  test::temp_dir dir;
  dir.write("ledger-0.journal", std::string(5'000, '\xff'));
  dir.write("ledger-1.journal", std::string("\x01\0\0", 3));
  usage_journal journal{dir.path()};
  CHECK(journal.replay().empty());
  CHECK(journal.bytes() == 0);
}

TEST_CASE("two processes cannot use one journal") {
  test::temp_dir dir;
  usage_journal journal{dir.path()};
  CHECK_THROWS_WITH_AS(usage_journal{dir.path()}, doctest::Contains("data folder of its own"),
                       std::runtime_error);
  CHECK_THROWS_AS(usage_journal{dir.path() + "/none"}, std::runtime_error);
}

TEST_CASE("a journal is read before it is written: nothing is overwritten") {
  test::temp_dir dir;
  {
    usage_journal journal{dir.path()};
    journal.replay();
    CHECK(append(journal, records(0, 2)));
  }
  usage_journal journal{dir.path()};
  CHECK(!append(journal, records(2, 1)));
  CHECK(ids(journal.replay()) == std::vector<std::string>{"r0", "r1"});
  CHECK(append(journal, records(2, 1)));
}

TEST_CASE("what was emptied does not come back behind what is written over it") {
  test::temp_dir dir;
  test::temp_dir killed; // a copy as a killed process leaves it
  {
    usage_journal journal{dir.path()};
    journal.replay();
    append(journal, records(0, 9));
    journal.turn_over();
    journal.turn_over(); // the nine are durable, and their bytes still in the file
    append(journal, records(9, 1));
    for (auto name : {"/ledger-0.journal", "/ledger-1.journal"})
      fs::copy(dir.path() + name, killed.path() + name);
  }
  usage_journal journal{killed.path()};
  CHECK(ids(journal.replay()) == std::vector<std::string>{"r9"});
}

TEST_CASE("a journal grows, and gives the room back") {
  test::temp_dir dir;
  usage_journal journal{dir.path()};
  journal.replay();
  auto record = test::usage_record("r", "p", 1);
  record.set_model(std::string(10'000, 'm'));
  for (int i = 0; i < 1'000; ++i)
    CHECK(journal.append(record));
  CHECK(journal.bytes() > static_cast<std::int64_t>(9 * usage_journal::step_bytes));
  journal.turn_over();
  journal.turn_over();
  CHECK(journal.bytes() == 0);
  std::uintmax_t on_disk = 0;
  for (const auto& entry : fs::directory_iterator(dir.path()))
    on_disk += entry.file_size();
  CHECK(on_disk < 6 * usage_journal::step_bytes);
}

TEST_CASE("a journal that the disk has no room for stays whole") {
  test::temp_dir dir;
  usage_journal journal{dir.path()};
  journal.replay();
  CHECK(append(journal, records(0, 2)));
  auto large = test::usage_record("large", "p", 1);
  large.set_model(std::string(usage_journal::step_bytes, 'm'));
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small{static_cast<rlim_t>(usage_journal::step_bytes), before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  bool kept = journal.append(large);
  ::setrlimit(RLIMIT_FSIZE, &before);
  CHECK(!kept);
  CHECK(append(journal, records(7, 1)));
  CHECK(ids(journal.replay()) == std::vector<std::string>{"r0", "r1", "r7"});
}
