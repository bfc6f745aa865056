#include "gateway/api/key_json.hpp"

#include "gateway/api/authenticator.hpp"
#include "gateway/api/json_reader.hpp"

namespace troupe::gateway {

namespace {

using nlohmann::json;

constexpr std::int64_t expires_in_max_s = 10LL * 366 * 86'400;

json time_or_null(std::int64_t us) { return us == 0 ? json(nullptr) : json(us); }

void read_scopes(object_reader& reader, v1::CreateApiKey& out) {
  constexpr std::string_view allowed = "an array of openai, api and admin, each once";
  const auto* scopes = reader.find("scopes");
  if (scopes == nullptr)
    return;
  if (!scopes->is_array() || scopes->empty() || scopes->size() > operator_scopes.size()) {
    reader.must_be("scopes", allowed);
    return;
  }
  for (const auto& scope : *scopes) {
    const auto* name = scope.get_ptr<const std::string*>();
    auto known = name != nullptr
                 && std::find(operator_scopes.begin(), operator_scopes.end(), *name)
                        != operator_scopes.end();
    if (!known
        || std::find(out.scopes().begin(), out.scopes().end(), *name) != out.scopes().end()) {
      reader.must_be("scopes", allowed);
      return;
    }
    out.add_scopes(*name);
  }
}

} // namespace

json to_json(const v1::ApiKey& key) {
  auto scopes = json::array();
  for (const auto& scope : key.scopes())
    scopes.push_back(scope);
  if (scopes.empty())
    scopes = {"openai", "api"};
  return {{"id", key.id()},
          {"name", key.name()},
          {"prefix", key.prefix()},
          {"scopes", std::move(scopes)},
          {"created_us", key.created_us()},
          {"expires_us", time_or_null(key.expires_us())},
          {"revoked_us", time_or_null(key.revoked_us())},
          {"last_used_us", time_or_null(key.last_used_us())}};
}

json to_json(const v1::ApiKeyPage& page) {
  auto list = json::array();
  for (const auto& key : page.keys())
    list.push_back(to_json(key));
  return {{"keys", std::move(list)},
          {"next_cursor", page.next_cursor().empty() ? json(nullptr) : json(page.next_cursor())}};
}

caf::expected<v1::CreateApiKey> read_create_key(std::string_view body, std::int64_t now_us) {
  auto value = parse_json(body);
  if (!value)
    return std::move(value.error());
  object_reader reader{*value};
  v1::CreateApiKey out;
  reader.require("name", "a string of 1 to 128 bytes");
  out.set_name(reader.text("name", 128, 1).value_or(""));
  read_scopes(reader, out);
  if (auto seconds = reader.integer("expires_in_s", 1, expires_in_max_s))
    out.set_expires_us(now_us + *seconds * 1'000'000);
  if (auto err = reader.finish())
    return err;
  return out;
}

} // namespace troupe::gateway
