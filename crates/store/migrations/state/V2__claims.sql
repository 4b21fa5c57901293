-- What may be used once, from its use until it would be refused anyhow. `expires_at` is in seconds
-- since 1970.
CREATE TABLE claims (
    zone       BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (zone, id)
) WITHOUT ROWID;
CREATE INDEX claims_expiry ON claims (expires_at);
