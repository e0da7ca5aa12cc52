-- Adds the orders that existed before the triggers. One statement sees orders and totals in one
-- snapshot, so other sessions can add orders while it runs.
INSERT INTO orders_totals (part, count, amount)
SELECT -1, orders.count - totals.count, orders.amount - totals.amount
FROM
    (SELECT count(*), coalesce(sum(amount), 0.00) AS amount FROM orders) AS orders,
    (SELECT sum(count) AS count, sum(amount) AS amount FROM orders_totals) AS totals;
