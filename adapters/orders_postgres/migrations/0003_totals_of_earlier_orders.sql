-- What the triggers have not seen: the orders that were there before them. One statement sees the
-- orders and the totals at one moment, so it may take its time while others add orders.
INSERT INTO orders_totals (part, count, amount)
SELECT -1, orders.count - totals.count, orders.amount - totals.amount
FROM
    (SELECT count(*), coalesce(sum(amount), 0.00) AS amount FROM orders) AS orders,
    (SELECT sum(count) AS count, sum(amount) AS amount FROM orders_totals) AS totals;
