// The corpus: framing of bodies first, then lines and fields, then everything else.
#include "tests/support/hostile_http.hpp"

#include <utility>

namespace troupe::test {

namespace {

using then = hostile_case::then;
using namespace std::string_literals;

const std::string host = "Host: a\r\n";
const std::string last = "Connection: close\r\n";

// A request with these fields (and body), after which the connection goes on.
std::string request(const std::string& fields, const std::string& body = {}) {
  return "GET /healthz HTTP/1.1\r\n" + host + fields + "\r\n" + body;
}

// The same, and another whole one behind it, which must not be served if the first is refused.
std::string and_next(const std::string& fields, const std::string& body = {}) {
  return request(fields, body) + request(last);
}

std::string chunked(const std::string& body) {
  return and_next("Transfer-Encoding: chunked\r\n", body);
}

std::string with_line(const std::string& line) { return line + "\r\n" + host + last + "\r\n"; }

std::string with_path(const std::string& path) { return with_line("GET " + path + " HTTP/1.1"); }

std::string with_hosts(const std::string& fields) {
  return "GET /healthz HTTP/1.1\r\n" + fields + last + "\r\n";
}

std::string many(std::size_t n, const std::string& unit) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i)
    out += unit;
  return out;
}

std::string numbered_fields(int n, std::size_t size) {
  std::string out;
  for (int i = 0; i < n; ++i)
    out += "X-" + std::to_string(i) + ": " + std::string(size, 'v') + "\r\n";
  return out;
}

using cases = std::vector<hostile_case>;

void add_lengths(cases& to) {
  auto length = [&](const std::string& name, const std::string& value, int status) {
    to.push_back({"Content-Length " + name,
                  and_next("Content-Length: " + value + "\r\n", "wxyz"),
                  {status}});
  };
  length("as a list", "4, 4", 400);
  length("as a list of two", "4, 5", 400);
  length("with a plus", "+4", 400);
  length("with a minus", "-4", 400);
  length("with a space inside", "4 4", 400);
  length("with letters behind", "4abc", 400);
  length("in hexadecimal", "0x4", 400);
  length("with a fraction", "4.0", 400);
  length("empty", "", 400);
  length("behind a tab", "\t4", 400);
  length("with a tab behind", "4\t", 400);
  length("behind a vertical tab", "\v4", 400);
  length("in quotes", "\"4\"", 400);
  length("over 2^64", "18446744073709551620", 400);
  length("of 30 digits", std::string(30, '9'), 400);
  length("over the body's limit", "999999999999", 413);
  to.push_back({"Content-Length with leading zeros and spaces around",
                and_next("Content-Length:   0004  \r\n", "wxyz"),
                {200, 200}});
  auto twice = [&](const std::string& name, const std::string& a, const std::string& b) {
    to.push_back({name, and_next(a + "\r\n" + b + "\r\n", "0\r\n\r\n"), {400}});
  };
  std::string four = "Content-Length: 4";
  std::string te = "Transfer-Encoding: chunked";
  twice("the same Content-Length twice", four, four);
  twice("two different Content-Lengths", four, "Content-Length: 5");
  twice("Content-Length in two cases", four, "content-LENGTH: 4");
  twice("Content-Length, then Transfer-Encoding", four, te);
  twice("Transfer-Encoding, then Content-Length", te, four);
  twice("Transfer-Encoding, then Content-Length: 0", te, "Content-Length: 0");
  twice("two Transfer-Encodings", te, te);
  twice("Transfer-Encoding, then another", te, "Transfer-Encoding: identity");
}

void add_encodings(cases& to) {
  auto encoding = [&](const std::string& name, const std::string& field, int status) {
    to.push_back({"Transfer-Encoding " + name, and_next(field + "\r\n", "0\r\n\r\n"), {status}});
  };
  encoding("identity", "Transfer-Encoding: identity", 501);
  encoding("xchunked", "Transfer-Encoding: xchunked", 501);
  encoding("gzip", "Transfer-Encoding: gzip", 501);
  encoding("gzip, chunked", "Transfer-Encoding: gzip, chunked", 400);
  encoding("chunked, identity", "Transfer-Encoding: chunked, identity", 400);
  encoding("chunked twice in a list", "Transfer-Encoding: chunked, chunked", 400);
  encoding("with a comma behind", "Transfer-Encoding: chunked,", 400);
  encoding("with a parameter", "Transfer-Encoding: chunked;q=1", 400);
  encoding("in quotes", "Transfer-Encoding: \"chunked\"", 400);
  encoding("empty", "Transfer-Encoding:", 400);
  encoding("with a tab before the colon", "Transfer-Encoding\t: chunked", 400);
  encoding("with a space before the colon", "Transfer-Encoding : chunked", 400);
  encoding("behind a tab", "Transfer-Encoding:\tchunked", 400);
  encoding("behind a vertical tab", "Transfer-Encoding: \vchunked", 400);
  encoding("behind a NUL", "Transfer-Encoding: \0chunked"s, 400);
  encoding("folded", "Transfer-Encoding:\r\n chunked", 400);
  encoding("behind a bare LF", "X: y\nTransfer-Encoding: chunked", 400);
  encoding("behind a bare CR", "X: y\rTransfer-Encoding: chunked", 400);
  to.push_back({"Transfer-Encoding in mixed case",
                and_next("tRANSFER-eNCODING: CHUNKED\r\n", "0\r\n\r\n"),
                {200, 200}});
  to.push_back({"Transfer-Encoding in HTTP/1.0",
                "GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                {400}});
}

void add_chunk_sizes(cases& to) {
  auto size = [&](const std::string& name, const std::string& line, int status = 400) {
    to.push_back({"chunk size " + name, chunked(line + "\r\nwxyz\r\n0\r\n\r\n"), {status}});
  };
  size("over 2^64", "10000000000000004");
  size("of 2^64 - 1", "FFFFFFFFFFFFFFFF", 413);
  size("over the body's limit", "4000000", 413);
  size("negative", "-4");
  size("with a plus", "+4");
  size("with 0x", "0x4");
  size("not hexadecimal", "g");
  size("missing", "");
  size("only an extension", ";a=b");
  size("behind a space", " 4");
  size("with a space behind", "4 ");
  size("with a tab behind", "4\t");
  size("with another number behind", "4 4");
  size("behind a NUL", "\0004"s);
  size("that ends in a bare CR", "4\r");
  auto ok = [&](const std::string& name, const std::string& body) {
    to.push_back({name, chunked(body), {200, 200}});
  };
  ok("chunks as they should be", "4\r\nwxyz\r\n0A\r\n0123456789\r\n0\r\n\r\n");
  ok("a chunk size with leading zeros", "00000004\r\nwxyz\r\n0000\r\n\r\n");
  ok("a chunk extension", "4;a=b;c\r\nwxyz\r\n0;d\r\n\r\n");
  ok("trailers", "4\r\nwxyz\r\n0\r\nX-Sum: 1\r\nX-End: 2\r\n\r\n");
  ok("ten thousand chunks of a byte", many(10'000, "1\r\nx\r\n") + "0\r\n\r\n");
  to.push_back({"chunks that come byte by byte",
                chunked("4\r\nwxyz\r\n0\r\nX: y\r\n\r\n"),
                {200, 200},
                then::wait,
                true});
}

void add_chunks(cases& to) {
  auto bad = [&](const std::string& name, const std::string& body) {
    to.push_back({name, chunked(body), {400}});
  };
  bad("a chunk without CR LF behind it", "4\r\nwxyz0\r\n\r\n");
  bad("a chunk longer than its size", "4\r\nwxyzwxyz\r\n0\r\n\r\n");
  bad("a chunk shorter than its size", "5\r\nwxyz\r\n0\r\n\r\n");
  bad("a bare LF after a chunk size", "4\nwxyz\r\n0\r\n\r\n");
  bad("a bare LF after a chunk", "4\r\nwxyz\n0\r\n\r\n");
  bad("bare LFs after the last chunk", "4\r\nwxyz\r\n0\n\n");
  bad("a bare LF after the trailers", "0\r\nX: y\r\n\n");
  bad("a bare CR after a chunk", "4\r\nwxyz\r0\r\n\r\n");
  bad("an extension of 8 kB", "4;" + std::string(8'192, 'a') + "\r\nwxyz\r\n0\r\n\r\n");
  bad("extensions of 8 kB in small pieces", many(1'024, "1;aaaaaa=\r\nx\r\n") + "0\r\n\r\n");
  bad("extensions of 8 kB in well-formed pieces", many(1'024, "1;aaaaaa\r\nx\r\n") + "0\r\n\r\n");
  bad("an extension with a bare LF", "4;a\nb\r\nwxyz\r\n0\r\n\r\n");
  bad("an extension with a bare CR", "4;a\rb\r\nwxyz\r\n0\r\n\r\n");
  bad("an extension with a NUL", "4;a=\0b\r\nwxyz\r\n0\r\n\r\n"s);
  bad("an extension whose quotes hold CR LF", "4;a=\"\r\nwxyz\r\n0\r\n\r\n\"\r\n\r\n");
  bad("a last chunk whose quotes hold CR LF", "0;a=\"\r\n\r\n\"\r\n\r\n");
  bad("a trailer without a colon", "0\r\nX\r\n\r\n");
  bad("a trailer with a space before the colon", "0\r\nX : y\r\n\r\n");
  bad("a trailer that is folded", "0\r\nX: y\r\n z\r\n\r\n");
  bad("a trailer with a NUL", "0\r\nX: \0\r\n\r\n"s);
  bad("Content-Length as a trailer", "0\r\nContent-Length: 4\r\n\r\nwxyz");
  bad("Transfer-Encoding as a trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n");
  bad("trailers of 8 kB", "0\r\n" + numbered_fields(80, 100) + "\r\n");
  bad("a request where a chunk should be", request(last));
  hostile_case big{"a chunked body of 64 MB", request("Transfer-Encoding: chunked\r\n"), {413}};
  big.unit = "10000\r\n" + std::string(65'536, 'x') + "\r\n";
  big.units = 1'024;
  to.push_back(std::move(big));
}

void add_lines(cases& to) {
  auto add = [&](const std::string& name, const std::string& bytes, int status = 400) {
    to.push_back({name, bytes, {status}});
  };
  add("bare LFs only", "GET /healthz HTTP/1.1\nHost: a\n\n");
  add("a bare LF after the request line", "GET /healthz HTTP/1.1\n" + host + last + "\r\n");
  add("a bare LF after a field", request("X: y\n" + last));
  add("a bare LF as the end", "GET /healthz HTTP/1.1\r\n" + host + last + "\n");
  add("a bare CR in a value", request("X: y\rz\r\n" + last));
  add("a bare CR in the request line", with_line("GET /healthz\rHTTP/1.1"));
  add("bare CRs only", "GET /healthz HTTP/1.1\rHost: a\r\rX\r\n\r\n");
  add("CR CR LF", "GET /healthz HTTP/1.1\r\r\n" + host + last + "\r\n");
  add("a folded field", request("X: y\r\n z\r\n" + last));
  add("a field folded with a tab", request("X: y\r\n\tz\r\n" + last));
  add("a fold before the first field", "GET /healthz HTTP/1.1\r\n X: y\r\n" + host + last + "\r\n");
  add("a line of spaces", request("  \r\n" + last));
  add("one empty line first", "\r\n" + request(last), 200);
  add("two empty lines first", "\r\n\r\n" + request(last));
  add("an LF first", "\n" + request(last));
  add("a space first", " " + request(last));
  add("a NUL first", "\0"s + request(last));
  auto field = [&](const std::string& name, const std::string& line, int status = 400) {
    add("a field " + name, request(line + "\r\n" + last), status);
  };
  field("with a NUL in its name", "X\0Y: z"s);
  field("with a control character in its name", "X\x01Y: z");
  field("with a space in its name", "X Y: z");
  field("with a space before the colon", "X : z");
  field("with a tab before the colon", "X\t: z");
  field("without a name", ": z");
  field("without a colon", "XYZ");
  field("with @ in its name", "X@Y: z");
  field("with a byte over 127 in its name", "X\xff: z");
  field("with a NUL in its value", "X: y\0z"s);
  field("with a control character in its value", "X: y\x01z");
  field("with an escape in its value", "X: \x1b[2J");
  field("with a DEL in its value", "X: y\x7fz");
  field("with a tab in its value", "X: y\tz", 200);
  field("with bytes over 127 in its value", "X: \xc3\xa9\xff", 200);
  field("without a value", "X:", 200);
  field("of 40 kB", "X: " + std::string(40'000, 'v'), 431);
  add("100 fields", request(numbered_fields(98, 4) + last), 200);
  add("101 fields", request(numbered_fields(99, 4) + last), 431);
  add("5,000 fields", request(numbered_fields(5'000, 1) + last), 431);
  add("40 kB of fields", request(numbered_fields(80, 500) + last), 431);
  add("a head that does not end", "GET /healthz HTTP/1.1\r\nX: " + std::string(200'000, 'v'), 431);
  add("a request line that does not end", "GET /" + std::string(200'000, 'v'), 414);
}

void add_versions(cases& to) {
  auto line = [&](const std::string& name, const std::string& text, int status = 400) {
    to.push_back({name, with_line(text), {status}});
  };
  to.push_back({"HTTP/0.9", "GET /healthz\r\n\r\n", {400}});
  to.push_back({"HTTP/1.0 without Host", "GET /healthz HTTP/1.0\r\n\r\n", {200}});
  to.push_back({"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}});
  line("HTTP/1.2", "GET /healthz HTTP/1.2", 505);
  line("HTTP/2.0", "GET /healthz HTTP/2.0", 505);
  line("HTTP/0.9 with fields", "GET /healthz HTTP/0.9", 505);
  line("HTTP/1.10", "GET /healthz HTTP/1.10");
  line("HTTP/01.1", "GET /healthz HTTP/01.1");
  line("HTTP/1", "GET /healthz HTTP/1");
  line("http/1.1", "GET /healthz http/1.1");
  line("HTTP /1.1", "GET /healthz HTTP /1.1");
  line("HTTPS/1.1", "GET /healthz HTTPS/1.1");
  line("a space behind the version", "GET /healthz HTTP/1.1 ");
  line("something behind the version", "GET /healthz HTTP/1.1 x");
  line("two spaces before the target", "GET  /healthz HTTP/1.1");
  line("two spaces before the version", "GET /healthz  HTTP/1.1");
  line("a tab before the target", "GET\t/healthz HTTP/1.1");
  line("no target", "GET HTTP/1.1");
  line("no method", "/healthz HTTP/1.1");
  line("a method in lower case", "get /healthz HTTP/1.1");
  line("a method in mixed case", "Get /healthz HTTP/1.1");
  line("a method with a NUL", "G\0ET /healthz HTTP/1.1"s);
  line("a method that is no token", "G{T /healthz HTTP/1.1");
  line("a method of 30 letters", std::string(30, 'G') + " /healthz HTTP/1.1");
  line("a method nobody knows", "BREW /healthz HTTP/1.1", 405);
  line("TRACE", "TRACE /healthz HTTP/1.1", 405);
  line("CONNECT", "CONNECT a:443 HTTP/1.1");
  line("CONNECT with a path", "CONNECT /healthz HTTP/1.1", 405);
  line("OPTIONS of everything", "OPTIONS * HTTP/1.1");
}

void add_targets(cases& to) {
  auto path = [&](const std::string& name, const std::string& text, int status = 400) {
    to.push_back({name, with_path(text), {status}});
  };
  path("the whole URL", "http://a/healthz", 200);
  path("the whole URL of another host", "http://b/healthz");
  path("the whole URL with a user", "http://u@a/healthz");
  path("the whole URL with a port the Host has not", "http://a:81/healthz");
  path("the whole URL without a host", "http:///healthz");
  path("the whole URL without a path", "http://a");
  path("the URL of another scheme", "ftp://a/healthz");
  path("a path without its slash", "healthz");
  path("a query without a path", "?x=y");
  path("a fragment", "/healthz#x");
  path("a backslash", "/..\\healthz");
  path("a byte over 127 in the path", "/healthz\xff");
  path("a NUL in the path", "/healthz\0"s);
  path("a percent sign at the end", "/healthz%");
  path("half an escape", "/healthz%4");
  path("an escape that is not hexadecimal", "/healthz%zz");
  path("an escaped NUL", "/healthz%00");
  path("an escaped CR LF", "/healthz%0d%0aX:%20y");
  path("an overlong escape", "/%c0%ae%c0%ae/healthz");
  path("an escape that is no UTF-8", "/healthz%ff");
  path("dots up", "/x/../healthz");
  path("dots up beyond the root", "/../healthz");
  path("dots up at the end", "/healthz/..");
  path("a single dot", "/./healthz");
  path("escaped dots up", "/x/%2e%2e/healthz");
  path("half escaped dots up", "/x/.%2E/healthz");
  path("escaped dots and slash", "/..%2f..%2fetc%2fpasswd", 404);
  path("an escaped slash", "/x%2fhealthz", 404);
  path("a target of 9 kB", "/healthz?" + std::string(9'000, 'x'), 414);
  path("a target of 40 kB", "/healthz?" + std::string(40'000, 'x'), 414);
}

void add_hosts(cases& to) {
  auto hosts = [&](const std::string& name, const std::string& fields, int status = 400) {
    to.push_back({name, with_hosts(fields), {status}});
  };
  hosts("no Host", "");
  hosts("the same Host twice", host + host);
  hosts("two Hosts", host + "hOST: b\r\n");
  hosts("a Host that is empty", "Host:\r\n");
  hosts("a Host with a space", "Host: a b\r\n");
  hosts("a Host with a slash", "Host: a/b\r\n");
  hosts("a Host with a user", "Host: u@a\r\n");
  hosts("a Host that is a list", "Host: a, b\r\n");
  hosts("a Host with letters for a port", "Host: a:http\r\n");
  hosts("a Host with too long a port", "Host: a:9999999\r\n");
  hosts("a Host with two ports", "Host: a:1:2\r\n");
  hosts("a Host whose bracket stays open", "Host: [::1\r\n");
  hosts("a Host with something behind its bracket", "Host: [::1]x\r\n");
  hosts("a Host of 600 letters", "Host: " + std::string(600, 'a') + "\r\n");
  hosts("a Host of IPv6", "Host: [::1]:8080\r\n", 200);
}

void add_upgrades(cases& to) {
  auto fields = [&](const std::string& name, const std::string& text, int status) {
    to.push_back({name, request(text + last), {status}});
  };
  fields("an unknown expectation", "Expect: 200-maybe\r\n", 417);
  fields("two expectations", "Expect: 100-continue\r\nExpect: 100-continue\r\n", 400);
  fields("a Connection that is no list of tokens", "Connection: @(\r\n", 400);
  fields("an upgrade to h2c",
         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
         200);
  fields("a WebSocket where none is",
         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
         200);
  to.push_back({"Expect: 100-continue with its body at once",
                request(last + "Content-Length: 4\r\nExpect: 100-continue\r\n", "wxyz"),
                {200}});
  std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  std::string version = "Sec-WebSocket-Version: 13\r\n";
  std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  auto socket = [&](const std::string& name, const std::string& text, int status = 400,
                    const std::string& line = "GET /ws/onebot/main HTTP/1.1") {
    to.push_back({"a WebSocket " + name, line + "\r\n" + host + text, {status}});
  };
  socket("without its key", upgrade + version + "\r\n");
  socket("with a short key", upgrade + version + "Sec-WebSocket-Key: abc\r\n\r\n");
  socket("with a key that is no base64",
         upgrade + version + "Sec-WebSocket-Key: ????????????????????????\r\n\r\n");
  socket("with two keys", upgrade + version + key + key + "\r\n");
  socket("without its version", upgrade + key + "\r\n");
  socket("of version 12", upgrade + key + "Sec-WebSocket-Version: 12\r\n\r\n");
  socket("without Connection: upgrade", "Upgrade: websocket\r\n" + version + key + last + "\r\n");
  socket("without Upgrade", "Connection: Upgrade, close\r\n" + version + key + "\r\n");
  socket("by POST", upgrade + version + key + last + "\r\n", 405, "POST /ws/onebot/main HTTP/1.1");
  socket("with frames before it is open", upgrade + version + key + "\r\n\x81\x80\x01\x02\x03\x04");
  socket("with a body", upgrade + version + key + last + "Content-Length: 4\r\n\r\nwxyz");
  socket("of an account that is not there", upgrade + version + key + "\r\n", 404,
         "GET /ws/onebot/nobody HTTP/1.1");
  socket("without the account's token", upgrade + version + key + "\r\n", 401);
  socket("of another site's page",
         upgrade + version + key + "Origin: https://evil.example.com\r\n\r\n", 403);
}

void add_other_protocols(cases& to) {
  auto bytes = [&](const std::string& name, std::string text, int status = 400) {
    to.push_back({name, std::move(text), {status}});
  };
  bytes("the ClientHello of TLS",
        "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"s + std::string(160, '\x2a'));
  bytes("the greeting of SSH", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n");
  bytes("a command of Redis", "*1\r\n$4\r\nPING\r\n");
  bytes("RTSP", "OPTIONS rtsp://a/x RTSP/1.0\r\nCSeq: 1\r\n\r\n");
  bytes("the header of a proxy", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + request(last));
  std::string garbage;
  for (std::uint32_t i = 0, x = 12'345; i < 4'096; ++i) {
    x = x * 1'664'525 + 1'013'904'223;
    garbage += static_cast<char>(x >> 24);
  }
  bytes("4 kB of noise", "\x80" + garbage);
  bytes("4 kB of zeros", std::string(4'096, '\0'));
}

void add_streams(cases& to) {
  auto hundred = many(99, request("")) + request(last);
  to.push_back({"100 requests at once", hundred, std::vector<int>(100, 200)});
  to.push_back({"100 requests with bodies at once",
                many(99, request("Content-Length: 4\r\n", "wxyz")) + request(last),
                std::vector<int>(100, 200)});
  to.push_back({"a bad request behind good ones",
                many(3, request("")) + "x" + request(last),
                {200, 200, 200, 400}});
  to.push_back({"a good request byte by byte", request(last), {200}, then::wait, true});
  to.push_back({"an end in the head", "GET /healthz HTT", {}, then::half_close});
  to.push_back(
      {"an end behind the fields", "GET /healthz HTTP/1.1\r\n" + host, {}, then::half_close});
  to.push_back(
      {"an end in the body", request("Content-Length: 4\r\n", "wx"), {}, then::half_close});
  to.push_back({"an end in a chunk",
                request("Transfer-Encoding: chunked\r\n", "4\r\nwx"),
                {},
                then::half_close});
  to.push_back({"an end before the trailers",
                request("Transfer-Encoding: chunked\r\n", "0\r\n"),
                {},
                then::half_close});
  to.push_back({"nothing at all, then an end", "", {}, then::half_close});
  to.push_back({"a close in the head", "GET /healthz HTT", {}, then::close});
  to.push_back({"a close before the answer", request(""), {}, then::close});
  to.push_back({"a close before a hundred answers", hundred, {}, then::close});
  to.push_back({"a reset in the head", "GET /healthz HTT", {}, then::reset});
  to.push_back({"a reset in the body", request("Content-Length: 4\r\n", "wx"), {}, then::reset});
  to.push_back({"a reset before a hundred answers", hundred, {}, then::reset});
  to.push_back({"a head that stops", "GET /healthz HTTP/1.1\r\nHos", {408}});
  to.push_back({"a body that stops", request("Content-Length: 5000\r\n", "wx"), {408}});
  to.push_back(
      {"a chunk that stops", request("Transfer-Encoding: chunked\r\n", "5000\r\nwx"), {408}});
  to.push_back({"a chunk size that stops", request("Transfer-Encoding: chunked\r\n", "5"), {408}});
  to.push_back({"a client that says nothing", "", {}});
}

} // namespace

std::vector<hostile_case> hostile_cases() {
  cases all;
  for (auto add : {add_lengths, add_encodings, add_chunk_sizes, add_chunks, add_lines, add_versions,
                   add_targets, add_hosts, add_upgrades, add_other_protocols, add_streams})
    add(all);
  return all;
}

} // namespace troupe::test
