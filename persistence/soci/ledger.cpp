#include "persistence/soci/sql_repositories.hpp"

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <limits>

namespace troupe::persistence {

namespace {

// What is searched and summed has a column; the rest is in the body.
#define COLUMNS                                                                                    \
  "request_id, principal_id, started_us, model, deployment, operation, prompt_tokens, "            \
  "completion_tokens, total_tokens, cached_tokens, reasoning_tokens, estimated, ending, body"
constexpr std::string_view kinds = "ttittt"
                                   "iiiiiii"
                                   "b";

v1::UsageRecord read(row_view row) {
  v1::UsageRecord out;
  unpack(row.text(13), out);
  out.set_request_id(std::move(row.text(0)));
  out.set_principal_id(std::move(row.text(1)));
  out.set_started_us(row.number(2));
  out.set_model(std::move(row.text(3)));
  out.set_deployment(std::move(row.text(4)));
  out.set_operation(std::move(row.text(5)));
  auto& usage = *out.mutable_usage();
  usage.set_prompt_tokens(row.number(6));
  usage.set_completion_tokens(row.number(7));
  usage.set_total_tokens(row.number(8));
  usage.set_cached_tokens(row.number(9));
  usage.set_reasoning_tokens(row.number(10));
  usage.set_estimated(row.number(11) != 0);
  out.set_ending(static_cast<v1::Ending>(row.number(12)));
  return out;
}

/// What has no column, with the fields of a newer version.
std::string body_of(const v1::UsageRecord& x) {
  v1::UsageRecord rest;
  if (!x.upstream_model().empty())
    rest.set_upstream_model(x.upstream_model());
  rest.set_http_status(x.http_status());
  rest.set_streamed(x.streamed());
  rest.set_first_byte_us(x.first_byte_us());
  rest.set_total_us(x.total_us());
  if (!x.conversation_id().empty())
    rest.set_conversation_id(x.conversation_id());
  if (!x.turn_id().empty())
    rest.set_turn_id(x.turn_id());
  const auto& unknown = v1::UsageRecord::GetReflection()->GetUnknownFields(x);
  if (!unknown.empty())
    v1::UsageRecord::GetReflection()->MutableUnknownFields(&rest)->MergeFrom(unknown);
  const auto& of_usage = v1::Usage::GetReflection()->GetUnknownFields(x.usage());
  if (!of_usage.empty())
    v1::Usage::GetReflection()->MutableUnknownFields(rest.mutable_usage())->MergeFrom(of_usage);
  return pack(rest);
}

std::int64_t end_of(const ledger_filter& filter) {
  return filter.to_us > 0 ? filter.to_us : std::numeric_limits<std::int64_t>::max();
}

} // namespace

namespace {

// Of one row, in the order of COLUMNS.
constexpr std::string_view row_params = "ttittt"
                                        "iiiiiii"
                                        "b";
constexpr int rows_at_once = 16; // half of what a row costs is the statement's

std::string insert_rows(const dialect& d) {
  std::string values;
  for (int row = 0; row < rows_at_once; ++row) {
    values += row == 0 ? "(" : ", (";
    for (std::size_t column = 0; column < row_params.size(); ++column)
      values += fmt::format("{}:c{}_{}", column == 0 ? "" : ", ", column, row);
    values += ')';
  }
  return d.insert_new("ledger (" COLUMNS ") VALUES " + values);
}

void set_row(statement& st, std::size_t at, const v1::UsageRecord& x) {
  const auto& usage = x.usage();
  for (std::string_view text :
       {std::string_view{x.request_id()}, std::string_view{x.principal_id()}})
    st.set(at++, text);
  st.set(at++, x.started_us());
  for (std::string_view text : {std::string_view{x.model()}, std::string_view{x.deployment()},
                                std::string_view{x.operation()}})
    st.set(at++, text);
  for (std::int64_t number :
       {usage.prompt_tokens(), usage.completion_tokens(), usage.total_tokens(),
        usage.cached_tokens(), usage.reasoning_tokens(),
        static_cast<std::int64_t>(usage.estimated()), static_cast<std::int64_t>(x.ending())})
    st.set(at++, number);
  auto body = body_of(x);
  st.set(at, bytes_value{body});
}

} // namespace

sql_ledger::sql_ledger(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new(
        "ledger (" COLUMNS ") VALUES (:request, :principal, :started, :model, :deployment, "
        ":operation, :prompt, :completion, :total, :cached, :reasoning, :estimated, :ending, "
        ":body)")),
    insert_rows_(insert_rows(sql.sql_dialect())) {}

bool sql_ledger::insert(const v1::UsageRecord& x) {
  const auto& usage = x.usage();
  auto body = body_of(x);
  return sql_.run(insert_, x.request_id(), x.principal_id(), x.started_us(), x.model(),
                  x.deployment(), x.operation(), usage.prompt_tokens(), usage.completion_tokens(),
                  usage.total_tokens(), usage.cached_tokens(), usage.reasoning_tokens(),
                  static_cast<int>(usage.estimated()), static_cast<int>(x.ending()),
                  bytes_value{body})
         != 0;
}

void sql_ledger::insert_all(const google::protobuf::RepeatedPtrField<v1::UsageRecord>& records) {
  static const std::string params = [] {
    std::string all;
    for (int row = 0; row < rows_at_once; ++row)
      all += row_params;
    return all;
  }();
  int next = 0;
  for (; records.size() - next >= rows_at_once; next += rows_at_once) {
    auto& st = sql_.prepared(insert_rows_, params, {});
    for (int row = 0; row < rows_at_once; ++row)
      set_row(st, static_cast<std::size_t>(row) * row_params.size(), records[next + row]);
    st.execute();
  }
  for (; next < records.size(); ++next)
    insert(records[next]);
}

std::vector<v1::UsageRecord> sql_ledger::list(const ledger_filter& filter,
                                              const std::optional<page_position>& after,
                                              int limit) {
  page_position last{end_of(filter), {}};
  if (after)
    last = *after;
  std::vector<v1::UsageRecord> out;
  auto add = [&](row_view row) { out.push_back(read(row)); };
#define PAGE                                                                                       \
  "started_us >= :from AND started_us <= :t0 AND (started_us < :t1 OR request_id < :last) "        \
  "ORDER BY started_us DESC, request_id DESC LIMIT :count"
  if (filter.principal_id.empty())
    sql_.each("SELECT " COLUMNS " FROM ledger WHERE " PAGE, kinds, add, filter.from_us,
              last.time_us, last.time_us, last.id, limit);
  else
    sql_.each("SELECT " COLUMNS " FROM ledger WHERE principal_id = :principal AND " PAGE, kinds,
              add, filter.principal_id, filter.from_us, last.time_us, last.time_us, last.id, limit);
#undef PAGE
  return out;
}

ledger_sum sql_ledger::sum(const ledger_filter& filter) {
  ledger_sum out;
  auto take = [&](row_view row) {
    out.count = row.number(0);
    out.usage.set_prompt_tokens(row.number(1));
    out.usage.set_completion_tokens(row.number(2));
    out.usage.set_total_tokens(row.number(3));
    out.usage.set_cached_tokens(row.number(4));
    out.usage.set_reasoning_tokens(row.number(5));
    out.usage.set_estimated(row.number(6) != 0);
  };
#define SUMS                                                                                       \
  "SELECT COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), SUM(total_tokens), "               \
  "SUM(cached_tokens), SUM(reasoning_tokens), MAX(estimated) FROM ledger WHERE "
  if (filter.principal_id.empty())
    sql_.each(SUMS "started_us >= :from AND started_us < :until", "iiiiiii", take, filter.from_us,
              end_of(filter));
  else
    sql_.each(SUMS "principal_id = :principal AND started_us >= :from AND started_us < :until",
              "iiiiiii", take, filter.principal_id, filter.from_us, end_of(filter));
#undef SUMS
  return out;
}

#undef COLUMNS

} // namespace troupe::persistence
