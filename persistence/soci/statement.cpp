#include "persistence/soci/statement.hpp"

#include "persistence/api_key.hpp"

namespace troupe::persistence {

namespace {

constexpr std::string_view hex_mark = "\\x";
constexpr std::string_view ignoring = "INSERT IGNORE ";

} // namespace

statement::statement(soci::session& session, const dialect& dialect, std::string_view sql,
                     std::string_view params, std::string_view columns) :
    session_(session), dialect_(dialect), inserts_new_(sql.starts_with(ignoring)) {
  try {
    statement_ = std::make_unique<soci::statement>(session);
    for (char kind : columns) {
      auto& column = columns_.emplace_back();
      column.kind = kind;
      if (kind == 'i')
        statement_->exchange(soci::into(column.number, column.state));
      else
        statement_->exchange(soci::into(column.text, column.state));
    }
    for (char kind : params) {
      auto& param = params_.emplace_back();
      param.kind = kind;
      if (kind == 'i') {
        statement_->exchange(soci::use(param.number, param.state));
      } else if (kind == 'b' && dialect.bytes() == byte_form::blob) {
        param.bytes = std::make_unique<soci::blob>(session);
        statement_->exchange(soci::use(*param.bytes, param.state));
      } else {
        statement_->exchange(soci::use(param.text, param.state));
      }
    }
    statement_->alloc();
    statement_->prepare(dialect.prepared_text(sql, params));
    statement_->define_and_bind();
  } catch (const soci::soci_error& error) {
    throw dialect_.translate(session_, error);
  }
}

void statement::set(std::size_t i, std::string_view text) {
  if (dialect_.bytes() == byte_form::hex && text.find('\0') != std::string_view::npos)
    throw failure(ec::invalid_argument, "a text may not hold a zero byte");
  params_[i].text.assign(text);
}

void statement::set(std::size_t i, nullable_text text) {
  set(i, text.value);
  params_[i].state = text.value.empty() ? soci::i_null : soci::i_ok;
}

void statement::set(std::size_t i, bytes_value bytes) {
  auto& param = params_[i];
  if (dialect_.bytes() == byte_form::string) {
    param.text.assign(bytes.value);
    return;
  }
  param.state = bytes.value.empty() ? soci::i_null : soci::i_ok;
  if (dialect_.bytes() == byte_form::hex) {
    param.text.assign(hex_mark).append(to_hex(bytes.value));
    return;
  }
  if (param.bytes->get_len() > bytes.value.size())
    param.bytes->trim(bytes.value.size());
  if (!bytes.value.empty())
    param.bytes->write(0, bytes.value.data(), bytes.value.size());
}

void statement::set(std::size_t i, std::int64_t number) { params_[i].number = number; }

bool statement::execute() {
  try {
    bool got = statement_->execute(true);
    if (got)
      finish_row();
    if (columns_.empty())
      affected_ = statement_->get_affected_rows();
    if (inserts_new_)
      dialect_.check_insert_new(session_);
    return got && !columns_.empty();
  } catch (const soci::soci_error& error) {
    auto translated = dialect_.translate(session_, error);
    reset();
    throw translated;
  }
}

bool statement::fetch() {
  try {
    bool got = statement_->fetch();
    if (got)
      finish_row();
    return got;
  } catch (const soci::soci_error& error) {
    auto translated = dialect_.translate(session_, error);
    reset();
    throw translated;
  }
}

void statement::reset() noexcept {
  try {
    dialect_.reset(*statement_);
  } catch (...) {
    // The error that made the statement stop is on its way already.
  }
}

void statement::finish_row() {
  for (auto& column : columns_) {
    if (column.state == soci::i_null) {
      column.text.clear();
      column.number = 0;
    } else if (column.kind == 'b' && dialect_.bytes() == byte_form::hex) {
      column.text = from_hex(std::string_view{column.text}.substr(hex_mark.size()));
    }
  }
}

void sql_session::run_once(const std::string& sql) {
  try {
    session_->once << sql;
  } catch (const soci::soci_error& error) {
    throw dialect_.translate(*session_, error);
  }
}

statement& sql_session::prepared(std::string_view sql, std::string_view params,
                                 std::string_view columns) {
  auto found = statements_.find(sql);
  if (found == statements_.end())
    found =
        statements_.try_emplace(std::string{sql}, *session_, dialect_, sql, params, columns).first;
  return found->second;
}

} // namespace troupe::persistence
