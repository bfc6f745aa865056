// A node's service for tokens and character sets.
#include "actors/tokenizer/text.hpp"
#include "cluster/node_parts.hpp"

namespace troupe {

void node::parts::start_texts() {
  text_options serving;
  serving.host = host;
  texts = troupe::spawn(host, text_service, std::move(serving));
}

} // namespace troupe
