#include "config/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>
#include <unordered_map>

namespace troupe::config {

namespace {

class view_buffer : public std::streambuf {
public:
  explicit view_buffer(std::string_view text) {
    auto* p = const_cast<char*>(text.data()); // streambuf's interface; never written
    setg(p, p, p + text.size());
  }
};

/// Builds the tree from the parser's events, so that the bounds hold while it grows.
class tree_builder final : public YAML::EventHandler {
public:
  explicit tree_builder(const yaml_limits& limits) : limits_(limits) {}

  yaml_ptr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    put(make(mark, yaml_node::kind::null), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(mark, yaml_node::kind::scalar);
    node->quoted = tag == "!";
    if (!node->quoted && tag != "?" && !tag.empty())
      refuse_tag(mark, tag);
    node->text = value;
    put(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto i = anchors_.find(anchor);
    if (i == anchors_.end())
      fail(mark, "an alias cannot stand inside what it names");
    count(mark, i->second->size);
    check_depth(mark, i->second->height);
    add(i->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, yaml_node::kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, yaml_node::kind::map);
  }
  void OnMapEnd() override { close(); }

private:
  struct level {
    std::shared_ptr<yaml_node> node;
    YAML::anchor_t anchor = 0;
    yaml_ptr key; // of a map: read, and waiting for its value
  };

  [[noreturn]] static void fail(const YAML::Mark& mark, const std::string& text) {
    throw yaml_error(mark.line + 1, mark.column + 1, text);
  }

  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    fail(mark, fmt::format("the tag {} is not supported; write the plain value", tag));
  }

  std::shared_ptr<yaml_node> make(const YAML::Mark& mark, yaml_node::kind type) {
    count(mark, 1);
    auto node = std::make_shared<yaml_node>();
    node->type = type;
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    return node;
  }

  void count(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes_max)
      fail(mark, fmt::format("more than {} values", limits_.nodes_max));
  }

  void check_depth(const YAML::Mark& mark, std::size_t height) {
    if (levels_.size() + height > limits_.depth_max)
      fail(mark, fmt::format("nested deeper than {} levels", limits_.depth_max));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            yaml_node::kind type) {
    if (tag != "?" && tag != "!" && !tag.empty())
      refuse_tag(mark, tag);
    check_depth(mark, 1);
    levels_.push_back({make(mark, type), anchor, nullptr});
  }

  void close() {
    auto done = std::move(levels_.back());
    levels_.pop_back();
    for (const auto& e : done.node->entries) {
      done.node->size += e.node->size + (e.key ? 1 : 0);
      done.node->height = std::max(done.node->height, e.node->height + 1);
    }
    put(std::move(done.node), done.anchor);
  }

  void put(yaml_ptr node, YAML::anchor_t anchor) {
    if (anchor != 0)
      anchors_[anchor] = node;
    add(std::move(node));
  }

  void add(yaml_ptr node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& top = levels_.back();
    if (top.node->type == yaml_node::kind::sequence)
      top.node->entries.push_back({nullptr, std::move(node)});
    else if (!top.key)
      top.key = std::move(node);
    else
      top.node->entries.push_back({std::exchange(top.key, nullptr), std::move(node)});
  }

  const yaml_limits& limits_;
  std::vector<level> levels_;
  std::unordered_map<YAML::anchor_t, yaml_ptr> anchors_;
  std::size_t nodes_ = 0;
  yaml_ptr root_;
};

void check_text(std::string_view text, const yaml_limits& limits) {
  if (text.size() > limits.bytes_max)
    throw yaml_error(1, 1, fmt::format("{} bytes, at most {}", text.size(), limits.bytes_max));
  if (auto nul = text.find('\0'); nul != std::string_view::npos) {
    auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    throw yaml_error(static_cast<int>(line), 1, "a zero byte: this is no text file");
  }
}

} // namespace

yaml_ptr parse_yaml(std::string_view text, const yaml_limits& limits) {
  check_text(text, limits);
  view_buffer buffer{text};
  std::istream in{&buffer};
  tree_builder first{limits};
  try {
    YAML::Parser parser{in};
    if (!parser.HandleNextDocument(first) || !first.root())
      return std::make_shared<yaml_node>();
    tree_builder second{limits};
    if (parser.HandleNextDocument(second) && second.root())
      throw yaml_error(second.root()->line, second.root()->column,
                       "a second document begins here; write one document a file");
  } catch (const YAML::Exception& e) {
    throw yaml_error(e.mark.line + 1, e.mark.column + 1, e.msg);
  }
  return first.root();
}

std::string describe(const yaml_node& node) {
  constexpr std::size_t shown_max = 60;
  switch (node.type) {
    case yaml_node::kind::null:
      return "nothing";
    case yaml_node::kind::sequence:
      return "a list";
    case yaml_node::kind::map:
      return "a map";
    case yaml_node::kind::scalar:
      break;
  }
  if (node.text.size() <= shown_max)
    return fmt::format("`{}`", node.text);
  return fmt::format("`{}...`", std::string_view{node.text}.substr(0, shown_max));
}

} // namespace troupe::config
