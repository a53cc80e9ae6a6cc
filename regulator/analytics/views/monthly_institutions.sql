-- One row for each month and institution that ordered, with the shares a supervisor watches.
--
-- month: first day of the month, in the zone of the session
-- orderer: the institution
-- orders: placed
-- officers: officers who placed them
-- enterprises: different enterprises
-- other_purpose_bp: share for the purpose OTHER, hundredths of a percent; of erased orders NULL
-- cross_region_bp: share on enterprises of another region, likewise
-- failed_bp: share declined, lapsed or not found, hundredths of a percent
-- disputed: disputed
-- granted: followed by credit
-- amount: credit granted, minor units
SELECT month_of(placed_at) AS month, orderer, count(*) AS orders,
  count(DISTINCT officer) AS officers, count(DISTINCT enterprise) AS enterprises,
  count(*) FILTER (purpose = 'OTHER') * 10000 // nullif(count(purpose), 0) AS other_purpose_bp,
  count(*) FILTER (cross_region) * 10000 // nullif(count(cross_region), 0) AS cross_region_bp,
  count(*) FILTER (outcome = 'NOT_FOUND' OR status IN ('DECLINED', 'LAPSED')) * 10000 // count(*)
    AS failed_bp,
  count(*) FILTER (disputed_at IS NOT NULL) AS disputed,
  count(*) FILTER (decision = 'GRANTED') AS granted, sum(amount)::BIGINT AS amount
FROM orders GROUP BY ALL
