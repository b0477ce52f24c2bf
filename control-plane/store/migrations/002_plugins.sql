-- Versions of plugin modules that were checked when they were pushed.
CREATE TABLE plugin (
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    bytes      BIGINT NOT NULL,
    cases      BIGINT NOT NULL,
    signature  TEXT,
    public_key TEXT,
    author     TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
