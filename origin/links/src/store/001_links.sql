CREATE TABLE link (
  code TEXT NOT NULL, domain TEXT NOT NULL, version BIGINT NOT NULL, state TEXT NOT NULL, target TEXT NOT NULL,
  status BIGINT NOT NULL, valid_since BIGINT, expires_at BIGINT, visits_max BIGINT, visits BIGINT NOT NULL DEFAULT 0,
  unlisted BIGINT NOT NULL, owner TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  extra TEXT NOT NULL, search TEXT NOT NULL, PRIMARY KEY (code, domain));
CREATE INDEX link_page ON link (domain, created_at, code);
CREATE INDEX link_changed ON link (updated_at);

CREATE TABLE link_tag (code TEXT NOT NULL, domain TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (code, domain, tag));
CREATE INDEX link_tag_page ON link_tag (domain, tag);

CREATE TABLE link_counter (domain TEXT PRIMARY KEY, next BIGINT NOT NULL);

CREATE TABLE click (
  edge TEXT NOT NULL, seq BIGINT NOT NULL, code TEXT NOT NULL, domain TEXT NOT NULL, at BIGINT NOT NULL, bot BIGINT NOT NULL,
  referrer TEXT NOT NULL, country TEXT NOT NULL, device TEXT NOT NULL, PRIMARY KEY (edge, seq));
CREATE INDEX click_at ON click (at);

CREATE TABLE click_hour (
  code TEXT NOT NULL, domain TEXT NOT NULL, hour BIGINT NOT NULL, bot BIGINT NOT NULL, clicks BIGINT NOT NULL,
  PRIMARY KEY (code, domain, hour, bot));
CREATE TABLE click_part (
  code TEXT NOT NULL, domain TEXT NOT NULL, day BIGINT NOT NULL, part TEXT NOT NULL, value TEXT NOT NULL,
  bot BIGINT NOT NULL, clicks BIGINT NOT NULL, PRIMARY KEY (code, domain, day, part, value, bot));
