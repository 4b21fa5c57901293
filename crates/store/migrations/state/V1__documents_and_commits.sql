CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- The mark of this history; zones take it over with their first commit.
INSERT INTO meta (key, value) VALUES ('epoch', randomblob(16)), ('fence', 0);

CREATE TABLE zones (
    zone     BLOB PRIMARY KEY,
    epoch    BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    hash     BLOB    NOT NULL
) WITHOUT ROWID;

CREATE TABLE documents (
    zone    BLOB    NOT NULL,
    kind    TEXT    NOT NULL,
    id      BLOB    NOT NULL,
    name    TEXT,
    version INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (zone, kind, id)
);
CREATE UNIQUE INDEX documents_name ON documents (zone, kind, name) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX documents_zone_name ON documents (name) WHERE kind = 'zone' AND name IS NOT NULL;

CREATE TABLE commits (
    zone     BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    id       BLOB    NOT NULL UNIQUE,
    hash     BLOB    NOT NULL,
    writes   TEXT    NOT NULL,
    events   TEXT    NOT NULL,
    PRIMARY KEY (zone, revision)
);

-- The logs that were ever taken over for appending. The ledger is another file: a log that
-- stands here and not there was lost.
CREATE TABLE logs (
    log BLOB PRIMARY KEY
) WITHOUT ROWID;
