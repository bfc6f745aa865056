// nlohmann/json, of which messages/json.cpp makes once what every file that uses it would make
// again. Include it in precompiled headers; elsewhere <nlohmann/json.hpp> is as good.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

// NOLINTBEGIN(bugprone-macro-parentheses): a template cannot be declared in parentheses
#define TROUPE_JSON_PARSER(extern_, ...)                                                           \
  extern_ template class nlohmann::detail::lexer<nlohmann::json, __VA_ARGS__>;                     \
  extern_ template class nlohmann::detail::parser<nlohmann::json, __VA_ARGS__>;                    \
  extern_ template bool nlohmann::detail::parser<nlohmann::json, __VA_ARGS__>::sax_parse_internal( \
      nlohmann::detail::json_sax_dom_parser<nlohmann::json>*);                                     \
  extern_ template bool nlohmann::detail::parser<nlohmann::json, __VA_ARGS__>::sax_parse_internal( \
      nlohmann::detail::json_sax_dom_callback_parser<nlohmann::json>*);

// Text as a std::string, and as a std::string_view or a literal.
#define TROUPE_JSON(extern_)                                                                       \
  extern_ template class nlohmann::basic_json<>;                                                   \
  extern_ template class std::vector<nlohmann::json>;                                              \
  extern_ template class nlohmann::detail::serializer<nlohmann::json>;                             \
  extern_ template class nlohmann::detail::json_sax_dom_parser<nlohmann::json>;                    \
  extern_ template class nlohmann::detail::json_sax_dom_callback_parser<nlohmann::json>;           \
  TROUPE_JSON_PARSER(extern_,                                                                      \
                     nlohmann::detail::iterator_input_adapter<std::string::const_iterator>)        \
  TROUPE_JSON_PARSER(extern_, nlohmann::detail::iterator_input_adapter<const char*>)

// NOLINTEND(bugprone-macro-parentheses)

TROUPE_JSON(extern)
