#include "cluster/cli/local.hpp"
#include "cluster/node.hpp"
#include "messages/log.hpp"

namespace troupe::cli {

namespace {

class running_node final : public embedded_node {
public:
  explicit running_node(const config::node_config& config) {
    auto own = config;
    own.gateway.listen = "127.0.0.1:0";
    own.cluster.roles = config::cluster_section{}.roles; // who chats needs all of them
    own.gateway.tls_certificate.clear();
    own.gateway.tls_key.clear();
    own.ops.listen = "127.0.0.1:0";
    own.log.access = false;
    // The terminal belongs to the conversation.
    log_options quiet;
    quiet.level = log_level::error;
    open_log(quiet);
    auto started = node::start(std::move(own), {});
    if (!started)
      throw failure{started.error()};
    node_ = std::move(*started);
    address_ = {node_->url(), node_->ops_url(), node_->token(),
                local_identity(config.node.data_dir)};
  }

  const node_address& address() const override { return address_; }

private:
  std::unique_ptr<node> node_;
  node_address address_;
};

} // namespace

std::unique_ptr<embedded_node> start_embedded_node(const config::node_config& config) {
  return std::make_unique<running_node>(config);
}

} // namespace troupe::cli
