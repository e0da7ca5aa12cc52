-- The number and the sum of the orders, maintained by triggers, so that no query has to count.
-- The totals are the sums over all rows; a single row means nothing, and may be negative. Each
-- transaction updates the row chosen by its id, so that concurrent transactions seldom wait for
-- each other.
-- Pages stay nearly empty: the next version of a row fits into the same page, and the index does
-- not change (PostgreSQL, "Heap-Only Tuples").
CREATE TABLE orders_totals (
    part smallint PRIMARY KEY,
    count bigint NOT NULL DEFAULT 0,
    amount numeric NOT NULL DEFAULT 0.00
) WITH (fillfactor = 10);
INSERT INTO orders_totals (part) SELECT generate_series(0, 63);

-- Runs as its owner: a role that may add orders may not write the totals.
CREATE FUNCTION orders_totals_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        UPDATE orders_totals AS totals
        SET count = totals.count + change.count, amount = totals.amount + change.amount
        FROM (SELECT count(*), sum(amount) AS amount FROM added) AS change
        WHERE part = txid_current() % 64 AND change.count > 0;
    WHEN 'DELETE' THEN
        UPDATE orders_totals AS totals
        SET count = totals.count - change.count, amount = totals.amount - change.amount
        FROM (SELECT count(*), sum(amount) AS amount FROM removed) AS change
        WHERE part = txid_current() % 64 AND change.count > 0;
    WHEN 'UPDATE' THEN
        UPDATE orders_totals AS totals
        SET amount = totals.amount + change.amount
        FROM (
            SELECT (SELECT sum(amount) FROM added) - (SELECT sum(amount) FROM removed) AS amount
        ) AS change
        WHERE part = txid_current() % 64 AND change.amount <> 0;
    WHEN 'TRUNCATE' THEN
        UPDATE orders_totals SET count = 0, amount = 0.00;
    END CASE;
    RETURN NULL;
END
$$;
-- No session can replace the objects that the function names by its own.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION orders_totals_follow SET search_path = pg_catalog, %I, pg_temp',
        current_schema
    );
END
$$;
REVOKE EXECUTE ON FUNCTION orders_totals_follow FROM PUBLIC;

CREATE TRIGGER orders_totals_insert AFTER INSERT ON orders
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION orders_totals_follow();
CREATE TRIGGER orders_totals_delete AFTER DELETE ON orders
REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION orders_totals_follow();
CREATE TRIGGER orders_totals_update AFTER UPDATE ON orders
REFERENCING OLD TABLE AS removed NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION orders_totals_follow();
CREATE TRIGGER orders_totals_truncate AFTER TRUNCATE ON orders
FOR EACH STATEMENT EXECUTE FUNCTION orders_totals_follow();

-- A role that may read the orders may read the totals.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT CASE WHEN entry.grantee = 0 THEN 'PUBLIC' ELSE entry.grantee::regrole::text END
        FROM pg_class, aclexplode(pg_class.relacl) AS entry
        WHERE pg_class.oid = 'orders'::regclass AND entry.privilege_type = 'SELECT'
    LOOP
        EXECUTE 'GRANT SELECT ON orders_totals TO ' || reader;
    END LOOP;
END
$$;
