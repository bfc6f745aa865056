-- Who is a member of the cluster, and who owns a shard. Times are of the database's clock.

-- One row.
CREATE TABLE cluster_state (
  id {int} NOT NULL PRIMARY KEY,
  cluster_id {id} NOT NULL,
  version {int} NOT NULL,
  leader {key} NOT NULL,
  leader_incarnation {int} NOT NULL,
  leader_until_us {int} NOT NULL
);

CREATE TABLE nodes (
  name {key} NOT NULL PRIMARY KEY,
  incarnation {int} NOT NULL,
  state {int} NOT NULL,
  lease_until_us {int} NOT NULL,
  body {bytes}
) {clustered};

CREATE TABLE suspicions (
  by_node {key} NOT NULL,
  node {key} NOT NULL,
  incarnation {int} NOT NULL,
  PRIMARY KEY (by_node, node)
) {clustered};

-- An empty owner: nobody's; an empty target: it stays where it is.
CREATE TABLE shards (
  id {int} NOT NULL PRIMARY KEY,
  owner {key} NOT NULL,
  incarnation {int} NOT NULL,
  epoch {int} NOT NULL,
  target {key} NOT NULL
);
