-- One row for each product of an agency.
--
-- product: its id, agency/name
-- agency: who sells it
-- name: its name
-- sections: what it contains
-- purposes: for what it is sold
-- price: in minor units of the currency
-- currency: ISO 4217
-- due_within_ms: how fast it is delivered, ms
-- report_schema: schema of the report
-- offered_idx: entry of the offer
-- offered_at: when, UTC
-- withdrawn_at: since when it is not sold, UTC; NULL: it is
WITH offered AS (
  SELECT * FROM entries WHERE type = 'ProductOffered' AND has_body
  QUALIFY row_number() OVER (PARTITION BY product ORDER BY idx) = 1
), withdrawn AS (
  SELECT product, min(at_ms) AS at_ms FROM entries WHERE type = 'ProductWithdrawn' GROUP BY product
)
SELECT o.product, split_part(o.product, '/', 1) AS agency, o.name, o.sections, o.purposes,
  o.price, o.price_currency AS currency, o.due_within_ms, o.report_schema,
  o.idx AS offered_idx, make_timestamp_ms(o.at_ms) AS offered_at,
  make_timestamp_ms(w.at_ms) AS withdrawn_at
FROM offered o LEFT JOIN withdrawn w USING (product)
