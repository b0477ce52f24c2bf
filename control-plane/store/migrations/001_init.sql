-- Each row is the last number given out; the row lock makes every sequence gapless.
CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);

CREATE TABLE revision (
  revision BIGINT PRIMARY KEY, hash TEXT NOT NULL, spec TEXT NOT NULL, author TEXT NOT NULL,
  message TEXT NOT NULL, at BIGINT NOT NULL, rollback_of BIGINT);

-- Keys made for `generate: true`: made once, kept as long as the database.
CREATE TABLE secret (
  keyset TEXT NOT NULL, key_id TEXT NOT NULL, secret BYTEA NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (keyset, key_id));

CREATE TABLE rollout (
  revision BIGINT PRIMARY KEY, base BIGINT, state TEXT NOT NULL, wave BIGINT NOT NULL, plan TEXT NOT NULL,
  nodes TEXT NOT NULL, reason TEXT NOT NULL, since BIGINT NOT NULL);

CREATE TABLE node (
  node TEXT PRIMARY KEY, kind TEXT NOT NULL, seen_at BIGINT NOT NULL, away BIGINT NOT NULL DEFAULT 0,
  purge_seq BIGINT NOT NULL DEFAULT 0, acked BIGINT, phase TEXT, ack_hash TEXT, problems TEXT, beat TEXT,
  beat_at BIGINT NOT NULL DEFAULT 0);

CREATE TABLE table_base (
  name TEXT PRIMARY KEY, generation BIGINT NOT NULL, seq BIGINT NOT NULL, sha256 TEXT NOT NULL,
  bytes BIGINT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE table_op (
  name TEXT NOT NULL, seq BIGINT NOT NULL, op TEXT NOT NULL, key TEXT NOT NULL, value TEXT,
  PRIMARY KEY (name, seq));

CREATE TABLE purge (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, author TEXT NOT NULL, targets TEXT NOT NULL, soft BIGINT NOT NULL);

CREATE TABLE audit (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
  outcome TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL);

-- `node`: the only node that the token speaks for.
CREATE TABLE token (
  name TEXT PRIMARY KEY, role TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, at BIGINT NOT NULL, node TEXT);

-- Used once, by the node that `used_by` names.
CREATE TABLE enrolment (
  digest TEXT PRIMARY KEY, role TEXT NOT NULL, node TEXT, expires BIGINT NOT NULL, author TEXT NOT NULL,
  used_by TEXT);
