-- Amounts are whole hundredths: SQLite would keep NUMERIC(15, 2) as a double.
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 999999999999999)
) STRICT, WITHOUT ROWID;
