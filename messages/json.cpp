#include "messages/json.hpp"

TROUPE_JSON()
