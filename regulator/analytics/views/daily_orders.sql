-- One row for each day on which something happened to an order.
--
-- day: in the zone of the session
-- placed: placed
-- delivered: delivered
-- declined: declined
-- lapsed: lapsed
-- disputed: disputed
-- granted: lending decisions to grant
SELECT day_of(make_timestamp_ms(at_ms)) AS day, count(*) FILTER (type = 'OrderPlaced') AS placed,
  count(*) FILTER (type = 'ReportDelivered') AS delivered,
  count(*) FILTER (type = 'OrderDeclined') AS declined,
  count(*) FILTER (type = 'OrderLapsed') AS lapsed,
  count(*) FILTER (type = 'DeliveryDisputed') AS disputed,
  count(*) FILTER (type = 'CreditDecided' AND decision = 'GRANTED') AS granted
FROM entries WHERE order_id IS NOT NULL AND at_ms IS NOT NULL GROUP BY ALL
