#include "cluster/cli/local.hpp"

#include "cluster/node_files.hpp"
#include "gateway/api/key_json.hpp"
#include "messages/clock.hpp"
#include "messages/id.hpp"
#include "persistence/commands.hpp"
#include "persistence/open.hpp"

namespace troupe::cli {

namespace {

using nlohmann::json;
namespace sql = persistence;

class rest_keys final : public key_service {
public:
  explicit rest_keys(const node_address& node) : client_(node.url, node.key) {}

  json create(const json& request) override { return client_.post("/api/v1/keys", request); }

  json list(const std::string& cursor) override {
    http_client::query query{{"limit", "200"}};
    if (!cursor.empty())
      query.emplace_back("cursor", cursor);
    return client_.get("/api/v1/keys", query);
  }

  json revoke(const std::string& id) override {
    return client_.del("/api/v1/keys/" + url_encode(id));
  }

private:
  http_client client_;
};

class database_keys final : public key_service {
public:
  explicit database_keys(const config::node_config& config) {
    if (auto err = prepare_data_dir(config.node.data_dir))
      throw failure(err);
    run([&] {
      factory_ = sql::make_database_factory(config);
      sql::prepare_database(*factory_, now_us());
      database_ = factory_->open(sql::access::write);
    });
  }

  json create(const json& request) override {
    auto command = gateway::read_create_key(request.dump(), now_us());
    if (!command)
      throw failure(command.error());
    json out;
    in_transaction(sql::access::write, [&] {
      auto made = sql::create_api_key(*database_, *command, {now_us()});
      out = gateway::to_json(made.key());
      out["secret"] = made.secret();
    });
    return out;
  }

  json list(const std::string& cursor) override {
    v1::ListApiKeys query;
    query.set_limit(200);
    query.set_cursor(cursor);
    json out;
    in_transaction(sql::access::read, [&] {
      out = gateway::to_json(sql::list_api_keys(*database_, query, {now_us()}));
    });
    return out;
  }

  json revoke(const std::string& id) override {
    if (!is_id(id))
      throw failure("no such key: " + id);
    v1::RevokeApiKey command;
    command.set_id(id);
    in_transaction(sql::access::write,
                   [&] { sql::revoke_api_key(*database_, command, {now_us()}); });
    return {{"id", id}, {"revoked", true}};
  }

private:
  static std::int64_t now_us() { return system_clock()->now_us(); }

  template <class Work>
  static void run(Work work) {
    try {
      work();
    } catch (const sql::failure& e) {
      throw failure(e.what(), info(e.code).exit_code);
    }
  }

  template <class Work>
  void in_transaction(sql::access mode, Work work) {
    run([&] {
      sql::unit_of_work unit{*database_, mode};
      work();
      unit.commit();
    });
  }

  sql::database_factory_ptr factory_;
  std::unique_ptr<sql::database> database_;
};

} // namespace

std::unique_ptr<key_service> remote_keys(const node_address& node) {
  return std::make_unique<rest_keys>(node);
}

std::unique_ptr<key_service> local_keys(const config::node_config& config) {
  return std::make_unique<database_keys>(config);
}

} // namespace troupe::cli
