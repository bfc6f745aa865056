#include "gateway/server/static_files.hpp"

#include "gateway/server/file_folder.hpp"
#include "gateway/server/replies.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>

namespace troupe::gateway {

namespace {

constexpr std::size_t piece_bytes = 65'536;
constexpr std::int64_t waiting_max = 1'024; // for the pool

constexpr std::array<std::pair<std::string_view, std::string_view>, 24> types{{
    {"html", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"xml", "application/xml"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"yaml", "application/yaml"},
}};

std::string_view type_of(std::string_view path) {
  auto name = path.substr(path.rfind('/') + 1);
  auto dot = name.rfind('.');
  for (const auto& [extension, type] : types)
    if (dot != name.npos && name.substr(dot + 1) == extension)
      return type;
  return "application/octet-stream";
}

bool has_etag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    auto end = std::min(list.find(','), list.size());
    auto one = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    one.remove_prefix(std::min(one.find_first_not_of(" \t"), one.size()));
    one = one.substr(0, one.find_last_not_of(" \t") + 1);
    if (one.starts_with("W/"))
      one.remove_prefix(2);
    if (one == etag || one == "*")
      return true;
  }
  return false;
}

bool names_no_file(std::string_view path) {
  return path.substr(path.rfind('/') + 1).find('.') == path.npos;
}

} // namespace

struct static_files::impl {
  explicit impl(std::string path) : folder(std::move(path)) {}
  ~impl() { pool.join(); }

  // Runs `f` on the pool and comes back to the shard with what it gives.
  template <class F, class T = std::invoke_result_t<F>>
  asio::awaitable<T> away(F f) {
    ++waiting;
    return asio::async_initiate<const asio::use_awaitable_t<>, void(T)>(
        [this](auto handler, F task) {
          auto home = asio::get_associated_executor(handler);
          asio::post(pool, [this, h = std::move(handler), t = std::move(task), home,
                            work = asio::make_work_guard(home)]() mutable {
            T result = t();
            --waiting;
            asio::post(home, [h = std::move(h), r = std::move(result)]() mutable {
              std::move(h)(std::move(r));
            });
          });
        },
        asio::use_awaitable, std::move(f));
  }

  file_folder folder;
  std::atomic<std::int64_t> waiting{0};
  asio::thread_pool pool{1};
};

static_files::static_files(std::string folder) : impl_(std::make_shared<impl>(std::move(folder))) {}

static_files::~static_files() = default;

asio::awaitable<bool> static_files::serve(exchange& x) {
  auto& all = *impl_;
  if (all.waiting >= waiting_max) {
    co_await reply_error(x, make_error(ec::overloaded, "too many files are asked for at once"));
    co_return true;
  }
  std::string path{x.path()};
  bool app = names_no_file(path) && x.header("accept").find("text/html") != std::string::npos;
  auto file = co_await all.away([&] {
    auto found = all.folder.open(path);
    if (found || !app)
      return found;
    path = "/index.html";
    return all.folder.open(path);
  });
  if (!file)
    co_return false;
  if (file->is_index)
    path = "/index.html";
  auto etag = file->etag();
  bool hashed = path.starts_with("/assets/"); // names of built assets hold a hash of their content
  header_list headers{
      {"ETag", etag},
      {"Accept-Ranges", "bytes"},
      {"X-Content-Type-Options", "nosniff"},
      {"Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache"}};
  if (has_etag(x.header("if-none-match"), etag)) {
    co_await x.reply(304, "", {}, std::move(headers));
    co_return true;
  }
  auto range = byte_range{0, file->size, false};
  auto if_range = x.header("if-range");
  if (if_range.empty() || if_range == etag)
    range = parse_range(x.header("range"), file->size);
  if (range.impossible) {
    headers.emplace_back("Content-Range", "bytes */" + std::to_string(file->size));
    co_await x.reply(416, "text/plain", "no such range of the file\n", std::move(headers));
    co_return true;
  }
  bool whole = range.begin == 0 && range.end == file->size;
  if (!whole)
    headers.emplace_back("Content-Range", "bytes " + std::to_string(range.begin) + "-"
                                              + std::to_string(range.end - 1) + "/"
                                              + std::to_string(file->size));
  headers.emplace_back("Content-Length", std::to_string(range.end - range.begin));
  auto out = co_await x.start_body(whole ? 200 : 206, type_of(path), std::move(headers));
  if (x.method() != "HEAD") {
    for (auto at = range.begin; at < range.end;) {
      auto size = std::min<std::uint64_t>(piece_bytes, range.end - at);
      auto piece = co_await all.away([&] { return file->read(at, size); });
      if (piece.empty())
        co_return true; // it shrank meanwhile
      auto left = co_await out->write(piece);
      if (left)
        co_return true;
      at += piece.size();
    }
  }
  co_await out->finish();
  co_return true;
}

} // namespace troupe::gateway
