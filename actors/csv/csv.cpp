#include "actors/csv/csv.hpp"

#include <algorithm>

namespace troupe {

bool csv_reader::fail(const char* what) {
  fault_ = what;
  at_ = text_.size();
  return false;
}

bool csv_reader::skip_line_end() {
  auto rest = text_.substr(at_);
  auto length = rest.starts_with("\r\n") ? 2 : rest.starts_with('\n') ? 1 : 0;
  at_ += static_cast<std::size_t>(length);
  lines_ += length == 0 ? 0 : 1;
  return length != 0;
}

bool csv_reader::next(std::vector<std::string>& fields) {
  fields.clear();
  while (skip_line_end()) {
  }
  if (at_ == text_.size())
    return false;
  line_ = lines_;
  std::size_t bytes = 0;
  for (;;) {
    std::string field;
    if (!read_field(field))
      return false;
    bytes += field.size();
    fields.push_back(std::move(field));
    if (bytes > csv_record_bytes_max)
      return fail("the record is too long: a quote may be open");
    if (at_ == text_.size() || skip_line_end())
      return true;
    if (text_[at_] != ',')
      return fail("there must be a comma or the line's end after a quoted field");
    ++at_;
    if (fields.size() == csv_fields_max)
      return fail("the record has too many fields");
  }
}

bool csv_reader::read_field(std::string& field) {
  if (at_ < text_.size() && text_[at_] == '"')
    return read_quoted(field);
  auto end = std::min(text_.find_first_of(",\r\n\"", at_), text_.size());
  field = text_.substr(at_, end - at_);
  at_ = end;
  if (at_ < text_.size() && text_[at_] == '"')
    return fail(
        "a quote within a field without quotes: write the field in quotes, and \"\" within");
  if (at_ < text_.size() && text_[at_] == '\r' && !text_.substr(at_).starts_with("\r\n"))
    return fail("a carriage return that ends no line");
  return true;
}

bool csv_reader::read_quoted(std::string& field) {
  ++at_;
  for (;;) {
    auto quote = text_.find('"', at_);
    if (quote == text_.npos)
      return fail("a quoted field has no end");
    auto part = text_.substr(at_, quote - at_);
    if (field.size() + part.size() > csv_record_bytes_max)
      return fail("the record is too long: a quote may be open");
    field += part;
    lines_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
    at_ = quote + 1;
    if (at_ == text_.size() || text_[at_] != '"')
      return true;
    field += '"';
    ++at_;
  }
}

std::string csv_record(const std::vector<std::string>& fields) {
  std::string record;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0)
      record += ',';
    bool alone = fields.size() == 1 && fields[i].empty();
    if (!alone && fields[i].find_first_of(",\"\r\n") == std::string::npos) {
      record += fields[i];
      continue;
    }
    record += '"';
    for (char c : fields[i])
      record += c == '"' ? "\"\"" : std::string(1, c);
    record += '"';
  }
  return record + "\r\n";
}

} // namespace troupe
