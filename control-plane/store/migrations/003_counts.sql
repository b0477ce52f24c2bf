-- Which of the servers on this database keeps the counts of limits, and what it must not forget of them.
CREATE TABLE counts_owner (
    id      BIGINT NOT NULL PRIMARY KEY,
    holder  TEXT NOT NULL,
    address TEXT NOT NULL,
    beat    BIGINT NOT NULL
);

CREATE TABLE counts_held (
    key    TEXT NOT NULL PRIMARY KEY,
    record BYTEA NOT NULL
);
