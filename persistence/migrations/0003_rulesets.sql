-- Rulesets (lexicons of sensitive words, sets of keyword rules) with the history of their items; what
-- moderation found; how often keywords came.

CREATE TABLE rulesets (
  id {id} NOT NULL PRIMARY KEY,
  kind {int} NOT NULL,
  name {key} NOT NULL,
  enabled {int} NOT NULL,
  version {int} NOT NULL,
  items {int} NOT NULL,
  created_us {int} NOT NULL,
  updated_us {int} NOT NULL,
  body {bytes}
);

CREATE UNIQUE INDEX rulesets_by_name ON rulesets (kind, name);

CREATE TABLE ruleset_versions (
  ruleset_id {id} NOT NULL REFERENCES rulesets (id) ON DELETE CASCADE,
  version {int} NOT NULL,
  created_us {int} NOT NULL,
  body {bytes},
  PRIMARY KEY (ruleset_id, version)
) {clustered};

-- An item is in every version from added_version to before removed_version; 0: it is still there.
CREATE TABLE ruleset_items (
  ruleset_id {id} NOT NULL REFERENCES rulesets (id) ON DELETE CASCADE,
  item_key {key} NOT NULL,
  added_version {int} NOT NULL,
  removed_version {int} NOT NULL,
  body {text} NOT NULL,
  PRIMARY KEY (ruleset_id, item_key, added_version)
) {clustered};

-- For forgetting old versions. All else goes by the primary key: an index over what is still there
-- would tempt a database that has no statistics yet to read the whole set for a few keys.
-- only: sqlite postgresql
CREATE INDEX ruleset_items_removed ON ruleset_items (ruleset_id, removed_version)
  WHERE removed_version > 0;

-- only: mysql
CREATE INDEX ruleset_items_removed ON ruleset_items (ruleset_id, removed_version);

CREATE TABLE moderation_hits (
  id {id} NOT NULL PRIMARY KEY,
  at_us {int} NOT NULL,
  action {key} NOT NULL,
  category {key} NOT NULL,
  conversation_id {id} NOT NULL,
  body {bytes}
);

CREATE INDEX moderation_hits_by_time ON moderation_hits (at_us, id);

CREATE INDEX moderation_hits_of_conversation ON moderation_hits (conversation_id, at_us, id);

CREATE TABLE keyword_counts (
  node {key} NOT NULL PRIMARY KEY,
  updated_us {int} NOT NULL,
  body {bytes}
);
