#include "gateway/server/router.hpp"
#include "gateway/upstream/upstreams.hpp"
