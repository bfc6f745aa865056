// How a database operation fails.
#pragma once

#include "messages/error.hpp"

#include <stdexcept>
#include <string>

namespace troupe::persistence {

/// What became of the connection and its transaction.
enum class damage {
  none,        // this command alone failed; the transaction goes on after its savepoint
  transaction, // the transaction is gone; the connection is good
  connection,  // the connection must be opened again
};

/// Thrown by everything in persistence/. `code` is `store_unavailable` when the database is busy,
/// locked, full, read-only, damaged or away, `conflict` when a constraint refused the row, and the
/// code of a refusal (`not_found`, `invalid_argument`...) otherwise. The text says what to do.
class failure : public std::runtime_error {
public:
  failure(ec code, const std::string& text, damage hurt = damage::none, bool again = false) :
      std::runtime_error(text), code(code), hurt(hurt), again(again) {}

  ec code;
  damage hurt;
  /// The transaction left nothing behind and may be run again at once, as a whole: it lost to
  /// another one, or found its connection dead when it began.
  bool again;
};

/// The command alone was refused: an answer, and no sign of trouble with the database.
inline bool is_refusal(const failure& error) {
  return error.hurt == damage::none && error.code != ec::store_unavailable;
}

} // namespace troupe::persistence
