-- Of each log whose first leaves are not kept any more: how many, the partial hash tiles behind
-- them, from which its tree goes on, and the sequence number from which its next leaf is looked
-- for. All change in the transaction that removes leaves.
CREATE TABLE pruned (
    log   TEXT PRIMARY KEY,
    size  INTEGER NOT NULL,
    tiles BLOB    NOT NULL,
    seq   INTEGER NOT NULL
) WITHOUT ROWID;
