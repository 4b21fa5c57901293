-- Read by programs outside; `body` is the leaf.
CREATE TABLE events (
    seq  INTEGER PRIMARY KEY,
    body BLOB
);

CREATE TABLE heads (
    log        TEXT PRIMARY KEY,
    size       INTEGER NOT NULL,
    edge       BLOB    NOT NULL,
    revision   INTEGER NOT NULL,
    checkpoint TEXT,
    last_seq   INTEGER NOT NULL,
    last_leaf  BLOB
) WITHOUT ROWID;

-- Which ledger this is: the projection of another one is of no use.
CREATE TABLE identity (
    id BLOB NOT NULL
);
INSERT INTO identity (id) VALUES (randomblob(16));
