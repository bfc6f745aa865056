#include "tests/support/nginx.hpp"

#include "tests/support/raw_http.hpp"
#include "tests/support/script_server.hpp"

#include <fstream>
#include <stdexcept>

namespace troupe::test {

namespace {

std::string configuration(const std::string& folder, std::uint16_t port) {
  std::string temporary;
  for (std::string what : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    temporary += "  " + what + "_temp_path " + folder + "/" + what + ";\n";
  return "daemon off;\nmaster_process off;\npid " + folder
         + "/pid;\n"
           "events { worker_connections 256; }\n"
           "http {\n  access_log off;\n"
         + temporary
         + "  client_max_body_size 20m;\n"
           "  large_client_header_buffers 4 32k;\n"
           "  client_header_timeout 1s;\n  client_body_timeout 1s;\n  keepalive_timeout 1s;\n  "
           "lingering_timeout 1s;\n"
           "  server {\n    listen unix:"
         + folder
         + "/upstream;\n    return 200 ok;\n  }\n"
           "  server {\n    listen 127.0.0.1:"
         + std::to_string(port)
         + ";\n"
           "    location / { proxy_pass http://unix:"
         + folder + "/upstream:; }\n  }\n}\n";
}

} // namespace

nginx::nginx() {
  for (int attempt = 0; attempt < 3; ++attempt) {
    port_ = free_port();
    auto file = dir_.write("nginx.conf", configuration(dir_.path(), port_));
    child_.emplace(std::vector<std::string>{"nginx", "-p", dir_.path(), "-c", file, "-e", "stderr"},
                   std::map<std::string, std::string>{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}},
                   dir_.path() + "/log");
    auto answers = [&] {
      return raw_client{port_}.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200;
    };
    if (eventually([&] { return !child_->running() || answers(); }) && child_->running())
      return;
  }
  throw std::runtime_error("nginx does not start (is it installed? apt-get install nginx-light): "
                           + log());
}

std::string nginx::log() const {
  std::ifstream file{dir_.path() + "/log"};
  return {std::istreambuf_iterator<char>{file}, {}};
}

} // namespace troupe::test
