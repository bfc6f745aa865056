// What CAF makes of the types that travel; every other file finds it here.
#include "messages/interfaces.hpp"

#define TROUPE_INSTANCE(Name) TROUPE_MESSAGE(, troupe::Name)
TROUPE_PAYLOADS(TROUPE_INSTANCE)
TROUPE_MESSAGE(, std::string)
TROUPE_MESSAGE(, caf::error)
