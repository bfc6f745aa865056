#include "gateway/api/openapi.hpp"

#include "gateway/api/embedded.hpp"
#include "gateway/api/json_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>

namespace troupe::gateway {

namespace {

using nlohmann::json;

template <class Number>
bool reads_whole(const std::string& text, Number& out) {
  const auto* end = text.data() + text.size();
  auto [stop, fault] = std::from_chars(text.data(), end, out);
  return fault == std::errc{} && stop == end;
}

json scalar_to_json(const YAML::Node& node) {
  const auto& text = node.Scalar();
  if (node.Tag() == "!") // quoted
    return text;
  if (text == "null" || text == "~" || text.empty())
    return nullptr;
  if (text == "true" || text == "false")
    return text == "true";
  std::int64_t integer = 0;
  if (reads_whole(text, integer))
    return integer;
  double number = 0;
  if (text.find_first_not_of("+-.eE0123456789") == std::string::npos && reads_whole(text, number))
    return number;
  return text;
}

json node_to_json(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      auto out = json::object();
      for (const auto& entry : node)
        out[entry.first.Scalar()] = node_to_json(entry.second);
      return out;
    }
    case YAML::NodeType::Sequence: {
      auto out = json::array();
      for (const auto& entry : node)
        out.push_back(node_to_json(entry));
      return out;
    }
    case YAML::NodeType::Scalar:
      return scalar_to_json(node);
    default:
      return nullptr;
  }
}

} // namespace

json yaml_to_json(std::string_view yaml) { return node_to_json(YAML::Load(std::string{yaml})); }

const std::string& openapi_json() {
  static const std::string text = [] {
    auto document = yaml_to_json(embedded::openapi_yaml);
    document["info"]["version"] = TROUPE_VERSION;
    return dump_json(document);
  }();
  return text;
}

} // namespace troupe::gateway
