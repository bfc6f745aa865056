// Files that are part of the program; embedded.cpp is made of them by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace troupe::gateway::embedded {

extern const std::string_view openapi_yaml;
extern const std::string_view docs_html;
extern const std::string_view docs_css;
extern const std::string_view docs_js;
extern const std::string_view welcome_html;

} // namespace troupe::gateway::embedded
