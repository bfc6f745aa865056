// A node's text services: sensitive words, keywords, tokens and character sets.
#include "cluster/node_parts.hpp"

namespace troupe {

void node::parts::start_text() {
  start_moderation();
  start_keywords();
  start_texts();
}

} // namespace troupe
