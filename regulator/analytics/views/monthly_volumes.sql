-- One row for each month, institution and officer that ordered.
--
-- month: first day of the month in which was ordered, in the zone of the session
-- orderer: the institution
-- officer: the officer
-- orders: placed
-- enterprises: different enterprises among them
-- other_purpose: of them for the purpose OTHER
-- cross_region: of them on an enterprise of another region (first four digits of the code)
-- not_found: of them answered with NOT_FOUND
-- failed: of them declined, lapsed or not found
-- disputed: of them disputed
SELECT month_of(placed_at) AS month, orderer, officer, count(*) AS orders,
  count(DISTINCT enterprise) AS enterprises,
  count(*) FILTER (purpose = 'OTHER') AS other_purpose,
  count(*) FILTER (cross_region) AS cross_region,
  count(*) FILTER (outcome = 'NOT_FOUND') AS not_found,
  count(*) FILTER (outcome = 'NOT_FOUND' OR status IN ('DECLINED', 'LAPSED')) AS failed,
  count(*) FILTER (disputed_at IS NOT NULL) AS disputed
FROM orders GROUP BY ALL
