#include "messages/failure.hpp"

namespace troupe {

v1::Failure failure_of(const caf::error& err) {
  v1::Failure failure;
  const auto& row = info(err);
  failure.set_code(std::string{row.name});
  failure.set_message(describe(err));
  failure.set_http_status(row.http_status);
  return failure;
}

caf::error error_of(const v1::Failure& failure, ec unknown) {
  auto code = failure.code().empty() ? unknown : ec_from_name(failure.code());
  return failure.message().empty() ? make_error(code) : make_error(code, failure.message());
}

} // namespace troupe
