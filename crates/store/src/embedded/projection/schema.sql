CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Sequence numbers are taken together in blocks. Of each block this says the earliest and the
-- latest time (the first is larger when no leaf in it has a time).
CREATE TABLE blocks (
    block    INTEGER PRIMARY KEY,
    earliest INTEGER NOT NULL,
    latest   INTEGER NOT NULL
);

-- Which blocks have a leaf with this term; see `terms.rs`. A search reads those blocks.
CREATE TABLE terms (
    term  INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (term, block)
) WITHOUT ROWID;

-- The lowest and the highest index of a log's leaves in a block.
CREATE TABLE ranges (
    log   TEXT    NOT NULL,
    block INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (log, block)
) WITHOUT ROWID;

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
