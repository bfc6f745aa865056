// What is found in messages of another version.
#include "cluster/link/hello.hpp"
#include "cluster/link/versions.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::link;

namespace {

template <class Message>
void add_field(Message& to) {
  to.GetReflection()->MutableUnknownFields(&to)->AddVarint(1'900, 7);
}

v1::LinkHello hello(std::int32_t oldest, std::int32_t newest) {
  v1::LinkHello out;
  out.set_name("b");
  out.set_cluster_id("c");
  out.set_protocol_min(oldest);
  out.set_protocol(newest);
  return out;
}

} // namespace

TEST_CASE("unknown fields are found at any depth, and travel on with their message") {
  v1::LinkFrame frame;
  auto& post = *frame.mutable_request()->mutable_post();
  post.add_parts()->mutable_text()->set_text("hello");
  CHECK(!has_unknown_fields(frame));
  add_field(*post.mutable_parts(0)->mutable_text());
  CHECK(has_unknown_fields(frame));
  v1::LinkFrame hop;
  REQUIRE(hop.ParseFromString(frame.SerializeAsString()));
  CHECK(has_unknown_fields(hop));
  CHECK(hop.SerializeAsString() == frame.SerializeAsString());
}

TEST_CASE("an answer of an unknown kind is told from an empty one, and from a failure") {
  v1::RemoteAnswer answer;
  CHECK(!is_unknown(answer));
  add_field(answer);
  CHECK(is_unknown(answer));
  answer.mutable_failure()->set_code("overloaded");
  CHECK(!is_unknown(answer));
  answer.clear_failure();
  answer.mutable_done(); // known, with more in it
  CHECK(!is_unknown(answer));
}

TEST_CASE("nodes of two versions speak the older one's protocol, if both know it") {
  CHECK(!refusal_of(hello(1, 3), "c", "a", {}, true));
  CHECK(spoken_with(hello(1, 3)) == protocol);
  CHECK(spoken_with(hello(0, protocol - 1)) == protocol - 1);
  auto newer = refusal_of(hello(protocol + 1, protocol + 2), "c", "a", {}, true);
  REQUIRE(newer);
  CHECK(info(*newer).code == ec::unsupported);
  CHECK(describe(*newer).find("upgrade node a") != std::string::npos);
  auto older = refusal_of(hello(0, protocol_min - 1), "c", "a", {}, true);
  REQUIRE(older);
  CHECK(describe(*older).find("upgrade node b") != std::string::npos);
}

TEST_CASE("a node in a state of a newer version is no one to link with") {
  v1::ClusterView view;
  auto& node = *view.add_nodes();
  node.set_name("b");
  node.set_incarnation(1);
  node.set_state(static_cast<v1::NodeState>(77));
  CHECK(!nodes_of(view, "a").at("b").present);
}
