// `troupe db`, as an operator runs it.
#include "persistence/commands.hpp"
#include "persistence/migration.hpp"
#include "persistence/soci/sqlite.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/process.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

using namespace troupe;
using namespace troupe::persistence;
namespace fs = std::filesystem;

namespace {

struct outcome {
  int code = -1;
  std::string text;
  bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
  nlohmann::json json() const { return nlohmann::json::parse(text); }
};

struct data_folder {
  test::temp_dir dir;
  std::string path = dir.path() + "/data";
  std::string database = path + "/troupe.db";
  std::map<std::string, std::string> environment;
  int calls = 0;

  outcome db(std::vector<std::string> arguments) {
    std::vector<std::string> command{test::troupe_binary(), "db"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.insert(command.end(), {"--set", "node.data_dir=" + path, "--set", "log.level=off"});
    auto log = dir.path() + "/out" + std::to_string(++calls);
    test::process child{command, environment, log};
    auto code = child.wait(std::chrono::seconds{30});
    std::ifstream in{log};
    std::stringstream text;
    text << in.rdbuf();
    std::string out;
    for (std::string line; std::getline(text, line);)
      if (line.find(" info ") == std::string::npos) // the log goes to the same file here
        out += line + "\n";
    return {code.value_or(-1), out};
  }

  void talk(const std::string& conversation, int turns) {
    auto db = open_sqlite(database, access::write);
    for (int i = 0; i < turns; ++i) {
      unit_of_work unit{*db, access::write};
      auto turn = test::new_turn(conversation, "x");
      accept_turn(*db, turn, {1});
      advance_turn(*db, test::finish_turn(turn, "y"), {1});
      unit.commit();
    }
  }

  std::int64_t messages(const std::string& conversation) {
    auto found = open_sqlite(database, access::read)->conversations().find(conversation);
    return found ? found->message_count() : -1;
  }
};

void damage_middle_of(const std::string& path) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  auto size = static_cast<std::streamoff>(fs::file_size(path));
  std::string noise(8'192, '\x5a');
  for (auto at = size / 3 / 4'096 * 4'096; at + 8'192 < size; at += 16'384) {
    file.seekp(at);
    file.write(noise.data(), static_cast<std::streamsize>(noise.size()));
  }
}

} // namespace

TEST_CASE("troupe db makes a database, looks at it and finds it sound") {
  data_folder f;
  auto status = f.db({"status", "--json"});
  CHECK(status.code == 0);
  CHECK(status.json().at("exists") == false);
  auto missing = f.db({"check"});
  CHECK(missing.code == 1);
  CHECK(missing.says("troupe db migrate"));
  auto made = f.db({"migrate", "--json"});
  CHECK(made.code == 0);
  CHECK(made.json().at("ran").size() == migrations().size());
  CHECK(f.db({"migrate"}).says("already"));
  struct stat info {};
  REQUIRE(::stat(f.database.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  f.talk("c1", 3);
  CHECK(f.db({"check"}).text == "the database is sound\n");
  CHECK(f.db({"check", "--json"}).json().at("ok") == true);
  status = f.db({"status", "--json"});
  CHECK(status.json().at("schema_version") == migrations().back().version);
  CHECK(status.json().at("in_use") == false);
  CHECK(f.db({"status"}).says("schema version"));
}

TEST_CASE("troupe db says how it is used") {
  data_folder f;
  CHECK(f.db({}).code == 2);
  CHECK(f.db({"backup"}).code == 2);
  CHECK(f.db({"polish"}).code == 2);
  auto help = f.db({"--help"});
  CHECK(help.code == 0);
  CHECK(help.says("restore"));
  auto other = f.db({"migrate", "--set", "store.backend=oracle"});
  CHECK(other.code != 0);
}

TEST_CASE("a backup is made while the database is in use, and is restored when it is not") {
  data_folder f;
  f.db({"migrate"});
  f.talk("c1", 3);
  auto backup = f.dir.path() + "/backup.db";
  std::optional<database_factory_ptr> node = make_sqlite_factory(f.database);
  auto connection = (*node)->open(access::write);
  CHECK(f.db({"status", "--json"}).json().at("in_use") == true);
  auto made = f.db({"backup", backup, "--json"});
  CHECK(made.code == 0);
  CHECK(made.json().at("bytes").get<int>() > 0);
  CHECK(!fs::exists(backup + ".partial"));
  CHECK(!fs::exists(backup + "-wal"));
  CHECK(f.db({"backup", backup}).says("name a new file"));
  f.talk("c1", 2);
  CHECK(f.messages("c1") == 10);
  auto refused = f.db({"restore", backup});
  CHECK(refused.code == 1);
  CHECK(refused.says("stop it first"));
  CHECK(f.messages("c1") == 10);
  connection.reset();
  node.reset();
  auto restored = f.db({"restore", backup, "--json"});
  CHECK(restored.code == 0);
  CHECK(f.messages("c1") == 6);
  CHECK(f.db({"check"}).code == 0);
  // The old one is whole.
  auto kept = restored.json().at("kept").get<std::string>();
  CHECK(open_sqlite(kept, access::read)->conversations().find("c1")->message_count() == 10);
}

TEST_CASE("a restore refuses what is no good and leaves the database alone") {
  data_folder f;
  f.db({"migrate"});
  f.talk("c1", 200);
  auto backup = f.dir.path() + "/backup.db";
  CHECK(f.db({"backup", backup}).code == 0);
  CHECK(f.db({"restore", f.dir.path() + "/none.db"}).says("there is no file"));
  auto text = f.dir.write("text.db", "this is no database");
  CHECK(f.db({"restore", text}).code == 1);
  auto foreign = f.dir.path() + "/foreign.db";
  open_sqlite(foreign, access::write);
  CHECK(f.db({"restore", foreign}).says("no database of Troupe"));
  auto later = f.dir.path() + "/later.db";
  fs::copy_file(backup, later);
  {
    auto newer = open_sqlite(later, access::write);
    migrate_options options;
    options.set = migrations();
    options.set.push_back(make_migration("9999_later.sql", "CREATE TABLE later (x {int});\n"));
    migrate(*newer, options);
  }
  CHECK(f.db({"restore", later}).says("newer"));
  damage_middle_of(backup);
  auto refused = f.db({"restore", backup});
  CAPTURE(refused.text);
  CHECK(refused.code == 1);
  CHECK(f.messages("c1") == 400);
  CHECK(f.db({"check"}).code == 0);
  for (const auto& entry : fs::directory_iterator(f.path))
    CHECK(entry.path().string().find("restor") == std::string::npos);
}

TEST_CASE("check finds damage, and a restore gets over it") {
  data_folder f;
  f.db({"migrate"});
  f.talk("c1", 200);
  auto backup = f.dir.path() + "/backup.db";
  f.db({"backup", backup});
  damage_middle_of(f.database);
  auto found = f.db({"check"});
  CHECK(found.code == 1);
  CHECK(found.says("integrity"));
  CHECK(f.db({"backup", f.dir.path() + "/other.db"}).code == 1);
  CHECK(!fs::exists(f.dir.path() + "/other.db"));
  CHECK(f.db({"restore", backup}).code == 0);
  CHECK(f.db({"check"}).code == 0);
  CHECK(f.messages("c1") == 400);
}

TEST_CASE("check finds each broken invariant") {
  struct planted {
    const char* name;
    const char* sql;
  };
  const planted all[] = {
      {"finished_turn_has_reply", "UPDATE turns SET reply_id = 'nowhere'"},
      {"turn_has_message", "UPDATE turns SET message_id = 'nowhere'"},
      {"leaf_in_conversation", "UPDATE conversations SET leaf_id = 'nowhere'"},
      {"message_count", "UPDATE conversations SET message_count = 7"},
      {"parent_in_conversation",
       "UPDATE messages SET parent_id = (SELECT leaf_id FROM conversations WHERE id = 'c2') "
       "WHERE conversation_id = 'c1'"},
      {"foreign_keys", "PRAGMA foreign_keys = OFF; DELETE FROM conversations WHERE id = 'c2'"},
      {"schema", "UPDATE schema_migrations SET finished_us = 0"},
  };
  for (const auto& plant : all) {
    CAPTURE(plant.name);
    data_folder f;
    f.db({"migrate"});
    f.talk("c1", 2);
    f.talk("c2", 2);
    auto db = open_sqlite(f.database, access::write);
    std::stringstream statements{plant.sql};
    for (std::string one; std::getline(statements, one, ';');)
      db->schema().execute(one);
    auto found = f.db({"check", "--json"});
    CHECK(found.code == 1);
    CHECK_MESSAGE(found.says(plant.name), found.text);
  }
}

TEST_CASE("troupe db works on a database server, and says who makes its backups") {
  std::string backend;
  SUBCASE("PostgreSQL") { backend = "postgresql"; }
  SUBCASE("MariaDB") { backend = "mysql"; }
  data_folder f;
  test::empty_database place{backend};
  auto db = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"--set", "store.backend=" + backend, "--set", "store.url=" + place.url()});
    auto out = f.db(std::move(arguments));
    CHECK(!out.says("secret"));
    return out;
  };
  CHECK(db({"status", "--json"}).json().at("exists") == false);
  auto missing = db({"check"});
  CHECK(missing.code == 1);
  CHECK(missing.says("troupe db migrate"));
  CHECK(db({"migrate", "--json"}).json().at("ran").size() == migrations().size());
  CHECK(db({"migrate"}).says("already"));
  CHECK(db({"check"}).text == "the database is sound\n");
  auto status = db({"status", "--json"}).json();
  CHECK(status.at("backend") == backend);
  CHECK(status.at("schema_version") == migrations().back().version);
  CHECK(status.at("bytes").get<int>() > 0);
  CHECK(status.at("in_use") == false);
  auto node = place.connect()->open(access::write);
  CHECK(db({"status", "--json"}).json().at("in_use") == true);
  auto backup = db({"backup", f.dir.path() + "/copy"});
  CHECK(backup.code == 1);
  CHECK(backup.says(backend == "mysql" ? "mariadb-dump" : "pg_dump"));
  CHECK(db({"restore", f.dir.path() + "/copy"})
            .says(backend == "mysql" ? "mariadb <database>" : "pg_restore"));
  node->schema().execute("UPDATE schema_migrations SET finished_us = 0");
  CHECK(db({"check"}).says("schema"));
}

TEST_CASE("without its module PostgreSQL is refused, and all else works") {
  data_folder f;
  f.dir.write("libtroupe_postgresql.so", "no module");
  f.environment["TROUPE_MODULES"] = f.dir.path();
  auto refused = f.db({"status", "--set", "store.backend=postgresql", "--set",
                       "store.url=postgresql://troupe:secret@127.0.0.1/troupe"});
  CHECK(refused.code == 1);
  CHECK_MESSAGE(refused.says("libtroupe_postgresql.so cannot be used"), refused.text);
  CHECK(!refused.says("secret"));
  CHECK(f.db({"migrate"}).code == 0);
}
