-- One row for each applied migration; `migrate` inserts it in the same transaction.
CREATE TABLE orders_schema (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- "C" sorts ids by their UTF-8 bytes, which is the order of their code points.
CREATE TABLE orders (
    id text COLLATE "C" PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 128),
    amount numeric(15, 2) NOT NULL CHECK (amount BETWEEN 0 AND 9999999999999.99)
);
