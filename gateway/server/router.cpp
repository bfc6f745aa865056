#include "gateway/server/router.hpp"

#include "gateway/server/http_checks.hpp"
#include "gateway/server/url.hpp"

#include <algorithm>
#include <deque>
#include <set>
#include <stdexcept>

namespace troupe::gateway {

namespace {

struct route {
  std::string method;
  handler handle;
  route_options options;
};

struct socket_route {
  socket_handler handle;
  route_options options;
};

struct node {
  std::map<std::string, std::unique_ptr<node>, std::less<>> literals;
  std::unique_ptr<node> param; // one segment
  std::unique_ptr<node> rest;  // all that follows
  std::string param_name;      // of this node, if it is a param or rest
  std::vector<route*> routes;
  socket_route* socket = nullptr;
};

std::string_view first_segment(std::string_view path) {
  if (path.starts_with('/'))
    path.remove_prefix(1);
  return path.substr(0, std::min(path.find('/'), path.size()));
}

using params = std::vector<std::pair<std::string, std::string>>;

[[noreturn]] void refuse(std::string_view pattern, std::string_view why) {
  throw std::invalid_argument("route " + std::string{pattern} + ": " + std::string{why});
}

bool usable(const node& n) { return !n.routes.empty() || n.socket != nullptr; }

// Literals before parameters before the rest; goes back where a choice led nowhere.
const node* descend(const node& at, std::string_view path, params& found) {
  if (path.empty())
    return usable(at) ? &at : nullptr;
  auto inner = path.substr(1);
  auto end = std::min(inner.find('/'), inner.size());
  auto segment = percent_decode(inner.substr(0, end));
  auto after = inner.substr(end);
  if (!segment)
    return nullptr;
  if (auto i = at.literals.find(*segment); i != at.literals.end())
    if (auto* hit = descend(*i->second, after, found))
      return hit;
  if (at.param && !segment->empty()) {
    found.emplace_back(at.param->param_name, *segment);
    if (auto* hit = descend(*at.param, after, found))
      return hit;
    found.pop_back();
  }
  if (at.rest && usable(*at.rest)) {
    if (auto all = percent_decode(inner)) {
      found.emplace_back(at.rest->param_name, std::move(*all));
      return at.rest.get();
    }
  }
  return nullptr;
}

} // namespace

struct router::impl {
  node root;
  // Patterns without parameters: a path that is one needs no descent.
  std::map<std::string, const node*, std::less<>> plain;
  std::deque<route> routes;
  std::deque<socket_route> sockets;
  std::set<std::string, std::less<>> openai; // first segments with routes of that kind

  node& child(node& at, std::string_view pattern, std::string_view segment, bool last) {
    if (!segment.starts_with('{')) {
      if (segment.find_first_of("{}*%") != segment.npos)
        refuse(pattern, "a segment is either text or {name}");
      auto& made = at.literals[std::string{segment}];
      if (!made)
        made = std::make_unique<node>();
      return *made;
    }
    bool rest = segment.ends_with("*}");
    if (segment.size() < (rest ? 4u : 3u) || !segment.ends_with('}'))
      refuse(pattern, "a parameter is {name} or, at the end, {name*}");
    auto name = segment.substr(1, segment.size() - (rest ? 3 : 2));
    if (!is_token(name) || name.find_first_of("{}*") != name.npos)
      refuse(pattern, "a parameter's name has letters, digits and _");
    if (rest && !last)
      refuse(pattern, "{name*} may only be at the end");
    auto& made = rest ? at.rest : at.param;
    if (!made) {
      made = std::make_unique<node>();
      made->param_name = name;
    } else if (made->param_name != name) {
      refuse(pattern, "another route calls this parameter {" + made->param_name + "}");
    }
    return *made;
  }

  node& place(std::string_view pattern) {
    if (!pattern.starts_with('/'))
      refuse(pattern, "must start with /");
    auto* at = &root;
    for (auto path = pattern; !path.empty();) {
      path.remove_prefix(1);
      auto end = std::min(path.find('/'), path.size());
      auto segment = path.substr(0, end);
      path.remove_prefix(end);
      if (segment.empty() && (pattern.size() > 1 || !path.empty()))
        refuse(pattern, "has an empty segment");
      at = &child(*at, pattern, segment, path.empty());
    }
    if (pattern.find('{') == pattern.npos)
      plain.emplace(pattern, at);
    return *at;
  }
};

router::router() : impl_(std::make_unique<impl>()) {}
router::~router() = default;
router::router(router&&) noexcept = default;
router& router::operator=(router&&) noexcept = default;

void router::add(std::string_view method, std::string_view pattern, handler handle,
                 route_options options) {
  if (!is_token(method) || !handle)
    refuse(pattern, "needs a method and a handler");
  auto& at = impl_->place(pattern);
  for (const auto* r : at.routes)
    if (r->method == method)
      refuse(pattern, "is there already for " + std::string{method});
  if (options.name.empty())
    options.name = pattern;
  if (options.openai_errors)
    impl_->openai.emplace(first_segment(pattern));
  impl_->routes.push_back({std::string{method}, std::move(handle), std::move(options)});
  at.routes.push_back(&impl_->routes.back());
}

void router::add_socket(std::string_view pattern, socket_handler handle) {
  if (!handle.open || !handle.frame || !handle.closed)
    refuse(pattern, "needs all three functions of a socket");
  auto& at = impl_->place(pattern);
  if (at.socket)
    refuse(pattern, "is there already for sockets");
  impl_->sockets.push_back({std::move(handle), {}});
  at.socket = &impl_->sockets.back();
  at.socket->options.name = pattern;
}

router::match router::find(std::string_view method, std::string_view path) const {
  match found;
  if (!path.starts_with('/'))
    return found;
  auto plain = impl_->plain.find(path);
  const auto* at =
      plain != impl_->plain.end() ? plain->second : descend(impl_->root, path, found.params);
  if (at == nullptr)
    return found;
  if (at->socket != nullptr) {
    found.socket = &at->socket->handle;
    found.options = &at->socket->options;
  }
  const route* get = nullptr;
  for (const auto* r : at->routes) {
    if (r->method == "GET")
      get = r;
    if (r->method == method) {
      found.handle = &r->handle;
      found.options = &r->options;
      return found;
    }
  }
  if (method == "HEAD" && get != nullptr) {
    found.handle = &get->handle;
    found.options = &get->options;
    return found;
  }
  for (const auto* r : at->routes) {
    found.allowed.push_back(r->method);
    found.options = &r->options;
  }
  if (found.socket != nullptr && get == nullptr)
    found.allowed.push_back("GET");
  if (get != nullptr)
    found.allowed.push_back("HEAD");
  if (!found.allowed.empty())
    found.allowed.push_back("OPTIONS");
  std::sort(found.allowed.begin(), found.allowed.end());
  return found;
}

std::vector<const route_options*> router::all() const {
  std::vector<const route_options*> out;
  for (const auto& r : impl_->routes)
    out.push_back(&r.options);
  for (const auto& s : impl_->sockets)
    out.push_back(&s.options);
  return out;
}

bool router::owns(std::string_view path) const {
  auto first = first_segment(path);
  return !first.empty() && impl_->root.literals.contains(first);
}

bool router::openai_errors(std::string_view path) const {
  return impl_->openai.contains(first_segment(path));
}

} // namespace troupe::gateway
