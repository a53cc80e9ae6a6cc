-- One row for each month, agency and product: how fast and how well orders were served.
--
-- month: first day of the month in which was ordered, in the zone of the session
-- agency: the agency
-- product: the product
-- orders: placed
-- delivered: delivered
-- on_time_bp: share of the delivered that came before they were due, hundredths of a percent
-- p50_ms: half were served within, ms
-- p90_ms: nine in ten
-- p99_ms: ninety-nine in a hundred
-- max_ms: the slowest
-- partial: delivered with sections missing
-- not_found: answered with NOT_FOUND
-- declined: declined
-- lapsed: lapsed
-- failed_bp: share declined, lapsed or not found, hundredths of a percent
SELECT month_of(placed_at) AS month, agency, product, count(*) AS orders,
  count(delivered_at) AS delivered,
  count(*) FILTER (delivered_at < due_at) * 10000 // nullif(count(delivered_at), 0) AS on_time_bp,
  quantile_disc(served_ms, 0.5) AS p50_ms, quantile_disc(served_ms, 0.9) AS p90_ms,
  quantile_disc(served_ms, 0.99) AS p99_ms, max(served_ms) AS max_ms,
  count(*) FILTER (outcome = 'PARTIAL') AS partial,
  count(*) FILTER (outcome = 'NOT_FOUND') AS not_found,
  count(*) FILTER (status = 'DECLINED') AS declined, count(*) FILTER (status = 'LAPSED') AS lapsed,
  count(*) FILTER (outcome = 'NOT_FOUND' OR status IN ('DECLINED', 'LAPSED')) * 10000 // count(*)
    AS failed_bp
FROM orders GROUP BY ALL
