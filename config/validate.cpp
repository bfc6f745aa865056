#include "config/validate.hpp"

#include "config/forms.hpp"
#include "config/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace troupe::config {

namespace {

class validator {
public:
  validator(const node_config& config, const origins& where) : config_(config), where_(where) {}

  std::vector<problem> run() {
    for (const auto& s : sections())
      for (std::size_t i = 0; i < s.count(config_); ++i)
        for (const auto& key : s.keys)
          check_key(key, i, key_path(s, i, key));
    check_cluster();
    check_gateway();
    check_store();
    check_upstreams();
    check_sessions();
    check_channels();
    return std::move(found_);
  }

private:
  void complain(const std::string& key, std::string text) {
    auto i = where_.find(key);
    found_.push_back({i == where_.end() ? std::string{} : i->second, key, std::move(text)});
  }

  void check_key(const key_info& key, std::size_t index, const std::string& path) {
    auto v = read(key, config_, index);
    if (const auto* number = std::get_if<std::int64_t>(&v)) {
      if (*number < key.min || *number > key.max)
        complain(path, fmt::format("{} is out of range; expects {}", *number, limits(key)));
    } else if (const auto* text = std::get_if<std::string>(&v)) {
      check_text(key, path, *text);
    } else if (const auto* list = std::get_if<std::vector<std::string>>(&v)) {
      for (std::size_t i = 0; i < list->size(); ++i)
        check_item(key, path, i, (*list)[i]);
    }
  }

  void check_text(const key_info& key, const std::string& path, const std::string& text) {
    const auto& allowed = key.allowed;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), text) == allowed.end())
      complain(path, fmt::format("`{}` is not known; expects {}", text, limits(key)));
    if (key.check == nullptr)
      return;
    if (auto wrong = key.check(text); !wrong.empty())
      complain(path, wrong);
  }

  void check_item(const key_info& key, const std::string& path, std::size_t i,
                  const std::string& text) {
    auto item = fmt::format("{}.{}", path, i);
    const auto& place = where_.contains(item) ? item : path;
    if (text.empty())
      complain(place, fmt::format("item {} is empty", i));
    else if (auto wrong = key.check == nullptr ? std::string{} : key.check(text); !wrong.empty())
      complain(place, fmt::format("item {}, `{}`: {}", i, text, wrong));
  }

  bool has_role(std::string_view role) const {
    const auto& roles = config_.cluster.roles;
    return std::find(roles.begin(), roles.end(), role) != roles.end();
  }

  void check_cluster() {
    const auto& c = config_.cluster;
    bool any = !c.ca.empty() || !c.certificate.empty() || !c.key.empty();
    bool all = !c.ca.empty() && !c.certificate.empty() && !c.key.empty();
    if (any && !all)
      complain("cluster.ca", "needs cluster.certificate and cluster.key as well; give all or none");
    auto listen = parse_listen(c.listen);
    if (!all && listen && !is_loopback(listen->host))
      complain("cluster.listen",
               fmt::format("{} is not loopback: node links beyond this machine need cluster.ca, "
                           "cluster.certificate and cluster.key (`troupe cluster ca init`)",
                           c.listen));
    if (config_.store.backend == "sqlite" && listen && !is_loopback(listen->host))
      complain("cluster.listen",
               fmt::format("{} is not loopback, but SQLite serves the nodes of one machine only: a "
                           "cluster over hosts needs a database server, see store.backend",
                           c.listen));
    if (c.roles.empty())
      complain("cluster.roles", "a node needs at least one role");
    if (has_role("channel") && !has_role("gateway") && !config_.channels.onebot.empty())
      complain("cluster.roles", "OneBot accounts are dialled at the public port: a node with the "
                                "role channel and accounts needs the role gateway as well");
    if (c.suspect_ms < c.lease_ms / 4 || c.suspect_ms > c.lease_ms)
      complain("cluster.suspect_ms", "expects a quarter of cluster.lease_ms up to all of it");
  }

  void check_gateway() {
    const auto& g = config_.gateway;
    if (g.tls_certificate.empty() != g.tls_key.empty()) {
      auto missing = g.tls_key.empty() ? "gateway.tls_key" : "gateway.tls_certificate";
      auto given = g.tls_key.empty() ? "gateway.tls_certificate" : "gateway.tls_key";
      complain(given, fmt::format("needs {} as well; give both or neither", missing));
    }
    auto listen = parse_listen(g.listen);
    if (!config_.keys.required && listen && !is_loopback(listen->host))
      complain("keys.required",
               fmt::format("false is for loopback only, but gateway.listen is {}; make it true, or "
                           "listen on 127.0.0.1",
                           g.listen));
    auto ops = parse_listen(config_.ops.listen);
    if (listen && ops && listen->port != 0 && listen->port == ops->port
        && listen->host == ops->host)
      complain("ops.listen", fmt::format("is the same as gateway.listen, {}", g.listen));
    if (g.static_dir.find('\0') != std::string::npos)
      complain("gateway.static_dir", "contains a zero byte");
  }

  /// The texts say nothing of the URL: it holds a password.
  void check_store() {
    const auto& [backend, url] = std::tie(config_.store.backend, config_.store.url);
    auto scheme = std::string_view{url}.substr(0, url.find("://"));
    if (scheme.size() == url.size())
      scheme = {};
    // Of the backend that the URL is of.
    std::string_view of;
    if (scheme == "postgresql" || scheme == "postgres")
      of = "postgresql";
    else if (scheme == "mysql" || scheme == "mariadb")
      of = "mysql";
    if (!of.empty() && of != backend)
      return complain("store.url",
                      fmt::format("is of another database; set store.backend to {}", of));
    if (backend == "sqlite" && !scheme.empty() && scheme != "sqlite")
      complain("store.url", "is no file; SQLite has a path, or nothing");
    // libpq has key=value pairs besides.
    bool pairs = backend == "postgresql" && scheme.empty() && url.find('=') != std::string::npos;
    if (backend == "sqlite" || !of.empty() || pairs)
      return;
    auto expected = backend == "mysql" ? "mysql://user:password@host:3306/database"
                                       : "postgresql://user:password@host:5432/database";
    complain("store.url", url.empty()
                              ? fmt::format("is needed, such as {}", expected)
                              : fmt::format("is no address of {}; expects {}", backend, expected));
  }

  void check_upstreams() {
    std::set<std::string> names;
    for (std::size_t i = 0; i < config_.upstreams.size(); ++i) {
      const auto& u = config_.upstreams[i];
      auto path = [&](std::string_view key) { return fmt::format("upstreams.{}.{}", i, key); };
      if (!u.name.empty() && !names.insert(u.name).second)
        complain(path("name"), fmt::format("`{}` is the name of another upstream too", u.name));
      if (u.dialect != "demo" && u.base_url.empty())
        complain(path("base_url"), "is needed, such as https://api.openai.com/v1");
      if (u.dialect != "demo" && u.base_url.starts_with("demo:"))
        complain(path("base_url"), "is for dialect demo only");
      if (u.total_limit_ms < u.connect_limit_ms)
        complain(path("total_limit_ms"), "is shorter than connect_limit_ms");
      for (const auto& [ours, theirs] : u.model_map)
        if (ours.empty() || theirs.empty())
          complain(path("model_map"), "has an empty name in it");
    }
    for (std::size_t i = 0; i < config_.models.size(); ++i)
      if (config_.models[i].name.empty())
        complain(fmt::format("models.{}.name", i), "is needed, such as gpt-4o*");
  }

  bool is_served(const std::string& model) const {
    return std::any_of(config_.upstreams.begin(), config_.upstreams.end(), [&](const auto& u) {
      return u.models.empty() || std::any_of(u.models.begin(), u.models.end(), [&](auto& pattern) {
               return matches(pattern, model);
             });
    });
  }

  void check_model(const std::string& key, const std::string& model) {
    if (!model.empty() && !config_.upstreams.empty() && !is_served(model))
      complain(key, fmt::format("no upstream serves `{}`; add it to the `models:` of one", model));
  }

  void check_sessions() {
    const auto& s = config_.session;
    check_model("session.default_model", s.default_model);
    if (s.context_tokens_max != 0 && s.context_tokens_max <= s.reply_tokens_reserved)
      complain(
          "session.context_tokens_max",
          fmt::format("leaves nothing beside reply_tokens_reserved, {}", s.reply_tokens_reserved));
  }

  void check_channels() {
    std::set<std::string> accounts;
    const auto& all = config_.channels.onebot;
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto path = [&](std::string_view key) {
        return fmt::format("channels.onebot.{}.{}", i, key);
      };
      if (!all[i].account.empty() && !accounts.insert(all[i].account).second)
        complain(path("account"), fmt::format("`{}` is given to two accounts", all[i].account));
      check_model(path("model"), all[i].model);
      auto listen = parse_listen(config_.gateway.listen);
      if (all[i].access_token.empty() && listen && !is_loopback(listen->host))
        complain(path("access_token"),
                 "is needed when gateway.listen is not on loopback: anyone could connect");
    }
    const auto& o = config_.channels.outbox;
    if (o.backoff_first_ms > o.backoff_max_ms)
      complain("channels.outbox.backoff_first_ms", "is longer than backoff_max_ms");
  }

  const node_config& config_;
  const origins& where_;
  std::vector<problem> found_;
};

} // namespace

std::vector<problem> validate(const node_config& config, const origins& where) {
  return validator{config, where}.run();
}

} // namespace troupe::config
