CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE entries (
    seq         INTEGER PRIMARY KEY,
    zone        TEXT,
    log         TEXT,
    idx         INTEGER,
    id          TEXT,
    request_id  TEXT,
    time        INTEGER,
    type        TEXT,
    decision    TEXT,
    application TEXT,
    session     TEXT,
    mandate     TEXT,
    resource    TEXT
);
-- Each ends in seq, so that what is found comes in order.
CREATE INDEX entries_log ON entries (log, idx);
CREATE INDEX entries_zone ON entries (zone);
CREATE INDEX entries_id ON entries (id);
CREATE INDEX entries_request_id ON entries (request_id);
CREATE INDEX entries_type ON entries (type);
CREATE INDEX entries_decision ON entries (decision) WHERE decision <> 'allow';
CREATE INDEX entries_application ON entries (application) WHERE application IS NOT NULL;
CREATE INDEX entries_session ON entries (session) WHERE session IS NOT NULL;
CREATE INDEX entries_mandate ON entries (mandate) WHERE mandate IS NOT NULL;
CREATE INDEX entries_resource ON entries (resource) WHERE resource IS NOT NULL;

-- The earliest and the latest time in each block of sequence numbers: times rise with the
-- numbers, nearly, and an index on them would say the same at greater cost.
CREATE TABLE spans (
    block    INTEGER PRIMARY KEY,
    earliest INTEGER NOT NULL,
    latest   INTEGER NOT NULL
);

CREATE TABLE trees (
    log  TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tiles (
    log   TEXT    NOT NULL,
    level INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    data  BLOB    NOT NULL,
    PRIMARY KEY (log, level, n)
);
