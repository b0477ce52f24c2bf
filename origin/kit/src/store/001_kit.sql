CREATE TABLE kit_idem (
  scope TEXT NOT NULL, key TEXT NOT NULL, print BYTEA NOT NULL, status BIGINT, headers TEXT, body BYTEA,
  expires BIGINT NOT NULL, PRIMARY KEY (scope, key));
CREATE INDEX kit_idem_expires ON kit_idem (expires);
CREATE TABLE kit_secret (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
