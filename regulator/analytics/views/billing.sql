-- One row for each delivery that somebody acknowledged, and each that nobody did: what is owed.
--
-- order_id: the order
-- orderer: who owes
-- agency: to whom
-- product: for what
-- outcome: COMPLETE, PARTIAL or NOT_FOUND
-- placed_at: when ordered, UTC
-- delivered_at: when delivered, UTC
-- acknowledged_at: when acknowledged, UTC; NULL: not yet
-- acknowledged_idx: entry of the acknowledgement
-- price: in force when it was ordered, minor units; NULL: none was
-- currency: its currency
-- billed: whether it counts: acknowledged, with content, at a price in force
-- break_code: why it does not: NOT_ACKNOWLEDGED, DISPUTED, NOT_FOUND, BODY_ERASED (the order
--   cannot be told any more), NO_PRICE, DELIVERED_TWICE or FINGERPRINT_DIFFERS; NULL: nothing
-- age_ms: of a break: from the delivery to the end of the log, ms
WITH priced AS (
  SELECT o.*, p.offered_idx, p.withdrawn_at AS product_withdrawn_at
  FROM orders o LEFT JOIN products p USING (product)
  WHERE o.delivered_idx IS NOT NULL
), judged AS (
  SELECT *, CASE
      WHEN disputed_idx IS NOT NULL THEN 'DISPUTED'
      WHEN deliveries > 1 THEN 'DELIVERED_TWICE'
      WHEN outcome = 'NOT_FOUND' THEN 'NOT_FOUND'
      WHEN acknowledged_idx IS NULL THEN 'NOT_ACKNOWLEDGED'
      WHEN product IS NULL THEN 'BODY_ERASED'
      WHEN price IS NULL OR offered_idx > placed_idx OR product_withdrawn_at < placed_at
        THEN 'NO_PRICE'
      WHEN opened_fingerprint IS DISTINCT FROM report_fingerprint THEN 'FINGERPRINT_DIFFERS'
    END AS break_code
  FROM priced
)
SELECT order_id, orderer, agency, product, outcome, placed_at, delivered_at, acknowledged_at,
  acknowledged_idx, price, price_currency AS currency,
  coalesce(break_code IS NULL OR break_code = 'DELIVERED_TWICE' AND acknowledged_idx IS NOT NULL,
    false) AS billed,
  break_code,
  CASE WHEN break_code IS NOT NULL
    THEN (SELECT as_of_ms FROM log) - epoch_ms(delivered_at) END AS age_ms
FROM judged
