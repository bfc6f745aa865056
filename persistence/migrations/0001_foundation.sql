-- Conversations, messages, turns, outbox, API keys, ledger, dedupe keys.
-- Ids are UUIDv7 in text; times are UTC microseconds; `body` holds the rest of the protobuf struct.

CREATE TABLE conversations (
  id {id} NOT NULL PRIMARY KEY,
  owner_id {id} NOT NULL,
  session_key {key} UNIQUE,
  title {text} NOT NULL,
  model {text} NOT NULL,
  leaf_id {id} NOT NULL,
  created_us {int} NOT NULL,
  updated_us {int} NOT NULL,
  message_count {int} NOT NULL,
  body {bytes}
);

CREATE INDEX conversations_of_owner ON conversations (owner_id, updated_us, id);

-- seq counts a conversation's messages in order of creation; size is the body's, in bytes.
CREATE TABLE messages (
  id {id} NOT NULL PRIMARY KEY,
  conversation_id {id} NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  seq {int} NOT NULL,
  parent_id {id} NOT NULL,
  turn_id {id} NOT NULL,
  role {int} NOT NULL,
  status {int} NOT NULL,
  model {text} NOT NULL,
  created_us {int} NOT NULL,
  size {int} NOT NULL,
  body {bytes}
);

CREATE UNIQUE INDEX messages_of_conversation ON messages (conversation_id, seq);

CREATE TABLE turns (
  id {id} NOT NULL PRIMARY KEY,
  conversation_id {id} NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  message_id {id} NOT NULL,
  reply_id {id} NOT NULL,
  status {int} NOT NULL,
  step {int} NOT NULL,
  attempts {int} NOT NULL,
  created_us {int} NOT NULL,
  finished_us {int} NOT NULL,
  shard {int} NOT NULL,
  body {bytes}
);

CREATE INDEX turns_of_conversation ON turns (conversation_id, status);

-- Status 1 is running, 2 awaits tools.
-- only: sqlite postgresql
CREATE INDEX turns_unfinished ON turns (shard, id) WHERE status < 3;

-- only: mysql
CREATE INDEX turns_unfinished ON turns (status, shard, id);

CREATE TABLE outbox (
  id {id} NOT NULL PRIMARY KEY,
  turn_id {id} NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
  channel {key} NOT NULL,
  account {key} NOT NULL,
  part_index {int} NOT NULL,
  status {int} NOT NULL,
  attempts {int} NOT NULL,
  next_attempt_us {int} NOT NULL,
  created_us {int} NOT NULL,
  settled_us {int} NOT NULL,
  error {text} NOT NULL,
  platform_message_id {text} NOT NULL,
  body {bytes}
);

CREATE INDEX outbox_of_turn ON outbox (turn_id, part_index);

-- Status 1 is pending.
-- only: sqlite postgresql
CREATE INDEX outbox_due ON outbox (channel, account, next_attempt_us) WHERE status = 1;

-- only: sqlite postgresql
CREATE INDEX outbox_settled ON outbox (settled_us) WHERE status > 1;

-- only: mysql
CREATE INDEX outbox_due ON outbox (channel, account, status, next_attempt_us);

-- only: mysql
CREATE INDEX outbox_settled ON outbox (settled_us);

CREATE TABLE api_keys (
  id {id} NOT NULL PRIMARY KEY,
  name {text} NOT NULL,
  hash {id} NOT NULL UNIQUE,
  prefix {text} NOT NULL,
  scopes {text} NOT NULL,
  created_us {int} NOT NULL,
  expires_us {int} NOT NULL,
  revoked_us {int} NOT NULL,
  last_used_us {int} NOT NULL,
  body {bytes}
);

CREATE INDEX api_keys_by_age ON api_keys (created_us, id);

CREATE TABLE ledger (
  request_id {key} NOT NULL PRIMARY KEY,
  principal_id {id} NOT NULL,
  started_us {int} NOT NULL,
  model {text} NOT NULL,
  deployment {text} NOT NULL,
  operation {text} NOT NULL,
  prompt_tokens {int} NOT NULL,
  completion_tokens {int} NOT NULL,
  total_tokens {int} NOT NULL,
  cached_tokens {int} NOT NULL,
  reasoning_tokens {int} NOT NULL,
  estimated {int} NOT NULL,
  ending {int} NOT NULL,
  body {bytes}
) {clustered};

CREATE INDEX ledger_of_principal ON ledger (principal_id, started_us, request_id);

CREATE INDEX ledger_by_time ON ledger (started_us, request_id);

CREATE TABLE dedupe (
  scope {id} NOT NULL,
  dedupe_key {key} NOT NULL,
  conversation_id {id} NOT NULL,
  turn_id {id} NOT NULL,
  message_id {id} NOT NULL,
  created_us {int} NOT NULL,
  PRIMARY KEY (scope, dedupe_key)
) {clustered};

CREATE INDEX dedupe_by_age ON dedupe (created_us);

-- One row: the last time a node tried whether writing works.
CREATE TABLE store_probe (
  id {int} NOT NULL PRIMARY KEY,
  probed_us {int} NOT NULL
);
