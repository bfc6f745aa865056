// One request to the OpenAI-compatible API, from its body to its line in the ledger.
#pragma once

#include "gateway/openai/answer_guard.hpp"
#include "gateway/openai/chunk.hpp"
#include "gateway/openai/json_places.hpp"
#include "gateway/openai/openai_routes.hpp"
#include "gateway/openai/request_reader.hpp"
#include "gateway/upstream/sse_parser.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace troupe::gateway::openai {

/// What all calls share.
struct openai_site {
  explicit openai_site(openai_options given) :
      options(std::move(given)), routes(options.models_fresh, routes_kept_us) {}

  static constexpr std::int64_t routes_kept_us = 10'000'000;

  const openai_options options;
  mutable kept_answers<Route> routes; // by operation and model
};

using site_ptr = std::shared_ptr<openai_site>;

/// What of the API is asked for.
struct operation {
  v1::Operation kind;
  std::string_view upstream_path; // below base_url
  std::string_view name;          // in the ledger
  bool streams;
};

inline constexpr operation chat{v1::OPERATION_CHAT, "/chat/completions", "chat", true};
inline constexpr operation completion{v1::OPERATION_COMPLETION, "/completions", "completion", true};
inline constexpr operation embedding{v1::OPERATION_EMBEDDING, "/embeddings", "embedding", false};

/// An error in OpenAI's shape, with the table's status.
asio::awaitable<void> reply_failure(exchange& x, caf::error err, std::string_view retry_after = {});

/// POST /v1/moderations.
asio::awaitable<void> moderations(site_ptr site, exchange& x);

/// The error for a model that nobody serves: it names those that are close.
caf::error unknown_model(const std::string& model, const std::vector<std::string>& known);

/// Lives in the handler's coroutine.
class call {
public:
  call(site_ptr site, exchange& x, const operation& what);
  ~call();
  call(const call&) = delete;
  call& operator=(const call&) = delete;

  asio::awaitable<void> serve();

private:
  void know(const v1::Principal& who);
  caf::error take_request();
  bool know_route();
  bool watches(v1::TextDirection direction) const;
  const text_origin& origin();

  // Each false when the request is answered already.
  asio::awaitable<bool> authorize();
  asio::awaitable<bool> find_route();
  asio::awaitable<bool> ask_upstream();

  asio::awaitable<void> pass_error();
  asio::awaitable<void> pass_whole();
  asio::awaitable<void> pass_stream();
  asio::awaitable<bool> pass_events(body_stream& out);
  asio::awaitable<void> end_stream(body_stream& out);
  asio::awaitable<void> break_stream(body_stream& out, caf::error err);
  void take_event(const sse_event& event);
  void pass_chunk(const sse_event& event);
  void finish_guarded();
  void pass_guarded(const sse_event& event, answer_guard::verdict verdict);
  asio::awaitable<void> count_held_text();

  // openai_moderation.cpp. What is short is looked at without a coroutine.
  static bool is_short(std::string_view body);
  bool looks_at(const request_text& one) const;
  caf::error take_verdict(const body_place& of, caf::expected<std::optional<std::string>> verdict);
  caf::error moderate_request();
  asio::awaitable<bool> moderate_long_request(); // false when the request is answered already
  // Of `said_`. False if the answer cannot be read.
  bool moderate_whole(std::string& body);
  asio::awaitable<bool> moderate_long_whole(std::string& body);

  /// The usage of an answer whose upstream gave none.
  asio::awaitable<void> count_usage_of(std::string answer_text);
  void note_usage(const v1::Usage& usage) { *record_.mutable_usage() = usage; }
  void settle(v1::Ending ending, int status);

  site_ptr site_;
  const openai_options* options_;
  exchange& x_;
  const operation& what_;
  cancellation stop_;
  request_facts facts_;
  std::vector<body_edit> text_edits_; // by the guard, in the request
  std::string route_name_;            // among those kept
  Route route_;
  std::shared_ptr<upstreams> calls_;
  std::unique_ptr<upstream_answer> answer_;
  v1::UsageRecord record_;
  text_origin origin_; // of the texts; whole once it was asked for
  bool settled_ = false;

  // Of a stream.
  sse_parser parser_;
  stream_facts seen_;
  std::string text_;                // of the model, not yet counted
  std::int64_t counted_tokens_ = 0; // of text no longer held
  std::string out_;                 // what goes to the client next
  caf::error failure_;              // an error that the stream itself brought
  std::string failure_event_;
  int malformed_ = 0;
  std::unique_ptr<answer_guard> guarded_; // null: nothing is looked at
  std::vector<choice_part> said_;         // of the chunk at hand, or of a whole answer
  std::vector<std::string> instead_;      // chunks that go on instead of it
  bool blocked_ = false;                  // the guard ended it
  bool received_ = false;                 // anything that the model wrote
  bool done_ = false;
};

} // namespace troupe::gateway::openai
