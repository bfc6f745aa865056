#include "cluster/cli/actors_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace troupe::cli {

namespace {

using nlohmann::json;

double number(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_number() ? i->get<double>() : 0;
}

std::string text(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_string() ? i->get<std::string>() : std::string{};
}

std::vector<json> list(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_array() ? i->get<std::vector<json>>() : std::vector<json>{};
}

/// 1234 -> 1.23 ms
std::string short_us(double us) {
  if (us < 1'000)
    return fmt::format("{:.0f} us", us);
  if (us < 1'000'000)
    return fmt::format("{:.3g} ms", us / 1'000);
  return fmt::format("{:.3g} s", us / 1'000'000);
}

std::map<std::string, double> handled_by_type(const json& answer) {
  std::map<std::string, double> out;
  for (const auto& type : list(answer, "types"))
    out[text(type, "type")] = number(type, "handled");
  return out;
}

text_table types_table(const json& now, const json& before, double seconds,
                       const std::string& sort) {
  auto types = list(now, "types");
  const char* key = sort == "depth" ? "depth" : "handled";
  auto earlier = handled_by_type(before);
  auto order = [&](const json& type) {
    auto value = number(type, key);
    return sort == "depth" ? value : value - earlier[text(type, "type")];
  };
  std::stable_sort(types.begin(), types.end(),
                   [&](const json& a, const json& b) { return order(a) > order(b); });
  text_table table{{"TYPE", "LIVE", "WAITING", "HANDLED", "PER SECOND", "FAILED", "SHED",
                    "RESTARTS", "P50", "P99"},
                   {false, true, true, true, true, true, true, true, true, true}};
  for (const auto& type : types) {
    auto known = earlier.find(text(type, "type"));
    auto rate = seconds > 0 && known != earlier.end()
                    ? short_number((number(type, "handled") - known->second) / seconds)
                    : "-";
    table.add({text(type, "type"), short_number(number(type, "live")),
               short_number(number(type, "depth")), short_number(number(type, "handled")), rate,
               short_number(number(type, "failed")), short_number(number(type, "shed")),
               short_number(number(type, "restarted")), short_us(number(type, "latency_p50_us")),
               short_us(number(type, "latency_p99_us"))});
  }
  return table;
}

text_table busiest_table(const json& now) {
  text_table table{{"ACTOR", "ID", "WAITING", "HANDLED", "BUSY"}, {false, true, true, true, true}};
  for (const auto& one : list(now, "busiest"))
    table.add({text(one, "type"), fmt::format("{:.0f}", number(one, "id")),
               short_number(number(one, "depth")), short_number(number(one, "handled")),
               short_us(number(one, "busy_us"))});
  return table;
}

std::string first_lines(const std::string& all, int rows) {
  std::size_t end = 0;
  for (int i = 0; i < rows && end != std::string::npos; ++i) {
    end = all.find('\n', end);
    if (end != std::string::npos)
      ++end;
  }
  return all.substr(0, end);
}

} // namespace

std::string actors_view(const json& now, const json& before, double seconds,
                        const std::string& sort, const styles& style, int columns, int rows) {
  auto out = types_table(now, before, seconds, sort).render(style, columns);
  auto busiest = list(now, "busiest");
  if (!busiest.empty())
    out += "\n" + busiest_table(now).render(style, columns);
  auto total = number(now, "total");
  if (total > static_cast<double>(busiest.size()))
    out += fmt::format("{}{} of {} actors, by {}{}\n", style.dim, busiest.size(),
                       short_number(total), sort, style.reset);
  return rows > 0 ? first_lines(out, rows) : out;
}

} // namespace troupe::cli
